import { controls, panel, table } from '../../ui/blocks.ts';
import { type Control, slider } from '../../ui/controls.ts';
import { fill, h } from '../../ui/dom.ts';
import { sized } from '../../ui/sized.ts';
import { barPicture } from './bars.ts';
import { cluster, type Placed } from './view.ts';

/** Placements of experts before and after. */
export interface PlacementPanel {
  readonly element: HTMLElement;
  readonly redundant: Control<number>;
  show(before: Placed, after: Placed): void;
}

/** Builds the panel; `onRedundant` gets the redundant experts a GPU. */
export function placementPanel(onRedundant: (count: number) => void): PlacementPanel {
  let placed: readonly Placed[] = [];
  const redundant = slider({ label: 'Redundant experts a GPU', min: 0, max: 4, onChange: onRedundant });
  const sides = ['In order', 'Balanced'].map((title, i) => {
    const caption = h('figcaption', {});
    const bars = sized((width) => {
      const here = placed[i];
      if (here === undefined) return undefined;
      const most = Math.max(...placed.flatMap(({ gpuLoads }) => [...gpuLoads]));
      const label = `${title}: load of each GPU, ${here.imbalance.toFixed(2)} times the mean at most`;
      return barPicture({ label, values: here.gpuLoads, most, name: (at) => `GPU ${at}`, height: 190, width });
    });
    const show = () => {
      fill(caption, h('span', {}, `${title}: busiest GPU ${placed[i]!.imbalance.toFixed(2)} times the mean`));
      bars.redraw();
    };
    return { element: h('figure', { class: 'picture' }, bars.element, caption), show };
  });
  const numbers = h('div', {});
  const copies = h('p', { class: 'small quiet' });
  const nodes = h('div', { class: 'columns', id: 'node-traffic' });
  const element = panel(
    'Where experts live',
    h(
      'p',
      { class: 'quiet' },
      'The load balancer packs groups onto nodes, gives busy experts copies, and packs those onto GPUs.',
    ),
    controls(redundant.element),
    h(
      'div',
      { class: 'columns' },
      sides.map((side) => side.element),
    ),
    numbers,
    copies,
    nodes,
  );
  element.id = 'placement';
  return {
    element,
    redundant,
    show(before, after) {
      placed = [before, after];
      for (const side of sides) side.show();
      fill(numbers, placementTable(before, after));
      fill(copies, copiesText(after));
      fill(nodes, nodeTable('In order', before), nodeTable('Balanced', after));
    },
  };
}

function placementTable(before: Placed, after: Placed): HTMLElement {
  const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(2)} MB`;
  const row = (title: string, { imbalance, traffic, copies }: Placed) => [
    title,
    imbalance.toFixed(3),
    traffic.nodesPerToken.toFixed(2),
    megabytes(traffic.dispatch.ib),
    megabytes(traffic.dispatch.nvlink),
    megabytes(traffic.combine.ib),
    copies.filter((count) => count > 1).length,
  ];
  return table(
    `Placement before and after, on ${cluster.gpus} GPUs`,
    [
      { head: 'placement', text: true },
      { head: 'busiest GPU' },
      { head: 'nodes a token' },
      { head: 'between nodes, dispatch' },
      { head: 'inside nodes, dispatch' },
      { head: 'between nodes, combine' },
      { head: 'experts with copies' },
    ],
    [row('in order', before), row('balanced', after)],
  );
}

/** Tokens that each node sends to each other one, a token once a node: the table that network cards carry. */
function nodeTable(title: string, { traffic: { nodeTokens } }: Placed): HTMLElement {
  const sum = (row: readonly number[]) => row.reduce((all, count) => all + count, 0);
  return table(
    `${title}: tokens sent between nodes`,
    [
      { head: 'sent by', text: true },
      ...nodeTokens.map((_, node) => ({ head: `to node ${node}` })),
      { head: 'to all' },
    ],
    nodeTokens.map((row, from) => [`node ${from}`, ...row.map((count, to) => (to === from ? '–' : count)), sum(row)]),
    { hideCaption: false },
  );
}

function copiesText({ copies }: Placed): string {
  const copied = copies
    .map((count, expert) => ({ count, expert }))
    .filter(({ count }) => count > 1)
    .sort((a, b) => b.count - a.count);
  if (copied.length === 0) return 'No expert has a copy.';
  return `Copies: ${copied.map(({ expert, count }) => `expert ${expert} × ${count}`).join(', ')}.`;
}
