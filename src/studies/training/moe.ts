import { balance, type GateShape, loads, type Routing, route, routeBackward } from './gate.ts';
import { addInto, type Floats, gatherRows, type Matrix, zeroMatrix, zeros } from './matrix.ts';
import type { Kept, Parameter, Precision } from './precision.ts';
import { swiglu, swigluBackward } from './swiglu.ts';

/** Weights of one expert: gate and up projections together [2 * width, hidden], and down [hidden, width]. */
export interface Expert {
  readonly up: Parameter;
  readonly down: Parameter;
}

/** A layer of experts: one shared, the others routed. */
export interface MoeWeights {
  /** [experts, hidden]. */
  readonly gate: Parameter;
  /** Ranks experts and is moved by their loads, not by gradients. */
  readonly bias: Floats;
  readonly shared: Expert;
  readonly routed: readonly Expert[];
}

/** What an expert keeps of its tokens. */
interface ExpertKept {
  readonly input: Kept;
  /** Input of SwiGLU. */
  readonly hidden: Kept;
}

/** Tokens of a routed expert: their rows, and their slots in the routing. */
interface Share {
  readonly rows: readonly number[];
  readonly slots: readonly number[];
}

/** What the layer keeps for its backward pass. */
export interface MoeKept {
  readonly x: Matrix;
  readonly routing: Routing;
  readonly shares: readonly Share[];
  readonly shared: ExpertKept;
  readonly routed: readonly (ExpertKept | undefined)[];
  /** Outputs of the routed experts, before their weights. */
  readonly outputs: readonly (Matrix | undefined)[];
}

/** shared(x) + the sum over slots of weight * expert(x), in slot order. No token is dropped. */
export async function moe(
  x: Matrix,
  weights: MoeWeights,
  shape: GateShape,
  precision: Precision,
): Promise<{ y: Matrix; kept: MoeKept }> {
  const routing = route(precision.multiply(x, weights.gate, 'nt'), weights.bias, shape);
  const shares = sharesOf(routing, shape);
  const shared = runExpert(x, weights.shared, precision);
  const routed = shares.map(({ rows }, expert) =>
    rows.length === 0 ? undefined : runExpert(gatherRows(x, rows), weights.routed[expert]!, precision),
  );
  const [common, ...own] = await Promise.all([shared, ...routed]);
  const outputs = own.map((result) => result?.y);
  const y = precision.round(combine(common.y, routing, shares, outputs, shape.topk));
  const kept = own.map((result) => result?.kept);
  return { y, kept: { x, routing, shares, shared: common.kept, routed: kept, outputs } };
}

function sharesOf({ experts }: Routing, { experts: count, topk }: GateShape): Share[] {
  const shares = Array.from({ length: count }, () => ({ rows: [] as number[], slots: [] as number[] }));
  experts.forEach((expert, slot) => {
    shares[expert]!.rows.push(Math.floor(slot / topk));
    shares[expert]!.slots.push(slot);
  });
  return shares;
}

async function runExpert(
  x: Matrix,
  { up, down }: Expert,
  precision: Precision,
): Promise<{ y: Matrix; kept: ExpertKept }> {
  const { y: hidden, kept: input } = await precision.fprop('expert-up', x, up);
  const { y } = await precision.fprop('expert-down', precision.round(swiglu(hidden)), down);
  return { y, kept: { input, hidden: precision.keep(hidden) } };
}

/** Adds the experts' rows to the shared expert's, each token's slots in their order. */
function combine(
  shared: Matrix,
  { experts, weights }: Routing,
  shares: readonly Share[],
  outputs: readonly (Matrix | undefined)[],
  topk: number,
): Matrix {
  const { columns } = shared;
  const y: Matrix = { ...shared, values: shared.values.slice() };
  const places = placesOf(shares, experts.length);
  experts.forEach((expert, slot) => {
    const from = places[slot]! * columns;
    const to = Math.floor(slot / topk) * columns;
    const rows = outputs[expert]!.values;
    const weight = weights[slot]!;
    for (let i = 0; i < columns; i++) y.values[to + i] = y.values[to + i]! + weight * rows[from + i]!;
  });
  return y;
}

/** Row of each slot among its expert's tokens. */
function placesOf(shares: readonly Share[], slots: number): Int32Array {
  const places = new Int32Array(slots);
  for (const share of shares) {
    share.slots.forEach((slot, row) => {
      places[slot] = row;
    });
  }
  return places;
}

/** Gradient of x; gradients of the weights are added to them. */
export async function moeBackward(
  dy: Matrix,
  kept: MoeKept,
  weights: MoeWeights,
  shape: GateShape,
  precision: Precision,
): Promise<Matrix> {
  const dWeights = zeros(dy.values, kept.routing.weights.length);
  const shared = expertBackward(dy, kept.shared, weights.shared, precision);
  const routed = kept.shares.map((share, expert) => {
    const own = kept.routed[expert];
    if (own === undefined) return undefined;
    const gathered = gatherRows(dy, share.rows);
    weightGradients(gathered, kept.outputs[expert]!, share, dWeights);
    const scaled = precision.round(scaleRows(gathered, share, kept.routing.weights));
    return expertBackward(scaled, own, weights.routed[expert]!, precision);
  });
  const [dx, ...own] = await Promise.all([shared, ...routed]);
  own.forEach((rows, expert) => {
    if (rows !== undefined) scatterAdd(rows, kept.shares[expert]!.rows, dx);
  });
  const dLogits = routeBackward(kept.routing, dWeights, shape);
  addInto(weights.gate.gradient, precision.multiply(dLogits, kept.x, 'tn').values);
  addInto(dx.values, precision.multiply(dLogits, weights.gate, 'nn').values);
  return precision.round(dx);
}

async function expertBackward(
  dy: Matrix,
  kept: ExpertKept,
  { up, down }: Expert,
  precision: Precision,
): Promise<Matrix> {
  const hidden = kept.hidden();
  const dActivated = await precision.backward('expert-down', dy, down, () => precision.round(swiglu(hidden)));
  const dHidden = precision.round(swigluBackward(hidden, dActivated));
  return precision.backward('expert-up', dHidden, up, kept.input);
}

/** Gradient of each slot's weight: the product of its token's gradient and its expert's output. */
function weightGradients(dy: Matrix, outputs: Matrix, { slots }: Share, dWeights: Floats): void {
  const { columns } = dy;
  slots.forEach((slot, row) => {
    let sum = 0;
    for (let i = row * columns; i < (row + 1) * columns; i++) sum += dy.values[i]! * outputs.values[i]!;
    dWeights[slot] = sum;
  });
}

function scaleRows(x: Matrix, { slots }: Share, weights: Floats): Matrix {
  const scaled = zeroMatrix(x, x.rows, x.columns);
  slots.forEach((slot, row) => {
    const weight = weights[slot]!;
    for (let i = row * x.columns; i < (row + 1) * x.columns; i++) scaled.values[i] = x.values[i]! * weight;
  });
  return scaled;
}

function scatterAdd(from: Matrix, rows: readonly number[], to: Matrix): void {
  rows.forEach((row, index) => {
    for (let i = 0; i < to.columns; i++) {
      const at = row * to.columns + i;
      to.values[at] = to.values[at]! + from.values[index * to.columns + i]!;
    }
  });
}

/** Moves the bias by the loads of a step; returns the loads. */
export function balanceExperts(weights: MoeWeights, { routing }: MoeKept, gamma: number): readonly number[] {
  const load = loads(routing, weights.bias.length);
  balance(weights.bias, load, gamma);
  return load;
}
