/** Tiles of a matrix: how many down and across, and the rows they cover. */
export interface Tiles {
  readonly down: number;
  readonly across: number;
  readonly rows: number;
  readonly tileRows: number;
}

/** A way to lay scales out: how many lanes, and which tiles a lane holds (one, or the four bytes of a word); -1 is padding. */
export interface Layout {
  readonly name: string;
  readonly words: string;
  readonly cost: number;
  /** Four e8m0 bytes a lane. */
  readonly packed: boolean;
  shape(tiles: Tiles): readonly number[];
  tileAt(lane: number, byte: number, tiles: Tiles): number;
}

const align = (n: number, to: number): number => Math.ceil(n / to) * to;

const columns = (name: string, words: string, cost: number, to: number): Layout => ({
  name,
  words,
  cost,
  packed: false,
  shape: ({ down, across }) => [across, align(down, to)],
  tileAt: (lane, _, { down, across }) => {
    const stride = align(down, to);
    const row = lane % stride;
    return row < down ? row * across + Math.floor(lane / stride) : -1;
  },
});

/** Layouts that kernels read and write, the contract's three among them. */
export const layouts: readonly Layout[] = [
  {
    name: 'row-major',
    words: 'row-major',
    cost: 1,
    packed: false,
    shape: ({ down, across }) => [down, across],
    tileAt: (lane) => lane,
  },
  columns('mn-major', 'column after column, rows padded to 4 (DeepGEMM SM90)', 1, 4),
  columns('column-major', 'column after column, without padding', 1.1, 1),
  columns('mn-major-16', 'column after column, rows padded to 16', 2, 16),
  {
    name: 'broadcast',
    words: 'a row of scales for every row of the matrix',
    cost: 1,
    packed: false,
    shape: ({ rows, across }) => [rows, across],
    tileAt: (lane, _, { across, tileRows }) =>
      Math.floor(Math.floor(lane / across) / tileRows) * across + (lane % across),
  },
  {
    name: 'packed-e8m0',
    words: 'four exponents a word, words column after column (DeepGEMM SM100)',
    cost: 1,
    packed: true,
    shape: ({ down, across }) => [Math.ceil(across / 4), align(down, 4)],
    tileAt: (lane, byte, { down, across }) => {
      const stride = align(down, 4);
      const [row, column] = [lane % stride, 4 * Math.floor(lane / stride) + byte];
      return row < down && column < across ? row * across + column : -1;
    },
  },
  {
    name: 'packed-row-major',
    words: 'four exponents a word, row-major',
    cost: 1.1,
    packed: true,
    shape: ({ down, across }) => [down, Math.ceil(across / 4)],
    tileAt: (lane, byte, { across }) => {
      const width = Math.ceil(across / 4);
      const column = 4 * (lane % width) + byte;
      return column < across ? Math.floor(lane / width) * across + column : -1;
    },
  },
  {
    name: 'packed-big-endian',
    words: 'four exponents a word, the first in the highest byte, words column after column',
    cost: 2,
    packed: true,
    shape: ({ down, across }) => [Math.ceil(across / 4), align(down, 4)],
    tileAt: (lane, byte, { down, across }) => {
      const stride = align(down, 4);
      const [row, column] = [lane % stride, 4 * Math.floor(lane / stride) + 3 - byte];
      return row < down && column < across ? row * across + column : -1;
    },
  },
  {
    name: 'blocked-128x4',
    words: 'blocks of 128x4 scales, 32 rows interleaved by four (cuBLAS)',
    cost: 1,
    packed: false,
    shape: ({ down, across }) => [align(down, 128), align(across, 4)],
    tileAt: (lane, _, { down, across }) => {
      const wide = align(across, 4) / 4;
      const block = Math.floor(lane / 512);
      const inside = lane % 512;
      const row = 128 * Math.floor(block / wide) + 32 * Math.floor((inside % 16) / 4) + Math.floor(inside / 16);
      const column = 4 * (block % wide) + (inside % 4);
      return row < down && column < across ? row * across + column : -1;
    },
  },
];

/** The layout of a name. */
export const layoutOf = (name: string): Layout => layouts.find((layout) => layout.name === name) as Layout;
