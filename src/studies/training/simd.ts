import type { Floats, Matrix } from './matrix.ts';

/**
 * Products in f32 on four lanes: WebAssembly has the same SIMD instructions everywhere, each multiplication and addition rounded by
 * itself, so a sum has the same bits on every machine. The one function below is assembled here rather than shipped as a binary.
 */

/** How operands lie: `nt` A [m, k], B [n, k]; `nn` A [m, k], B [k, n]; `tn` A [k, m], B [k, n]. */
export type Layout = 'nt' | 'nn' | 'tn';

/** A tile of the result: four rows of two vectors. */
const tileRows = 4;
const tileColumns = 8;

const code = {
  block: [0x02, 0x40],
  loop: [0x03, 0x40],
  end: [0x0b],
  brIf: (depth: number) => [0x0d, depth],
  br: (depth: number) => [0x0c, depth],
  get: (local: number) => [0x20, local],
  set: (local: number) => [0x21, local],
  i32: (value: number) => [0x41, value],
  i32Eqz: [0x45],
  i32Add: [0x6a],
  i32Sub: [0x6b],
  load: (offset: number) => [0xfd, 0x00, 0x02, offset],
  loadSplat: (offset: number) => [0xfd, 0x09, 0x02, offset],
  store: (offset: number) => [0xfd, 0x0b, 0x02, offset],
  add: [0xfd, 0xe4, 0x01],
  mul: [0xfd, 0xe6, 0x01],
} as const;

/** Parameters of `tile`, and its vectors after them. */
const [A, B, C, K, STRIDE, B0, B1, SPLAT, SUMS] = [0, 1, 2, 3, 4, 5, 6, 7, 8] as const;

/**
 * tile(a, b, c, k, stride): c[r][0..7] = the sum over k of a[k][r] * b[k][0..7] for r in 0..3, k ascending from zero.
 * a is packed [k][4], b [k][8]; addresses and stride in bytes.
 */
function tileBody(): number[] {
  const rows = [0, 1, 2, 3];
  const sum = (row: number, half: number): number => SUMS + 2 * row + half;
  const advance = (local: number, bytes: number) => [
    ...code.get(local),
    ...code.i32(bytes),
    ...code.i32Add,
    ...code.set(local),
  ];
  const multiplyAdd = (row: number, half: number) => [
    ...code.get(sum(row, half)),
    ...code.get(SPLAT),
    ...code.get(half === 0 ? B0 : B1),
    ...code.mul,
    ...code.add,
    ...code.set(sum(row, half)),
  ];
  const row = (r: number) => [
    ...code.get(A),
    ...code.loadSplat(4 * r),
    ...code.set(SPLAT),
    ...multiplyAdd(r, 0),
    ...multiplyAdd(r, 1),
  ];
  const storeRow = (r: number) => [
    ...code.get(C),
    ...code.get(sum(r, 0)),
    ...code.store(0),
    ...code.get(C),
    ...code.get(sum(r, 1)),
    ...code.store(16),
    ...code.get(C),
    ...code.get(STRIDE),
    ...code.i32Add,
    ...code.set(C),
  ];
  return [
    ...code.block,
    ...code.loop,
    ...code.get(K),
    ...code.i32Eqz,
    ...code.brIf(1),
    ...code.get(B),
    ...code.load(0),
    ...code.set(B0),
    ...code.get(B),
    ...code.load(16),
    ...code.set(B1),
    ...rows.flatMap(row),
    ...advance(A, 16),
    ...advance(B, 32),
    ...code.get(K),
    ...code.i32(1),
    ...code.i32Sub,
    ...code.set(K),
    ...code.br(0),
    ...code.end,
    ...code.end,
    ...rows.flatMap(storeRow),
    ...code.end,
  ];
}

/** An unsigned integer as LEB128. */
function leb(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb(value >>> 7)];
}

function assemble(): Uint8Array<ArrayBuffer> {
  const [i32, v128] = [0x7f, 0x7b];
  const vectors = SUMS - B0 + 8;
  const body = [1, vectors, v128, ...tileBody()];
  const section = (id: number, content: readonly number[]) => [id, ...leb(content.length), ...content];
  const text = (name: string) => [name.length, ...new TextEncoder().encode(name)];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, [1, 0x60, 5, i32, i32, i32, i32, i32, 0]),
    ...section(2, [1, ...text('env'), ...text('memory'), 0x02, 0x00, 0x01]),
    ...section(3, [1, 0]),
    ...section(7, [1, ...text('tile'), 0x00, 0x00]),
    ...section(10, [1, ...leb(body.length), ...body]),
  ]);
}

