import type { Row } from '../../studies/study.ts';

/** Names of the columns that a live curve is drawn from. */
export interface CurveColumns {
  readonly x: string;
  readonly y: string;
  readonly series: string;
}

/** Dots of a braille character: its bit by column and row. */
const dotBits = [
  [0x01, 0x02, 0x04, 0x40],
  [0x08, 0x10, 0x20, 0x80],
] as const;

/** A curve that grows as rows come. */
export class LiveCurve {
  private readonly series = new Map<string, { x: number; y: number }[]>();

  constructor(private readonly columns: CurveColumns) {}

  /** Adds a row; one without numbers is left out. */
  add(row: Row): void {
    const { x, y, series } = this.columns;
    const [at, value] = [row[x], row[y]];
    if (typeof at !== 'number' || typeof value !== 'number' || !Number.isFinite(value)) return;
    const name = String(row[series]);
    const points = this.series.get(name);
    if (points === undefined) this.series.set(name, [{ x: at, y: value }]);
    else points.push({ x: at, y: value });
  }

  /** `fp8: 2.3140 at step 120`: the last point of the series added to last. */
  lastLine(): string {
    const [name, points] = Array.from(this.series).at(-1) ?? ['', []];
    const last = points.at(-1);
    return last === undefined ? '' : `${name}: ${this.columns.y} ${last.y.toFixed(4)} at ${this.columns.x} ${last.x}`;
  }

  /**
   * The curves in braille dots, with the range of y at the left and the last value of every series below; `width` characters wide, `height`
   * lines high without the legend. Nothing before the first point.
   */
  draw(width: number, height: number): string[] {
    const points = Array.from(this.series.values()).flat();
    if (points.length === 0) return [];
    const [low, high] = [Math.min(...points.map(({ y }) => y)), Math.max(...points.map(({ y }) => y))];
    const last = Math.max(...points.map(({ x }) => x), 1);
    const labels = [high.toFixed(3), low.toFixed(3)];
    const margin = Math.max(...labels.map((label) => label.length));
    const columns = Math.max(width - margin - 2, 8);
    const cells = Array.from({ length: height }, () => new Uint8Array(columns));
    for (const { x, y } of points) {
      const right = Math.min(Math.floor((x / last) * (2 * columns - 1)), 2 * columns - 1);
      const down = high === low ? 0 : Math.round(((high - y) / (high - low)) * (4 * height - 1));
      const line = cells[down >> 2]!;
      line[right >> 1] = line[right >> 1]! | dotBits[(right & 1) as 0 | 1][(down & 3) as 0 | 1 | 2 | 3];
    }
    const lines = cells.map((line, index) => {
      const label = index === 0 ? labels[0]! : index === height - 1 ? labels[1]! : '';
      return `${label.padStart(margin)} ${Array.from(line, (bits) => String.fromCharCode(0x2800 + bits)).join('')}`;
    });
    return [...lines, ...this.legend(width)];
  }

  private legend(width: number): string[] {
    const { x, y } = this.columns;
    const entries = Array.from(this.series, ([name, points]) => `${name} ${points.at(-1)!.y.toFixed(4)}`);
    return [`${y} by ${x}`, ...entries].map((line) => line.slice(0, width));
  }
}
