import { bandEnds, bandPath, type Slot, stackBars } from '../../../moe/picture/bands.ts';
import { type Child, s } from '../../ui/dom.ts';
import { cluster, type Flows, type Gated, layer, type Placed } from './view.ts';

const width = 1000;
const height = 560;
const top = 34;
const columns = [70, 330, 620, 930] as const;
const bar = 12;

const room = { top, height: height - top - 10 };

/** Bands of each group between two columns as one path: bands of one group do not cross there, and the picture has few elements. */
class Bands {
  readonly #paths = new Map<string, string>();

  add(column: number, from: Slot, to: Slot, group: number): void {
    const key = `${column} ${group}`;
    const path = bandPath(columns[column]! + bar, from, columns[column + 1]!, to);
    this.#paths.set(key, `${this.#paths.get(key) ?? ''}${path}`);
  }

  pictures(): Child[] {
    return Array.from(this.#paths, ([key, d]) =>
      s('path', { d, class: `band ${Number(key.split(' ')[1]) % 2 === 0 ? 'even' : 'odd'}` }),
    );
  }
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
  const places = [
    stackBars(sources, 8, room),
    stackBars(groups, 10, room),
    stackBars(load, 1.5, room),
    stackBars(gpus, 10, room),
  ] as const;
  const fromSource = bandEnds(places[0], sources);
  const intoGroup = bandEnds(places[1], groups);
  const fromGroup = bandEnds(places[1], groups);
  const fromExpert = bandEnds(places[2], load);
  const intoGpu = bandEnds(places[3], gpus);
  const bands = new Bands();
  for (const [source, row] of flows.sourceToGroup.entries()) {
    row.forEach((count, group) => {
      if (count > 0) bands.add(0, fromSource(source, count), intoGroup(group, count), group);
    });
  }
  for (let expert = 0; expert < layer.experts; expert++) {
    const group = Math.floor(expert / size);
    if (load[expert]! > 0) bands.add(1, fromGroup(group, load[expert]!), places[2][expert]!, group);
    flows.expertToGpu[expert]!.forEach((count, gpu) => {
      if (count > 0) bands.add(2, fromExpert(expert, count), intoGpu(gpu, count), group);
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
    bands.pictures(),
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
