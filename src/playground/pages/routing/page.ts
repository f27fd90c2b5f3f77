import './routing.css';
import type { PageContext, PageModule, PageView } from '../../page.ts';
import { integer } from '../../state.ts';
import { controls, facts, panel, table } from '../../ui/blocks.ts';
import { checkLine } from '../../ui/check-line.ts';
import { nodeCommand } from '../../ui/command.ts';
import { button, slider } from '../../ui/controls.ts';
import { fill, h } from '../../ui/dom.ts';
import { exportBar } from '../../ui/export.ts';
import { figure } from '../../ui/heat-map.ts';
import { pageHash } from '../../ui/links.ts';
import { sized } from '../../ui/sized.ts';
import { task } from '../../ui/task.ts';
import { barPicture } from './bars.ts';
import { flowPicture } from './flow.ts';
import {
  biasTensor,
  cluster,
  flowsOf,
  type Gated,
  gateSpec,
  layer,
  logitsOf,
  nextBias,
  type Placed,
  placements,
  type RoutingSettings,
  routeBatch,
} from './model.ts';

interface State extends RoutingSettings {
  /** Step of the bias, in thousandths. */
  readonly speed: number;
  /** Redundant experts a GPU. */
  readonly redundant: number;
  /** Batches that the bias has learnt from. */
  readonly batch: number;
}

/** Below this a choice hangs on the last bits of two scores. */
const near = 2 ** -10;

/** Past this the balancing stops by itself. */
const mostBatches = 200;

