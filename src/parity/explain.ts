import { inputError } from '../errors.ts';
import { kernelOf } from '../kernels/index.ts';
import type { ResolvedSpec } from '../specs/types.ts';
import type { Tensors } from '../tensors/tensor.ts';
import { kernelTracer } from './trace/kernels.ts';
import type { Trace } from './trace/steps.ts';

export type { Operation, Quantity, Sum, Term, Trace, TraceSection, TraceStep } from './trace/steps.ts';
export { renderTrace, type TraceDetail } from './trace/text.ts';

/**
 * Derives elements of a spec's results, every operation written out: a second evaluation, by the definitions, that gives the reference's bits.
 * `inputs` are the spec's materialized inputs. Quantized operands are made once and serve all elements. Coordinates outside the tensor are refused.
 */
export function createTracer(
  spec: ResolvedSpec,
  inputs: Tensors,
): (tensor: string, coordinates: readonly number[]) => Trace {
  const derive = kernelTracer(spec, inputs);
  return (tensor, coordinates) => {
    requireElement(spec, tensor, coordinates);
    const { sections, result } = derive(tensor, coordinates);
    return { spec: spec.name, kernel: spec.kernel, tensor, coordinates, sections, result };
  };
}

/** Derives one element: {@link createTracer} for a single use. */
export function traceElement(
  spec: ResolvedSpec,
  inputs: Tensors,
  tensor: string,
  coordinates: readonly number[],
): Trace {
  return createTracer(spec, inputs)(tensor, coordinates);
}

function requireElement(spec: ResolvedSpec, tensor: string, coordinates: readonly number[]): void {
  const results = kernelOf(spec).results(spec);
  const found = results.find(({ name }) => name === tensor);
  const where = `${tensor}[${coordinates.join(', ')}]`;
  if (found === undefined) {
    const names = results.map(({ name }) => name).join(', ');
    throw inputError(`${spec.name} has no result named ${tensor}`, 'unknown-tensor', where, `name one of ${names}`);
  }
  const inside =
    coordinates.length === found.shape.length &&
    coordinates.every((at, axis) => Number.isInteger(at) && at >= 0 && at < found.shape[axis]!);
  if (inside) return;
  const shape = `[${found.shape.join(', ')}]`;
  throw inputError(`${where} lies outside shape ${shape}`, 'out-of-range', where, `give coordinates within ${shape}`);
}
