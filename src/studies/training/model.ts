import { type AttentionKept, attention, attentionBackward } from './attention.ts';
import type { GateShape } from './gate.ts';
import { crossEntropy } from './loss.ts';
import { addInto, type Floats, gatherRows, type Matrix, zeros } from './matrix.ts';
import { type MoeKept, type MoeWeights, moe, moeBackward } from './moe.ts';
import { rmsNorm, rmsNormBackward } from './norm.ts';
import type { Kept, Parameter, Precision } from './precision.ts';

/** Extents of a model. */
export interface ModelShape {
  readonly vocabulary: number;
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  /** Inner width of every expert. */
  readonly expertWidth: number;
  readonly gate: GateShape;
}

/** One layer: norm, attention, norm, experts. */
export interface LayerWeights {
  readonly attentionNorm: Parameter;
  /** [3 * hidden, hidden]. */
  readonly attentionIn: Parameter;
  /** [hidden, hidden]. */
  readonly attentionOut: Parameter;
  readonly moeNorm: Parameter;
  readonly moe: MoeWeights;
}

/** Every weight of a model. */
export interface Weights {
  readonly embedding: Parameter;
  readonly layers: readonly LayerWeights[];
  readonly norm: Parameter;
  /** Output head [vocabulary, hidden]. */
  readonly head: Parameter;
  /** All trained parameters, in a fixed order. */
  readonly parameters: readonly Parameter[];
}

/** Gives the values of a matrix that a model starts with. */
export type Initializer = (name: string, rows: number, columns: number) => Floats;

/** Builds a model: gains are 1, gate biases 0, matrices come from `initial`. */
export function buildWeights(shape: ModelShape, initial: Initializer): Weights {
  const { vocabulary, hidden, expertWidth } = shape;
  const parameters: Parameter[] = [];
  const add = (name: string, rows: number, columns: number, values: Floats, decays: boolean): Parameter => {
    const parameter = { name, rows, columns, values, gradient: zeros(values, values.length), decays };
    parameters.push(parameter);
    return parameter;
  };
  const matrix = (name: string, rows: number, columns: number) =>
    add(name, rows, columns, initial(name, rows, columns), true);
  const embedding = matrix('embedding', vocabulary, hidden);
  const gain = (name: string) => add(name, 1, hidden, zeros(embedding.values, hidden).fill(1), false);
  const expert = (name: string) => ({
    up: matrix(`${name}.up`, 2 * expertWidth, hidden),
    down: matrix(`${name}.down`, hidden, expertWidth),
  });
  const layers = Array.from({ length: shape.layers }, (_, index): LayerWeights => {
    const name = `layers.${index}`;
    return {
      attentionNorm: gain(`${name}.attention_norm`),
      attentionIn: matrix(`${name}.attention_in`, 3 * hidden, hidden),
      attentionOut: matrix(`${name}.attention_out`, hidden, hidden),
      moeNorm: gain(`${name}.moe_norm`),
      moe: {
        gate: matrix(`${name}.gate`, shape.gate.experts, hidden),
        bias: zeros(embedding.values, shape.gate.experts),
        shared: expert(`${name}.shared`),
        routed: Array.from({ length: shape.gate.experts }, (_, i) => expert(`${name}.experts.${i}`)),
      },
    };
  });
  const norm = gain('norm');
  const head = matrix('head', vocabulary, hidden);
  return { embedding, layers, norm, head, parameters };
}

/** Sequences of equal length, one after another, and the token that follows each. */
export interface Batch {
  readonly sequences: number;
  readonly inputs: Uint8Array;
  readonly expected: Uint8Array;
}

/** What a layer keeps for its backward pass. */
interface LayerKept {
  readonly input: Matrix;
  readonly attentionIn: Kept;
  readonly attention: AttentionKept;
  readonly attentionOut: Kept;
  readonly middle: Matrix;
  readonly moe: MoeKept;
}

interface Forward {
  readonly layers: readonly LayerKept[];
  /** Output of the last layer. */
  readonly last: Matrix;
  /** Input of the head. */
  readonly normed: Matrix;
  readonly logits: Matrix;
}

/** Mean loss of a batch in nats, without gradients. */
export async function evaluate(
  weights: Weights,
  shape: ModelShape,
  batch: Batch,
  precision: Precision,
): Promise<number> {
  const { logits } = await forward(weights, shape, batch, precision);
  return crossEntropy(logits, batch.expected).loss;
}

