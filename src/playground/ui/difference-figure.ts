import type { DifferenceMap } from '../services/difference-map.ts';
import { fill, h } from './dom.ts';
import { figure, heatMap } from './heat-map.ts';
import { levelOf } from './levels.ts';

/** Where results differ, as a picture, or their magnitudes where they do not; `onPick` gets the coordinates of a cell that is chosen. */
export function differenceFigure(
  map: DifferenceMap,
  onPick?: (coordinates: readonly [row: number, column: number]) => void,
): HTMLElement {
  const [rows, columns] = map.shape;
  const equal = map.differing.every((count) => count === 0);
  const where = h('span', {});
  const place = (row: number, column: number) =>
    [Math.floor((row * rows) / map.cells[0]), Math.floor((column * columns) / map.cells[1])] as const;
  const picture = heatMap({
    label: equal ? `Magnitudes of ${map.name}: no bit differs` : `Differences of ${map.name}`,
    aspect: Math.min(Math.max(rows / columns, 0.2), equal ? 0.25 : 0.5),
    onPoint: (row, column) => {
      const cell = row * map.cells[1] + column;
      fill(where, `[${place(row, column).join(', ')}]: ${map.differing[cell]} of ${map.elements[cell]} differ`);
    },
    onPick: onPick && ((row, column) => onPick(place(row, column))),
  });
  // Where nothing differs the values themselves are what there is to see, and to ask for.
  const differences = () =>
    Uint8Array.from(map.differing, (count, i) => levelOf(count === 0 ? 0 : 0.4 + (0.6 * count) / map.elements[i]!));
  picture.show({
    rows: map.cells[0],
    columns: map.cells[1],
    levels: equal ? map.magnitudes : differences(),
    ramp: equal ? 'value' : 'error',
  });
  const words = onPick === undefined ? '' : '; click to work an element out';
  return figure(
    `${map.name} [${rows}, ${columns}]: ${equal ? 'magnitudes; no bit differs' : 'where bits differ'}${words}`,
    picture.element,
    where,
  );
}