function mount(root: HTMLElement, context: PageContext<State>): PageView<State> {
  let state = context.state;
  let bias: Float32Array = new Float32Array(layer.experts);
  let batch = 0;
  let history: number[] = [];
  let settings = '';
  let timer: ReturnType<typeof setInterval> | undefined;
  let gated: Gated | undefined;

  const skew = slider({
    label: 'Uneven popularity',
    min: 0,
    max: 30,
    text: (value) => (value / 10).toFixed(1),
    onChange: (value) => context.set({ skew: value, batch: 0 }),
  });
  const temperature = slider({
    label: 'Temperature',
    min: 2,
    max: 40,
    text: (value) => (value / 10).toFixed(1),
    onChange: (value) => context.set({ temperature: value, batch: 0 }),
  });
  const seed = slider({ label: 'Seed', min: 0, max: 31, onChange: (value) => context.set({ seed: value, batch: 0 }) });
  const speed = slider({
    label: 'Step of the bias',
    min: 0,
    max: 50,
    text: (value) => (value / 1000).toFixed(3),
    onChange: (value) => context.set({ speed: value, batch: 0 }),
  });
  const redundant = slider({
    label: 'Redundant experts a GPU',
    min: 0,
    max: 4,
    onChange: (value) => context.set({ redundant: value }),
  });
  const flow = h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Flow of tokens' });
  const loads = sized((width) => gated && loadPicture(gated.load, width));
  const biases = sized((width) => biasPicture(bias, width));
  const course = sized((width) => coursePicture(history, width));
  const numbers = h('div', { id: 'routing-facts' });
  const ties = h('div', {});
  const placing = h('div', { class: 'stack', id: 'placement' });
  const gpu = checkLine({ id: 'gate-check' });
  const progress = task(context.signal);
  const exports = h('div', {});
  const play = button('Balance step by step', () => (timer === undefined ? start() : pause()), {
    kind: 'primary',
    id: 'balance-play',
  });
  const once = button('One step', () => advance(), { id: 'balance-step' });
  const clear = button('Bias back to zero', () => reset(), { kind: 'quiet' });
  root.append(
    panel(
      'Where tokens go',
      controls(skew.element, temperature.element, seed.element),
      progress.element,
      numbers,
      gpu.element,
      flow,
    ),
    panel(
      'Balancing without an auxiliary loss',
      h(
        'p',
        { class: 'quiet' },
        'After each batch the bias of an expert that had more tokens than the mean goes down by a fixed step, that of the others up. It steers the choice alone: weights come from the scores without it.',
      ),
      controls(speed.element),
      h('div', { class: 'row' }, play, once, clear),
      h(
        'div',
        { class: 'columns' },
        figure('Tokens of each expert', loads.element),
        figure('Bias of each expert', biases.element),
      ),
      figure('Busiest expert over the mean, batch by batch', course.element),
    ),
    panel(
      'Where experts live',
      h(
        'p',
        { class: 'quiet' },
        'The load balancer packs groups onto nodes, gives busy experts copies, and packs those onto GPUs.',
      ),
      controls(redundant.element),
      placing,
    ),
    panel('Choices that hang by a thread', ties),
    panel('Result', exports),
  );

  const stop = () => {
    clearInterval(timer);
    timer = undefined;
    fill(play, 'Balance step by step');
  };
  const pause = () => {
    stop();
    if (gated !== undefined) void check(logitsOf(state, batch), gated.chosen);
  };
  const start = () => {
    timer = setInterval(advance, 350);
    fill(play, 'Pause');
  };
  context.signal.addEventListener('abort', stop);

  const advance = () => {
    if (state.batch < mostBatches) context.set({ batch: state.batch + 1 });
    else stop();
  };
  const reset = () => {
    stop();
    context.set({ batch: 0 });
  };

  /** Routes the next batch with the bias that the last one asks for. */
  const step = (last: Gated): Gated => {
    bias = nextBias(bias, last.load, state.speed / 1000);
    batch++;
    return route();
  };
  const route = (): Gated => {
    gated = routeBatch(logitsOf(state, batch), bias);
    history = [...history.slice(-99), gated.imbalance];
    return gated;
  };
  let newest = 0;
  /** Comes to a batch from the first one on: a link holds its number, all else follows from it. The page answers meanwhile. */
  const replay = async (to: number): Promise<void> => {
    const mine = ++newest;
    bias = new Float32Array(layer.experts);
    batch = 0;
    history = [];
    let now = route();
    const cancelled = to > 0 ? progress.begin('Balancing …') : undefined;
    while (batch < to) {
      now = step(now);
      progress.progress(batch / to, `Batch ${batch} of ${to}`);
      await new Promise((done) => setTimeout(done));
      if (mine !== newest || context.signal.aborted) return;
      if (cancelled?.aborted) return context.set({ batch: 0 });
    }
    progress.end();
    settle(now);
  };

  /** Holds the adapter's gate against the reference's, once the page is at rest. */
  let checks = 0;
  const check = async (logits: ReturnType<typeof logitsOf>, chosen: Gated['chosen']) => {
    const mine = ++checks;
    gpu.say('');
    const { kind } = await context.services.known;
    if (kind === 'none' || timer !== undefined || mine !== checks) return;
    try {
      const given = { logits, bias: biasTensor(bias) };
      const { tensors } = await context.services.gpu.call('run', { spec: gateSpec, given }, { timeout: 60_000 });
      if (mine !== checks) return;
      const other = tensors.topk_idx!.codes;
      const differing = Array.from(chosen.codes).filter((code, i) => code !== other[i]).length;
      const choices = chosen.codes.length.toLocaleString('en');
      if (differing === 0) gpu.say(`✓ The WGSL gate on this adapter makes the same ${choices} choices.`, 'good');
      else gpu.say(`${differing} choices differ on this adapter.`, 'bad');
    } catch (error) {
      if (mine === checks) gpu.failed(error, () => void check(logits, chosen));
    }
  };

  function settle(now: Gated): void {
    show(now);
    root.dataset.ready = 'true';
    root.dataset.batch = String(batch);
    if (timer === undefined) void check(logitsOf(state, batch), now.chosen);
  }

  function show(shown: Gated): void {
    const { before, after } = placements(shown, state.redundant);
    const picture = flowPicture(shown, before, flowsOf(shown, before));
    fill(flow, picture);
    const close = shown.gaps.filter((gap) => gap < near).length;
    fill(
      numbers,
      facts([
        ['Busiest expert over mean', shown.imbalance.toFixed(2)],
        ['Experts without a token', String(shown.load.filter((count) => count === 0).length)],
        ['Nodes a token visits', before.traffic.nodesPerToken.toFixed(2)],
        ['Near ties', `${close} of ${layer.tokens} tokens`],
        ['Batch', String(batch)],
      ]),
    );
    for (const picture of [loads, biases, course]) picture.redraw();
    fill(placing, placementView(before, after));
    fill(ties, tieTable(shown));
    fill(exports, exportBar(exportOf(state, batch, bias, shown, before, after, picture), context.link()));
  }

  function update(next: State): void {
    state = next;
    skew.show(state.skew);
    temperature.show(state.temperature);
    seed.show(state.seed);
    speed.show(state.speed);
    redundant.show(state.redundant);
    const key = JSON.stringify([state.skew, state.temperature, state.seed, state.speed]);
    if (key === settings && gated !== undefined && batch === state.batch) {
      show(gated);
      return;
    }
    const onward = key === settings && gated !== undefined && batch + 1 === state.batch;
    settings = key;
    if (!onward) return void replay(state.batch);
    newest++;
    settle(step(gated!));
  }
  return { update };
}

