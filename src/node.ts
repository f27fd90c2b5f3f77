/** fp8lab in Node: everything of `fp8lab`, and files, checkpoints, backends in processes of their own, and the command line as a function. */
export * from './backends/index.ts';
export { type Io, wantsColour } from './cli/io.ts';
export { runCli } from './cli/run-cli.ts';
export * from './index.ts';
export { runSuite } from './parity/suite.ts';
export { type LoadedSpec, loadFile, loadSpecs, shippedSpecs } from './specs/load.ts';
export { openSafetensorsFile, readTensors, writeTensors } from './tensors/files.ts';
