export type {
  AdapterChoice,
  Backend,
  BackendIdentity,
  BackendName,
  RunOptions,
  RunResult,
  RunTimes,
} from './backend.ts';
export { nativeBinary } from './native.ts';
export { createNativeServer, type NativeServerOptions } from './native-server.ts';
export {
  type Availability,
  availableBackends,
  type BackendOptions,
  backendNames,
  createBackend,
  parseBackendName,
} from './registry.ts';
export { createWebGpuBackend, type Started, type WebGpuBackend } from './webgpu/backend.ts';
export type { WebGpuName } from './webgpu/launches.ts';
