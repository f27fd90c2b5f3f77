import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe } from 'vitest';
import { type AdapterIdentity, requestDevice } from '../../src/backends/webgpu/adapter.ts';
import { createGpu, type GpuOptions, type OwnedGpu } from '../../src/backends/webgpu/device.ts';

/** Vulkan drivers that Dawn can run on without a GPU, by where distributions put them. */
const softwareDrivers = [
  '/usr/lib/chromium/vk_swiftshader_icd.json',
  '/usr/lib/chromium-browser/vk_swiftshader_icd.json',
  '/opt/google/chrome/vk_swiftshader_icd.json',
  '/opt/microsoft/msedge/vk_swiftshader_icd.json',
];

/** The loader reads its drivers once, when Dawn is loaded; a driver that the caller chose stays. */
function chooseDriver(): void {
  if (process.env.VK_DRIVER_FILES !== undefined || process.env.FP8LAB_ADAPTER === 'hardware') return;
  const driver = softwareDrivers.find((path) => existsSync(path));
  if (driver !== undefined) process.env.VK_DRIVER_FILES = driver;
}

/** A device for one test file. */
export interface TestDevice {
  readonly device: GPUDevice;
  readonly adapter: AdapterIdentity;
}

let instance: GPU | undefined;

/** Opens a device, or undefined where there is none and FP8LAB_ALLOW_NO_GPU=1 allows it; throws otherwise. */
export async function openDevice(): Promise<TestDevice | undefined> {
  chooseDriver();
  try {
    const { create } = await import('webgpu');
    // Dawn's instance dies with its last reference, and every device with it.
    instance ??= create([]);
    return await requestDevice(instance, 'auto');
  } catch (error) {
    if (process.env.FP8LAB_ALLOW_NO_GPU === '1') return undefined;
    throw new Error('no WebGPU adapter for the tests; install chromium, or set FP8LAB_ALLOW_NO_GPU=1 to skip them', {
      cause: error,
    });
  }
}

const opened = await openDevice();

/** The adapter that the tests of this file run on. */
export const testAdapter: AdapterIdentity | undefined = opened?.adapter;

/** A fresh Gpu on the file's device; its buffers go when `destroyRun` is called. */
export function newGpu(options?: GpuOptions): OwnedGpu {
  if (opened === undefined) throw new Error('no device: put the test inside describeGpu');
  return createGpu(opened.device, options);
}

/** A describe block whose tests need a device; skipped, with a printed and counted reason, only where that is allowed. */
export function describeGpu(name: string, body: () => void): void {
  if (opened === undefined) {
    describe.skip(`${name} [skipped: no WebGPU adapter, FP8LAB_ALLOW_NO_GPU=1]`, body);
    console.warn(`SKIP ${name}: no WebGPU adapter and FP8LAB_ALLOW_NO_GPU=1`);
    return;
  }
  describe(name, () => {
    beforeAll(() => {
      if (opened.device === undefined) throw new Error('the device is gone');
    });
    body();
  });
}

afterAll(() => {
  opened?.device.destroy();
  instance = undefined;
});
