import { Fp8labError } from '../../errors.ts';

/** How devices were lost, once they were. */
const losses = new WeakMap<GPUDevice, Promise<Fp8labError>>();

/** Resolves with the error of a device that is lost. */
export function lossOf(device: GPUDevice): Promise<Fp8labError> {
  let loss = losses.get(device);
  if (loss === undefined) {
    loss = device.lost.then(
      ({ reason, message }) =>
        new Fp8labError(`the GPU device was lost (${reason}): ${message || 'no reason given'}`, {
          kind: 'device',
          code: 'device-lost',
          where: 'GPU device',
          fix: 'run again; if it happens at the same spec each time, run that spec alone or on another adapter',
        }),
    );
    losses.set(device, loss);
  }
  return loss;
}

/** The device has no room for `bytes` bytes. */
export function outOfMemory(bytes: number | undefined, why: string): Fp8labError {
  const wanted = bytes === undefined ? 'memory' : `${bytes} bytes`;
  return new Fp8labError(`the GPU device has no room for ${wanted}: ${why}`, {
    kind: 'device',
    code: 'out-of-memory',
    where: 'GPU memory',
    fix: 'run a smaller spec, close other programs that use the GPU, or choose another adapter',
  });
}

/** A call that the device refused, `where`. */
export function deviceError(error: { readonly message: string }, where: string): Fp8labError {
  return new Fp8labError(`the GPU device refuses ${where}: ${error.message}`, {
    kind: 'device',
    code: 'gpu-error',
    where,
    fix: 'report the spec and the adapter (`fp8lab doctor` prints it)',
    cause: error,
  });
}

/** What a device call threw, as an error of ours. */
export function asDeviceError(error: unknown, where: string): Fp8labError {
  if (error instanceof Fp8labError) return error;
  return deviceError(error instanceof Error ? error : new Error(String(error)), where);
}