interface Machine {
  readonly memory: WebAssembly.Memory;
  tile(a: number, b: number, c: number, k: number, stride: number): void;
}

let machine: Machine | undefined;

function start(): Machine {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(assemble()), { env: { memory } });
  return { memory, tile: instance.exports.tile as Machine['tile'] };
}

/** At least `words` f32 of the machine's memory. */
function room({ memory }: Machine, words: number): Float32Array {
  const missing = 4 * words - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / 65_536));
  return new Float32Array(memory.buffer);
}

/** An operand's k lines of `width` values, side by side in panels of `panel`: [panels][k][panel]. */
interface Packing {
  readonly values: Floats;
  readonly count: number;
  readonly k: number;
  /** Steps from a value to that of the next line of k, and to the next row or column of the result. */
  readonly kStep: number;
  readonly step: number;
}

/** Writes the panels to `to` from `at` on; the last is filled up with zeros. Gives the place after them. */
function pack({ values, count, k, kStep, step }: Packing, panel: number, to: Float32Array, at: number): number {
  for (let first = 0; first < count; first += panel) {
    const width = Math.min(panel, count - first);
    if (width < panel) to.fill(0, at, at + k * panel);
    if (kStep === 1) {
      for (let i = 0; i < width; i++) {
        const start = (first + i) * step;
        for (let j = 0, place = at + i; j < k; j++, place += panel) to[place] = values[start + j]!;
      }
    } else {
      for (let j = 0; j < k; j++) {
        const [start, place] = [j * kStep + first * step, at + j * panel];
        for (let i = 0; i < width; i++) to[place + i] = values[start + i * step]!;
      }
    }
    at += k * panel;
  }
  return at;
}

/** k lines the other way round: the same sum in another order. */
function reversed(packing: Packing): Packing {
  const { values, k, kStep, count, step } = packing;
  if (k === 0) return packing;
  const turned = new Float32Array(count * k);
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < k; j++) turned[i * k + j] = values[i * step + (k - 1 - j) * kStep]!;
  }
  return { values: turned, count, k, kStep: 1, step: k };
}

/**
 * op(A) * op(B)^T in f32: one accumulator an element, k ascending, no fused operations.
 * @param descending sums k from the last to the first instead
 */
export function multiplyF32(a: Matrix, b: Matrix, layout: Layout, descending = false): Matrix {
  const left = side(a, layout === 'tn');
  const right = side(b, layout !== 'nt');
  const [m, n, k] = [left.count, right.count, left.k];
  machine ??= start();
  const panels = (count: number, panel: number) => Math.ceil(count / panel);
  const stride = panels(n, tileColumns) * tileColumns;
  const words = panels(m, tileRows) * tileRows * (k + stride) + stride * k;
  const memory = room(machine, words);
  const atB = pack(descending ? reversed(left) : left, tileRows, memory, 0);
  const atC = pack(descending ? reversed(right) : right, tileColumns, memory, atB);
  for (let column = 0; column < n; column += tileColumns) {
    for (let row = 0; row < m; row += tileRows) {
      machine.tile(4 * row * k, 4 * (atB + column * k), 4 * (atC + row * stride + column), k, 4 * stride);
    }
  }
  const values = new Float32Array(m * n);
  for (let row = 0; row < m; row++) {
    values.set(memory.subarray(atC + row * stride, atC + row * stride + n), row * n);
  }
  return { rows: m, columns: n, values };
}

function side({ rows, columns, values }: Matrix, transposed: boolean): Packing {
  return transposed
    ? { values, count: columns, k: rows, kStep: columns, step: 1 }
    : { values, count: rows, k: columns, kStep: 1, step: columns };
}

/** The same in f64, plainly: what gradients are checked with. */
export function multiplyF64(a: Matrix, b: Matrix, layout: Layout): Matrix {
  const left = side(a, layout === 'tn');
  const right = side(b, layout !== 'nt');
  const values = new Float64Array(left.count * right.count);
  for (let i = 0; i < left.count; i++) {
    for (let j = 0; j < right.count; j++) {
      let sum = 0;
      for (let k = 0; k < left.k; k++) {
        sum += left.values[i * left.step + k * left.kStep]! * right.values[j * right.step + k * right.kStep]!;
      }
      values[i * right.count + j] = sum;
    }
  }
  return { rows: left.count, columns: right.count, values };
}
