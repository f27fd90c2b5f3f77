import { fromBits } from '../../numerics/f32.ts';
import { generate } from '../../tensors/generate.ts';

/** Something to minimize by its gradient on a few samples at a time. */
export interface Problem {
  /** Parameters where a run starts. */
  initial(): Float64Array;
  /** Writes the gradient of the mean loss over a batch (numbered from 0) at `parameters`. */
  gradient(parameters: Float64Array, batch: number, out: Float64Array): void;
  /** Mean loss over all samples. */
  loss(parameters: Float64Array): number;
}

const samples = 1024;
const batchSize = 32;

function normals(count: number, seed: number): Float64Array {
  const input = { generate: 'normal', seed, dtype: 'f32', exponent: 0, share: 0, factorExponent: 0 } as const;
  return Float64Array.from(generate(input, [count]).codes, fromBits);
}

const firstSample = (batch: number): number => (batch * batchSize) % samples;

/**
 * Least squares, convex: 256 features whose sizes spread over 6 binades, as parameters of a network see gradients of very different sizes, and
 * noise of standard deviation 1/8 on the targets. Loss: half the mean squared error.
 */
export function leastSquares(seed: number): Problem {
  const width = 256;
  const features = normals(samples * width, seed);
  for (let i = 0; i < features.length; i++) features[i]! *= 2 ** -(Math.floor((7 * (i % width)) / width) % 7);
  const truth = normals(width, seed + 1);
  const noise = normals(samples, seed + 2);
  const dot = (sample: number, parameters: Float64Array): number => {
    let sum = 0;
    for (let i = 0; i < width; i++) sum += features[sample * width + i]! * parameters[i]!;
    return sum;
  };
  const targets = noise.map((value, sample) => dot(sample, truth) + value / 8);
  return {
    initial: () => new Float64Array(width),
    gradient(parameters, batch, out) {
      out.fill(0);
      for (let s = firstSample(batch); s < firstSample(batch) + batchSize; s++) {
        const error = (dot(s, parameters) - targets[s]!) / batchSize;
        for (let i = 0; i < width; i++) out[i]! += error * features[s * width + i]!;
      }
    },
    loss(parameters) {
      let sum = 0;
      for (let s = 0; s < samples; s++) sum += (dot(s, parameters) - targets[s]!) ** 2;
      return sum / samples / 2;
    },
  };
}

/**
 * A network of one hidden layer of 32 rectified units on 16 inputs, not convex: it learns another such network of 8 units, with noise of standard
 * deviation 1/16 on the targets. Loss: half the mean squared error. Parameters: hidden weights [32, 16], their biases, output weights, a bias.
 */
export function smallNetwork(seed: number): Problem {
  const inputs = 16;
  const features = normals(samples * inputs, seed);
  const teacher = network(features, inputs, 8);
  const student = network(features, inputs, 32);
  const noise = normals(samples, seed + 2);
  const truth = normals(teacher.size, seed + 1);
  for (let i = 0; i < 8 * inputs; i++) truth[i]! /= 4;
  const targets = noise.map((value, sample) => teacher.output(sample, truth) + value / 16);
  return {
    initial() {
      const parameters = normals(student.size, seed + 3);
      for (let i = 0; i < parameters.length; i++) parameters[i]! /= i < 32 * inputs ? 4 : 6;
      return parameters;
    },
    gradient(parameters, batch, out) {
      out.fill(0);
      for (let s = firstSample(batch); s < firstSample(batch) + batchSize; s++) {
        student.addGradient(s, parameters, (student.output(s, parameters) - targets[s]!) / batchSize, out);
      }
    },
    loss(parameters) {
      let sum = 0;
      for (let s = 0; s < samples; s++) sum += (student.output(s, parameters) - targets[s]!) ** 2;
      return sum / samples / 2;
    },
  };
}

/** Rectified units on rows of `features` [samples, inputs]; parameters as {@link smallNetwork} has them. */
function network(features: Float64Array, inputs: number, units: number) {
  const biases = units * inputs;
  const outputs = biases + units;
  const active = new Float64Array(units);
  return {
    size: outputs + units + 1,
    /** The network's output; leaves the units' activations for `addGradient`. */
    output(sample: number, parameters: Float64Array): number {
      let sum = parameters[outputs + units]!;
      for (let unit = 0; unit < units; unit++) {
        let value = parameters[biases + unit]!;
        for (let i = 0; i < inputs; i++) value += parameters[unit * inputs + i]! * features[sample * inputs + i]!;
        active[unit] = Math.max(value, 0);
        sum += active[unit]! * parameters[outputs + unit]!;
      }
      return sum;
    },
    /** Adds the gradient of a sample whose output was computed last, times `error`. */
    addGradient(sample: number, parameters: Float64Array, error: number, out: Float64Array): void {
      out[outputs + units]! += error;
      for (let unit = 0; unit < units; unit++) {
        if (active[unit] === 0) continue;
        out[outputs + unit]! += error * active[unit]!;
        const back = error * parameters[outputs + unit]!;
        out[biases + unit]! += back;
        for (let i = 0; i < inputs; i++) out[unit * inputs + i]! += back * features[sample * inputs + i]!;
      }
    },
  };
}
