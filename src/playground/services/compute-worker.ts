// The reference, beside the page.
import { runReference } from '../../backends/reference.ts';
import { kernelOf } from '../../kernels/index.ts';
import { materializeInputs } from '../../kernels/inputs.ts';
import { type Comparison, compareResults } from '../../parity/compare.ts';
import { renderTrace, type Trace, traceElement } from '../../parity/explain.ts';
import type { ResolvedSpec } from '../../specs/types.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import { quantizeViews } from '../pages/quantize/model.ts';
import type { QuantizeRequest, QuantizeView } from '../pages/quantize/view.ts';
import { routingView } from '../pages/routing/model.ts';
import type { RoutingRequest, RoutingView } from '../pages/routing/view.ts';
import { type CurvePoint, type CurveRequest, errorCurve } from '../pages/tensor-core/curve.ts';
import { type DifferenceMap, differenceMap } from './difference-map.ts';
import { serve } from './serve.ts';
import { type ParsedSpec, parseSpec, type ShippedSpec, shippedSpecs, shippedSpecText } from './specs.ts';

/** Results of the reference, held against another backend's where there are any. */
export interface Checked {
  readonly expected: Tensors;
  /** Milliseconds of the reference, inputs not counted. */
  readonly reference: number;
  readonly comparison?: Comparison;
  readonly maps: readonly DifferenceMap[];
}

/** Jobs of the compute worker. */
export type ComputeJobs = {
  readonly specs: { readonly input: undefined; readonly output: readonly ShippedSpec[] };
  readonly specText: { readonly input: string; readonly output: string };
  readonly parse: { readonly input: string; readonly output: ParsedSpec };
  readonly check: {
    readonly input: { readonly spec: ResolvedSpec; readonly given?: Tensors; readonly actual?: Tensors };
    readonly output: Checked;
  };
  readonly trace: {
    readonly input: {
      readonly spec: ResolvedSpec;
      readonly given?: Tensors;
      readonly tensor: string;
      readonly coordinates: readonly number[];
    };
    readonly output: { readonly trace: Trace; readonly text: string };
  };
  readonly quantize: { readonly input: QuantizeRequest; readonly output: readonly QuantizeView[] };
  readonly routing: {
    readonly input: RoutingRequest;
    readonly output: RoutingView;
    /** The batch that was routed. */
    readonly progress: number;
  };
  readonly curve: {
    readonly input: CurveRequest;
    readonly output: readonly CurvePoint[];
    readonly progress: CurvePoint;
  };
};

serve<ComputeJobs>({
  specs: () => shippedSpecs(),
  specText: (label) => shippedSpecText(label),
  parse: (text) => parseSpec(text),
  check({ spec, given = {}, actual }) {
    const { tensors, times } = runReference(spec, given);
    if (actual === undefined) return { expected: tensors, reference: times.kernel, maps: [] };
    const comparison = compareResults(spec, tensors, actual);
    const maps = Object.keys(tensors).flatMap((name) => differenceMap(name, tensors[name]!, actual[name]) ?? []);
    return { expected: tensors, reference: times.kernel, comparison, maps };
  },
  trace({ spec, given = {}, tensor, coordinates }) {
    const inputs = materializeInputs(kernelOf(spec).inputs(spec), given);
    const trace = traceElement(spec, inputs, tensor, coordinates);
    return { trace, text: renderTrace(trace) };
  },
  quantize: (request) => quantizeViews(request),
  routing: (request, tell) => routingView(request, tell),
  curve: (request, tell) => errorCurve(request, tell),
});
