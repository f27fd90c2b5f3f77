/**
 * fp8lab, the part that runs anywhere: formats, quantization, products as tensor cores compute them, specs, WebGPU kernels.
 * Files, checkpoints and backends in other processes are in `fp8lab/node`.
 */
export { createInlineReference } from './backends/reference.ts';
export { requestDevice } from './backends/webgpu/adapter.ts';
export { createGpu } from './backends/webgpu/device.ts';
export type { Gpu } from './backends/webgpu/gpu.ts';
export { type Answer, diagnose, type RankedCandidate } from './diagnose/index.ts';
export { type ErrorKind, exitCodes, Fp8labError } from './errors.ts';
export { dequantize, type GemmOptions, gemm, type QuantizedMatrix, quantize } from './kernels/arrays.ts';
export { type GateViolation, gateViolations } from './kernels/gate/oracle.ts';
export { kernelOf, kernels } from './kernels/index.ts';
export { isGenerated, materializeInputs } from './kernels/inputs.ts';
export type { InputDeclaration, Kernel, Tier } from './kernels/kernel.ts';
export { assignTokens, hashReplica, type TokenAssignment } from './moe/assign.ts';
export type { Cluster } from './moe/cluster.ts';
export type { AssignmentProblem } from './moe/flow.ts';
export { drawRouting, generateLoads, type LoadRecipe } from './moe/generate.ts';
export { type Balance, balanceOf, type ExpertLoads } from './moe/loads.ts';
export { type Moves, movesBetween } from './moe/moves.ts';
export { type Assignment, assignOptimally, type Certificate, holds as certificateHolds } from './moe/optimum.ts';
export { balanceOfPlacement, gpuLoads, type Placement, placementOf, uniformPlacement } from './moe/placement.ts';
export { type RebalancedExperts, type RebalanceOptions, rebalanceExperts } from './moe/rebalance.ts';
export { planRedundancy, type RedundancyOptions } from './moe/redundancy.ts';
export { createReplanner, type Replan, type Replanner, type ReplanOptions } from './moe/replan.ts';
export { countExperts, type Routing, routingOf } from './moe/routing.ts';
export { type Traffic, trafficOf } from './moe/traffic.ts';
export type { Arithmetic, Combine, Promote, StepOutput, TensorCoreModel } from './numerics/arithmetic.ts';
export { decode, encode, encodeFormats, isInfCode, isNanCode, roundings } from './numerics/codec.ts';
export { type Format, type FormatName, formats, type Overflow, type Rounding } from './numerics/formats.ts';
export type { ScaleLayout, ScaleRecipe, ScaleType, Scheme } from './numerics/scheme.ts';
export { blockSum } from './numerics/tensor-core.ts';
export {
  type Comparison,
  compareResults,
  compareTensors,
  describeTensor,
  type TensorComparison,
} from './parity/compare.ts';
export { createTracer, renderTrace, type Trace, traceElement } from './parity/explain.ts';
export { criticalPath, type Graph, play, type Timeline } from './simulate/engine.ts';
export { type Hardware, hardwareOf, parseHardware } from './simulate/hardware.ts';
export { deepseekV3, type ModelShape } from './simulate/model.ts';
export { bubbleFormula, type Pipeline, pipelineMemory, simulatePipeline } from './simulate/pipeline.ts';
export { compareReplanning } from './simulate/replanning.ts';
export type { Scenario } from './simulate/scenario.ts';
export { type Simulation, type SimulationResult, simulate } from './simulate/simulate.ts';
export { type SweepRow, sweep } from './simulate/sweep.ts';
export { chromeTrace } from './simulate/trace.ts';
export { simulateTraining, type TrainingPlan, type TrainingRun } from './simulate/training.ts';
export { canonicalJson, specIdentity } from './specs/canonical.ts';
export {
  type GateNormalize,
  type GateRule,
  type GateScore,
  type GroupScore,
  gatePresets,
} from './specs/gate-presets.ts';
export {
  arithmeticPreset,
  arithmeticPresets,
  modelPreset,
  modelPresets,
  schemePreset,
  schemePresets,
} from './specs/presets.ts';
export { resolveScheme, resolveSpec } from './specs/resolve.ts';
export type { AuthoredSpec } from './specs/schema.ts';
export type {
  BalanceLossSpec,
  BiasUpdateSpec,
  CombineSpec,
  DequantizeSpec,
  DispatchSpec,
  FileInput,
  GateSpec,
  GemmSpec,
  GeneratedInput,
  GroupedGemmSpec,
  GroupLayout,
  Input,
  IntegerInput,
  KernelName,
  LoadStatisticsSpec,
  MoeLayerBackwardSpec,
  MoeLayerSpec,
  Operand,
  PermuteSpec,
  QuantizeSpec,
  RequantizeSpec,
  ResolvedSpec,
  SwigluBackwardSpec,
  SwigluQuantizeSpec,
  UnpermuteSpec,
} from './specs/types.ts';
export { studies, studyOf } from './studies/index.ts';
export { readOptions as readStudyOptions } from './studies/options.ts';
export { runStudy, type StudyRun } from './studies/run.ts';
export type { Finding, Presentation, Row, Study } from './studies/study.ts';
export { blobSource, bufferSource } from './tensors/byte-source.ts';
export { generate } from './tensors/generate.ts';
export { browserLimits } from './tensors/header.ts';
export { openSafetensors, readRows, readTensor } from './tensors/safetensors.ts';
export type { DType, Tensor, Tensors } from './tensors/tensor.ts';