function loadPicture(load: Gated['load'], width: number): SVGSVGElement {
  const most = Math.max(...load);
  return barPicture({
    label: `Tokens of each of ${layer.experts} experts, ${most} at most`,
    values: load,
    most,
    width,
    mark: (at) => (load[at]! === most ? String(most) : undefined),
  });
}

/** Biases above and below zero; a sign and the place say which, not a colour. */
function biasPicture(bias: Float32Array, width: number): SVGSVGElement {
  const most = Math.max(...bias.map(Math.abs), 0.001);
  const shifted = Float32Array.from(bias, (value) => value + most);
  const picture = barPicture({
    label: `Bias of each expert, from ${(-most).toFixed(3)} to ${most.toFixed(3)}`,
    values: shifted,
    most: 2 * most,
    width,
  });
  const words = picture.querySelectorAll('text');
  words[words.length - 1]!.textContent = `zero; ends at ±${most.toFixed(3)}`;
  return picture;
}

function coursePicture(history: readonly number[], width: number): SVGSVGElement {
  const padded = Float32Array.from({ length: Math.max(history.length, 40) }, (_, i) =>
    history[i] === undefined ? 0 : history[i] - 1,
  );
  const last = history.length - 1;
  const picture = barPicture({
    label: `Busiest expert over the mean: ${history.at(-1)?.toFixed(2)} after ${history.length} batches, ${history[0]?.toFixed(2)} at first`,
    values: padded,
    most: Math.max(...padded),
    height: 130,
    width,
    mark: (at) => (at === last ? history[last]!.toFixed(2) : undefined),
  });
  // The bars stand on 1, perfect balance: a mean over them says nothing.
  picture.querySelector('line')?.remove();
  const words = picture.querySelectorAll('text');
  words[words.length - 1]!.textContent = 'bars stand on 1, perfect balance';
  words[words.length - 1]!.setAttribute('y', '14');
  return picture;
}

function placementView(before: Placed, after: Placed): HTMLElement[] {
  const most = Math.max(...before.gpuLoads, ...after.gpuLoads);
  const picture = (title: string, { gpuLoads, imbalance }: Placed) => {
    const bars = sized((width) =>
      barPicture({
        label: `${title}: load of each GPU, ${imbalance.toFixed(2)} times the mean at most`,
        values: gpuLoads,
        most,
        name: (at) => `GPU ${at}`,
        height: 190,
        width,
      }),
    );
    bars.redraw();
    return figure(`${title}: busiest GPU ${imbalance.toFixed(2)} times the mean`, bars.element);
  };
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
  const copied = after.copies
    .map((count, expert) => ({ count, expert }))
    .filter(({ count }) => count > 1)
    .sort((a, b) => b.count - a.count);
  return [
    h('div', { class: 'columns' }, picture('In order', before), picture('Balanced', after)),
    table(
      'Placement before and after',
      [
        { head: 'placement', text: true },
        { head: 'busiest GPU' },
        { head: 'nodes a token' },
        { head: 'between nodes, there' },
        { head: 'inside nodes, there' },
        { head: 'between nodes, back' },
        { head: 'experts with copies' },
      ],
      [row('in order', before), row('balanced', after)],
    ),
    h(
      'p',
      { class: 'small quiet' },
      copied.length === 0
        ? 'No expert has a copy.'
        : `Copies: ${copied.map(({ expert, count }) => `expert ${expert} × ${count}`).join(', ')}.`,
    ),
  ];
}

