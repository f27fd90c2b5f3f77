import { type Child, s } from '../../ui/dom.ts';
import { cluster, type Flows, type Gated, layer, type Placed } from './model.ts';

const width = 1000;
const height = 560;
const top = 34;
const columns = [70, 330, 620, 930] as const;
const bar = 12;

interface Slot {
  readonly y: number;
  readonly size: number;
}

/** Bars of a column one above the other, as high as their loads; `gap` pixels between them. */
function stack(loads: ArrayLike<number>, gap: number): Slot[] {
  const total = Array.from(loads).reduce((sum, load) => sum + load, 0) || 1;
  const room = height - top - 10 - gap * (loads.length - 1);
  let y = top;
  return Array.from(loads, (load) => {
    const size = (room * load) / total;
    const slot = { y, size };
    y += size + gap;
    return slot;
  });
}

/** Keeps, for each bar, how much of it is already taken by bands. */
function filler(slots: readonly Slot[], loads: ArrayLike<number>): (at: number, amount: number) => Slot {
  const taken = new Float64Array(slots.length);
  return (at, amount) => {
    const slot = slots[at]!;
    const share = loads[at] === 0 ? 0 : slot.size / loads[at]!;
    const part = { y: slot.y + taken[at]! * share, size: amount * share };
    taken[at]! += amount;
    return part;
  };
}

function band(x0: number, from: Slot, x1: number, to: Slot, group: number): Child {
  const middle = (x0 + x1) / 2;
  const path = `M${x0} ${from.y}C${middle} ${from.y} ${middle} ${to.y} ${x1} ${to.y}v${to.size}C${middle} ${to.y + to.size} ${middle} ${from.y + from.size} ${x0} ${from.y + from.size}Z`;
  return s('path', { d: path, class: `band ${group % 2 === 0 ? 'even' : 'odd'}` });
}

const sums = (rows: readonly Float64Array[], length: number): Float64Array => {
  const total = new Float64Array(length);
  for (const row of rows)
    row.forEach((count, at) => {
      total[at]! += count;
    });
  return total;
};

/** Tokens from where they start to groups, experts and GPUs; bands are as wide as the choices they carry. */
export function flowPicture({ load, imbalance }: Gated, placed: Placed, flows: Flows): SVGSVGElement {
  const size = layer.experts / layer.groups;
  const sources = flows.sourceToGroup.map((row) => row.reduce((sum, count) => sum + count, 0));
  const groups = sums(flows.sourceToGroup, layer.groups);
  const gpus = sums(flows.expertToGpu, cluster.gpus);
  const places = [stack(sources, 8), stack(groups, 10), stack(load, 1.5), stack(gpus, 10)] as const;
  const fromSource = filler(places[0], sources);
  const intoGroup = filler(places[1], groups);
  const fromGroup = filler(places[1], groups);
  const fromExpert = filler(places[2], load);
  const intoGpu = filler(places[3], gpus);
  const bands: Child[] = [];
  for (const [source, row] of flows.sourceToGroup.entries()) {
    row.forEach((count, group) => {
      if (count > 0)
        bands.push(band(columns[0] + bar, fromSource(source, count), columns[1], intoGroup(group, count), group));
    });
  }
  for (let expert = 0; expert < layer.experts; expert++) {
    const group = Math.floor(expert / size);
    if (load[expert]! > 0)
      bands.push(band(columns[1] + bar, fromGroup(group, load[expert]!), columns[2], places[2][expert]!, group));
    flows.expertToGpu[expert]!.forEach((count, gpu) => {
      if (count > 0)
        bands.push(band(columns[2] + bar, fromExpert(expert, count), columns[3], intoGpu(gpu, count), group));
    });
  }
  const mean = load.reduce((sum, count) => sum + count, 0) / load.length;
  const busy = (at: number) => load[at]! > 1.5 * mean;
  const label = `Tokens flow to ${layer.groups} groups, ${layer.experts} experts and ${cluster.gpus} GPUs; the busiest expert has ${imbalance.toFixed(2)} times the mean, the busiest GPU ${placed.imbalance.toFixed(2)} times`;
  return s(
    'svg',
    { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': label, class: 'flow' },
    ['tokens on', 'groups', 'experts', 'computed on'].map((head, i) =>
      s('text', { x: columns[i]! + bar / 2, y: 18, 'text-anchor': 'middle', class: 'flow-head' }, head),
    ),
    bands,
    places.map((slots, column) =>
      slots.map(({ y, size: tall }, at) =>
        s('rect', {
          x: columns[column]!,
          y,
          width: bar,
          height: Math.max(tall, 0.75),
          rx: 2,
          class: column === 2 && busy(at) ? 'flow-bar busy' : 'flow-bar',
        }),
      ),
    ),
    places[0].map(({ y, size: tall }, at) =>
      s('text', { x: columns[0] - 8, y: y + tall / 2 + 4, 'text-anchor': 'end', class: 'flow-name' }, `GPU ${at}`),
    ),
    places[1].map(
      ({ y, size: tall }, at) =>
        tall > 9 &&
        s('text', { x: columns[1] - 6, y: y + tall / 2 + 4, 'text-anchor': 'end', class: 'flow-name' }, String(at)),
    ),
    places[2].map(
      ({ y, size: tall }, at) =>
        tall > 11 &&
        s(
          'text',
          { x: columns[2] - 6, y: y + tall / 2 + 4, 'text-anchor': 'end', class: 'flow-name' },
          `${at}${busy(at) ? ' !' : ''}`,
        ),
    ),
    places[3].map(({ y, size: tall }, at) =>
      s('text', { x: columns[3] + bar + 6, y: y + tall / 2 + 4, class: 'flow-name' }, `GPU ${at}`),
    ),
  );
}
