import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createNativeBackend, nativeBinary, whatNativeLacks } from '../../src/backends/native.ts';
import { runReference } from '../../src/backends/reference.ts';
import { Fp8labError } from '../../src/errors.ts';
import { kernelOf } from '../../src/kernels/index.ts';
import { materializeInputs } from '../../src/kernels/inputs.ts';
import { resolveSpec } from '../../src/specs/resolve.ts';
import { bytesOf, requireNative } from '../native/support.ts';

const quantize = resolveSpec({
  fp8lab: 1,
  kernel: 'quantize',
  name: 'small',
  shape: { rows: 5, columns: 300 },
  x: { input: { generate: 'normal', seed: 3 } },
  scheme: 'activation-1x128',
});

/** The error of something that must fail. */
async function failure(promise: Promise<unknown>): Promise<Fp8labError> {
  const error = await promise.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  expect(error).toBeInstanceOf(Fp8labError);
  return error as Fp8labError;
}

/** Programs that stand in for the runner, one for each way it can go wrong. */
const pretenders: Record<string, string> = {
  crash: 'kill -SEGV $$',
  silent: 'exit 0',
  rambling: 'echo "terminate called" >&2; exit 134',
  refusing: `echo '{"code":"told","message":"no","where":"there","fix":"so"}' >&2; exit 4`,
  hanging: 'exec sleep 60',
};

describe.skipIf(process.platform === 'win32')('native backend over a runner that fails', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fp8lab-native-test-'));
  const pretender = (name: string) =>
    createNativeBackend('native:host', { env: { FP8LAB_NATIVE: join(folder, name) } });
  beforeAll(() => {
    for (const [name, script] of Object.entries(pretenders)) {
      const info = `[ "$1" = info ] && echo '{"version":"0","host":{"adapter":"x","details":{}},"cuda":null}' && exit 0`;
      writeFileSync(join(folder, name), `#!/bin/sh\n${info}\n${script}\n`);
      chmodSync(join(folder, name), 0o755);
    }
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('a binary that is not there is an environment error with what to do', async () => {
    const error = await failure(
      createNativeBackend('native:host', { env: { FP8LAB_NATIVE: join(folder, 'none') } }).run(quantize),
    );
    expect(error).toMatchObject({ kind: 'environment', code: 'no-native-binary' });
    expect(whatNativeLacks('native:host', { env: { FP8LAB_NATIVE: join(folder, 'none') } })?.exitCode).toBe(3);
  });

  it('a crash is a device error with its last words', async () => {
    expect(await failure(pretender('crash').run(quantize))).toMatchObject({ kind: 'device', code: 'runner-died' });
    const rambling = await failure(pretender('rambling').run(quantize));
    expect(rambling.message).toContain('terminate called');
  });

  it('an answer that is none is a device error', async () => {
    expect(await failure(pretender('silent').run(quantize))).toMatchObject({ kind: 'device', code: 'runner-died' });
  });

  it('an error that the runner tells keeps its kind, code, place and fix', async () => {
    const error = await failure(pretender('refusing').run(quantize));
    expect(error).toMatchObject({ kind: 'input', code: 'told', message: 'no', where: 'there', fix: 'so' });
  });

  it('a run that takes too long is ended', async () => {
    const error = await failure(pretender('hanging').run(quantize, { timeout: 200 }));
    expect(error).toMatchObject({ kind: 'device', code: 'time-limit' });
  });

  it('an interrupted run is ended, and so is one whose backend is closed', async () => {
    const controller = new AbortController();
    const interrupted = failure(pretender('hanging').run(quantize, { signal: controller.signal }));
    const backend = pretender('hanging');
    const closed = failure(backend.run(quantize));
    await new Promise((resolve) => setTimeout(resolve, 300));
    controller.abort();
    await backend.close();
    expect((await interrupted).code).toBe('interrupted');
    expect((await closed).code).toBe('interrupted');
    await backend.close();
  });
});

describe.runIf(requireNative())('native backend over the real runner', () => {
  const backend = createNativeBackend('native:host');
  afterAll(() => backend.close());

  it('says who computes', async () => {
    const identity = await backend.identify();
    expect(identity).toMatchObject({ backend: 'native:host', software: true });
    expect(identity.runtime).toMatch(/^fp8lab-native \d/);
    expect(identity.details.isa).toMatch(/^(base|avx2|avx512)$/);
  });

  it('takes inputs in place of the generators', async () => {
    const inputs = materializeInputs(
      kernelOf(quantize).inputs({ ...quantize, x: { input: { ...quantizeInput, seed: 9 } } } as never),
    );
    const { tensors } = await backend.run(quantize, { inputs });
    expect(bytesOf(tensors)).toEqual(bytesOf(runReference(quantize, inputs).tensors));
    expect(bytesOf(tensors)).not.toEqual(bytesOf(runReference(quantize).tensors));
  });

  it('takes and gives codes that do not fill whole bytes', async () => {
    const dequantize = resolveSpec({
      fp8lab: 1,
      kernel: 'dequantize',
      name: 'ragged-fp4',
      shape: { rows: 3, columns: 7 },
      x: {
        scheme: 'mxfp4',
        codes: { generate: 'bits', dtype: 'e2m1' },
        scales: { generate: 'bits', dtype: 'e8m0', seed: 1 },
      },
    });
    const inputs = materializeInputs(kernelOf(dequantize).inputs(dequantize as never));
    const given = await backend.run(dequantize, { inputs });
    expect(bytesOf(given.tensors)).toEqual(bytesOf(runReference(dequantize).tensors));
  });

  it('refuses inputs of the wrong shape as the reference does, and goes on', async () => {
    const wrong = { x: { dtype: 'BF16', shape: [2, 2], codes: new Uint16Array(4) } } as const;
    expect(await failure(backend.run(quantize, { inputs: wrong }))).toMatchObject({
      kind: 'input',
      code: 'wrong-shape',
    });
    expect((await backend.run(quantize)).tensors.codes?.shape).toEqual([5, 300]);
  });

  it('native:cuda says who computes, or that there is no CUDA device', async () => {
    const lacks = whatNativeLacks('native:cuda');
    if (lacks === undefined) {
      expect((await createNativeBackend('native:cuda').identify()).software).toBe(false);
      return;
    }
    expect(lacks).toMatchObject({ kind: 'environment', code: 'no-cuda-device' });
    expect(await failure(createNativeBackend('native:cuda').run(quantize))).toMatchObject({ kind: 'environment' });
  });

  it('finds the runner where the build puts it, or where FP8LAB_NATIVE says', () => {
    expect(nativeBinary({})).toMatch(/build.native.fp8lab-native/);
    expect(nativeBinary({ FP8LAB_NATIVE: '/elsewhere/runner' })).toBe('/elsewhere/runner');
  });
});

const quantizeInput = quantize.kernel === 'quantize' && 'generate' in quantize.x.input ? quantize.x.input : undefined;