/** Mean loss of a batch in nats; gradients are added to the parameters. Also what each layer's experts were routed. */
export async function lossAndGradients(
  weights: Weights,
  shape: ModelShape,
  batch: Batch,
  precision: Precision,
): Promise<{ loss: number; routed: readonly MoeKept[] }> {
  const { layers, last, normed, logits } = await forward(weights, shape, batch, precision);
  const { loss, gradient } = crossEntropy(logits, batch.expected);
  const dLogits = precision.round(gradient);
  addInto(weights.head.gradient, precision.multiply(dLogits, normed, 'tn').values);
  const dNormed = precision.round(precision.multiply(dLogits, precision.weight(weights.head), 'nn'));
  let dx = precision.round(rmsNormBackward(last, weights.norm.values, dNormed, weights.norm.gradient));
  for (let index = layers.length - 1; index >= 0; index--) {
    dx = await layerBackward(dx, layers[index]!, weights.layers[index]!, shape, batch, precision);
  }
  embeddingBackward(dx, batch.inputs, weights.embedding);
  return { loss, routed: layers.map((layer) => layer.moe) };
}

async function forward(weights: Weights, shape: ModelShape, batch: Batch, precision: Precision): Promise<Forward> {
  let x = precision.round(gatherRows(weights.embedding, Array.from(batch.inputs)));
  const layers: LayerKept[] = [];
  for (const layer of weights.layers) {
    const { y, kept } = await layerForward(x, layer, shape, batch, precision);
    layers.push(kept);
    x = y;
  }
  const normed = precision.round(rmsNorm(x, weights.norm.values));
  const logits = precision.multiply(normed, precision.weight(weights.head), 'nt');
  return { layers, last: x, normed, logits };
}

/** a + b, rounded. */
function sum(a: Matrix, b: Matrix, precision: Precision): Matrix {
  const values = a.values.slice();
  addInto(values, b.values);
  return precision.round({ ...a, values });
}

async function layerForward(
  input: Matrix,
  weights: LayerWeights,
  shape: ModelShape,
  { sequences }: Batch,
  precision: Precision,
): Promise<{ y: Matrix; kept: LayerKept }> {
  const normed = precision.round(rmsNorm(input, weights.attentionNorm.values));
  const qkv = await precision.fprop('attention-in', normed, weights.attentionIn);
  const attended = attention(qkv.y, { sequences, heads: shape.heads }, precision);
  const out = await precision.fprop('attention-out', attended.output, weights.attentionOut);
  const middle = sum(input, out.y, precision);
  const experts = await moe(
    precision.round(rmsNorm(middle, weights.moeNorm.values)),
    weights.moe,
    shape.gate,
    precision,
  );
  const kept = {
    input,
    attentionIn: qkv.kept,
    attention: attended.kept,
    attentionOut: out.kept,
    middle,
    moe: experts.kept,
  };
  return { y: sum(middle, experts.y, precision), kept };
}

async function layerBackward(
  dy: Matrix,
  kept: LayerKept,
  weights: LayerWeights,
  shape: ModelShape,
  { sequences }: Batch,
  precision: Precision,
): Promise<Matrix> {
  const { attentionNorm, moeNorm } = weights;
  const dExperts = await moeBackward(dy, kept.moe, weights.moe, shape.gate, precision);
  const dMoeNorm = rmsNormBackward(kept.middle, moeNorm.values, dExperts, moeNorm.gradient);
  const dMiddle = sum(dy, dMoeNorm, precision);
  const output = kept.attentionOut();
  const dOutput = await precision.backward('attention-out', dMiddle, weights.attentionOut, () => output);
  const dQkv = attentionBackward(kept.attention, output, dOutput, { sequences, heads: shape.heads }, precision);
  const dNormed = await precision.backward('attention-in', dQkv, weights.attentionIn, kept.attentionIn);
  const dAttentionNorm = rmsNormBackward(kept.input, attentionNorm.values, dNormed, attentionNorm.gradient);
  return sum(dMiddle, dAttentionNorm, precision);
}

function embeddingBackward(dx: Matrix, inputs: Uint8Array, { gradient, columns }: Parameter): void {
  inputs.forEach((token, row) => {
    const to = token * columns;
    const from = row * columns;
    for (let i = 0; i < columns; i++) gradient[to + i] = gradient[to + i]! + dx.values[from + i]!;
  });
}
