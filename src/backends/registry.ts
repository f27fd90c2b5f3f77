import { Fp8labError } from '../errors.ts';
import type { VariantChoices } from '../kernels/variants.ts';
import type { AdapterChoice, Backend, BackendName } from './backend.ts';
import type { Environment } from './machine.ts';
import { createNativeBackend, type NativeName, whatNativeLacks } from './native.ts';
import { createReferenceBackend } from './reference-threads.ts';
import { createWebGpuBackend } from './webgpu/backend.ts';
import { planLaunches, type WebGpuName } from './webgpu/launches.ts';
import type { ShaderSources } from './webgpu/link.ts';

/** Every backend there is, the reference first: the order of a parity table's columns. */
export const backendNames: readonly BackendName[] = [
  'reference',
  'webgpu:node',
  'webgpu:deno',
  'webgpu:chromium',
  'native:host',
  'native:cuda',
];

/** How backends are made. */
export interface BackendOptions {
  readonly adapter?: AdapterChoice;
  readonly env?: Environment;
  /** Shaders that WebGPU backends take in place of shipped ones, by path under shaders/. */
  readonly shaders?: ShaderSources;
  /** Variants of the fast tier's shaders by family, in place of those that a trial finds fastest. */
  readonly variants?: VariantChoices;
  /** Hears, in a line, of what takes a while before anything is run. */
  readonly notify?: (line: string) => void;
}

/** A backend's name, and why this machine cannot run it where it cannot. */
export interface Availability {
  readonly name: BackendName;
  /** What is missing and how to mend it; undefined where nothing is. */
  readonly missing: Fp8labError | undefined;
}

/** Whether a backend runs the shaders. */
export const isWebGpu = (name: BackendName): name is WebGpuName => name.startsWith('webgpu:');
const isNative = (name: BackendName): name is NativeName => name.startsWith('native:');

function unknownBackend(name: string, where: string): Fp8labError {
  return new Fp8labError(`there is no backend ${name}`, {
    kind: 'usage',
    code: 'unknown-backend',
    where,
    fix: `choose among ${backendNames.join(', ')}`,
  });
}

/** Takes a name from outside; `where` it stood is for the error. Throws `unknown-backend` (kind `usage`). */
export function parseBackendName(name: string, where = '--backends'): BackendName {
  const known = backendNames.find((candidate) => candidate === name);
  if (known === undefined) throw unknownBackend(name, where);
  return known;
}

/** Makes a backend. Starts nothing: what is missing is told by its first use. */
export function createBackend(name: BackendName, options: BackendOptions = {}): Backend {
  if (name === 'reference') return createReferenceBackend();
  if (isWebGpu(name)) {
    return createWebGpuBackend(name, { ...options, adapter: options.adapter ?? 'auto' });
  }
  if (isNative(name)) return createNativeBackend(name, { env: options.env });
  throw unknownBackend(name, 'createBackend');
}

/** What this machine lacks for a backend, or undefined. Looks at files only, so a driver that does not work shows at the first run. */
function whatIsMissing(name: BackendName, options: BackendOptions): Fp8labError | undefined {
  if (name === 'reference') return undefined;
  if (isNative(name)) return whatNativeLacks(name, { env: options.env });
  if (!isWebGpu(name)) return unknownBackend(name, 'availableBackends');
  const plan = planLaunches(name, { adapter: options.adapter ?? 'auto', env: options.env });
  return 'missing' in plan ? plan.missing : undefined;
}

/** Every backend, with the reason where this machine cannot run it. */
export function availableBackends(options: BackendOptions = {}): Availability[] {
  return backendNames.map((name) => ({ name, missing: whatIsMissing(name, options) }));
}
