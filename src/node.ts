/** fp8lab in Node: everything of `fp8lab`, and files, checkpoints, backends in processes of their own, and the command line as a function. */
export * from './backends/index.ts';
export { type Checkpoint, openCheckpoint } from './checkpoint/checkpoint.ts';
export { type ConvertOptions, type ConvertReport, convertCheckpoint } from './checkpoint/convert.ts';
export { planDequantize } from './checkpoint/dequantize.ts';
export { inspectCheckpoint, type TensorReport } from './checkpoint/inspect.ts';
export { createPool, defaultWorkers } from './checkpoint/pool.ts';
export { planQuantize } from './checkpoint/quantize.ts';
export { selectionOf } from './checkpoint/selection.ts';
export { type Io, wantsColour } from './cli/io.ts';
export { runCli } from './cli/run-cli.ts';
export * from './index.ts';
export { type Evidence, holdAgainst, makeEvidence, readEvidence, writeEvidence } from './parity/evidence.ts';
export { type ReportInput, renderReport } from './parity/report.ts';
export { runSuite } from './parity/suite.ts';
export { type LoadedSpec, loadFile, loadSpecs, shippedSpecs } from './specs/load.ts';
export { openSafetensorsFile, readTensors, writeTensors } from './tensors/files.ts';
