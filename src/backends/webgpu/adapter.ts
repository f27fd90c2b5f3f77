import { Fp8labError } from '../../errors.ts';
import type { AdapterChoice } from '../backend.ts';

/** Who the adapter says it is. */
export interface AdapterIdentity {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
  readonly isFallbackAdapter: boolean;
  /** True when the "GPU" is a CPU: by the fallback flag, or by its name. */
  readonly software: boolean;
}

/** A device with its adapter's name. */
export interface RequestedDevice {
  readonly device: GPUDevice;
  readonly adapter: AdapterIdentity;
}

/** Features that are asked for where the adapter has them. */
const usefulFeatures: readonly GPUFeatureName[] = ['timestamp-query', 'subgroups', 'shader-f16'];

/** Limits that are raised to what the adapter has; the others stay at the standard's. */
const raisedLimits = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupsPerDimension',
] as const;

const softwareNames = /swiftshader|llvmpipe|lavapipe|softpipe|warp|basic render|software/i;

/** Names an adapter; software renderers are known by their flag or by name, for wgpu and Dawn say it differently. */
export function identifyAdapter(adapter: GPUAdapter): AdapterIdentity {
  const { vendor, architecture, device, description } = adapter.info;
  const isFallbackAdapter = adapter.info.isFallbackAdapter === true;
  const software = isFallbackAdapter || softwareNames.test(`${vendor} ${architecture} ${device} ${description}`);
  return { vendor, architecture, device, description, isFallbackAdapter, software };
}

/**
 * A device of the adapter chosen: `auto` the first the system offers, `hardware` refuses software renderers, `software` asks for one.
 * Throws `no-adapter` (kind `environment`) where there is none, `no-device` where it gives no device.
 */
export async function requestDevice(gpu: GPU, choice: AdapterChoice = 'auto'): Promise<RequestedDevice> {
  const adapter = await requestAdapter(gpu, choice);
  const identity = identifyAdapter(adapter);
  const requiredLimits: Record<string, number> = {};
  for (const limit of raisedLimits) requiredLimits[limit] = adapter.limits[limit];
  const requiredFeatures = usefulFeatures.filter((feature) => adapter.features.has(feature));
  const device = await adapter.requestDevice({ requiredFeatures, requiredLimits }).catch((cause: unknown) => {
    throw new Fp8labError(`the adapter gives no device: ${(cause as Error).message}`, {
      kind: 'environment',
      code: 'no-device',
      where: 'GPUAdapter.requestDevice',
      fix: 'restart the browser or runtime; if it stays so, update the GPU driver',
      cause,
    });
  });
  return { device, adapter: identity };
}

async function requestAdapter(gpu: GPU, choice: AdapterChoice): Promise<GPUAdapter> {
  if (choice === 'software') {
    const fallback = await gpu.requestAdapter({ forceFallbackAdapter: true });
    if (fallback !== null) return fallback;
  }
  // Dawn's lavapipe adapters are not flagged as fallback, so the plain request may give a software adapter too.
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  const software = adapter !== null && identifyAdapter(adapter).software;
  if (adapter !== null && (choice === 'auto' || software === (choice === 'software'))) return adapter;
  const kind = choice === 'auto' ? 'adapter' : `${choice} adapter`;
  throw new Fp8labError(`WebGPU offers no ${kind}`, {
    kind: 'environment',
    code: 'no-adapter',
    where: 'navigator.gpu.requestAdapter',
    fix: 'run `fp8lab doctor`: it says which driver is missing and how to install it',
  });
}