/** The tokens whose choice was nearest. */
function tieTable({ gaps, routing }: Gated): HTMLElement {
  const nearest = Array.from(gaps.keys())
    .sort((a, b) => gaps[a]! - gaps[b]!)
    .slice(0, 8);
  return table(
    'Tokens whose last expert was chosen by the least',
    [{ head: 'token', text: true }, { head: 'lead over the next expert' }, { head: 'experts chosen' }],
    nearest.map((token) => [
      `${token}${gaps[token]! < near ? ' · near tie' : ''}`,
      gaps[token]!.toExponential(2),
      Array.from(routing.topkIdx.slice(token * routing.topK, (token + 1) * routing.topK)).join(', '),
    ]),
  );
}

function exportOf(
  state: State,
  batch: number,
  bias: Float32Array,
  gated: Gated,
  before: Placed,
  after: Placed,
  picture: SVGSVGElement,
) {
  const side = ({ gpuLoads, imbalance, traffic, copies }: Placed) => ({
    gpuLoads: [...gpuLoads],
    imbalance,
    nodesPerToken: traffic.nodesPerToken,
    copies,
  });
  return {
    name: 'fp8lab-routing',
    command: nodeCommand(
      `import { rebalanceExperts } from "fp8lab"; console.log(JSON.stringify(rebalanceExperts([[${gated.load.join(', ')}]], { replicas: ${layer.experts + state.redundant * cluster.gpus}, groups: ${layer.groups}, nodes: ${cluster.nodes}, gpus: ${cluster.gpus} })))`,
    ),
    json: () => ({
      settings: state,
      layer,
      cluster,
      batch,
      bias: [...bias],
      load: [...gated.load],
      imbalance: gated.imbalance,
      before: side(before),
      after: side(after),
    }),
    csv: () => [
      ['expert', 'tokens', 'bias', 'copies'],
      ...Array.from(gated.load, (count, expert) => [expert, count, bias[expert]!, after.copies[expert]!]),
    ],
    picture: () => picture,
  };
}

/** Routing: tokens to groups, experts and GPUs. */
export const page: PageModule<State> = {
  intro: {
    title: 'Routing',
    source: 'DeepSeek-V3 report, sections 2.1.2 (balancing), 3.2.2 (dispatch), 3.4 (redundant experts)',
    sees: 'Tokens on their way to groups, experts and GPUs, with the gate of DeepSeek-V3 choosing eight of 64 experts in at most four groups.',
    matters: 'All wait for the busiest GPU: a bias evens the choice out, copies of busy experts even out the rest.',
    next: [
      { text: 'What the traffic costs in a deployment', hash: pageHash('deployment') },
      { text: 'The gate on this adapter, as a spec', hash: pageHash('parity', { spec: 'gate/dsv3' }) },
      {
        text: 'The shader that chooses the experts',
        hash: pageHash('workbench', { spec: 'gate/dsv3', file: 'kernels/gate_choose' }),
      },
    ],
  },
  fields: {
    skew: integer(0, 30, 8),
    temperature: integer(2, 40, 10),
    seed: integer(0, 31, 1),
    speed: integer(0, 50, 10),
    redundant: integer(0, 4, 2),
    batch: integer(0, mostBatches, 0),
  },
  mount,
};
