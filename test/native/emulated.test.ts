import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { isExecutable, packageRoot } from '../../src/backends/machine.ts';
import { nativeBinary, withoutCuda } from '../../src/backends/native.ts';
import { createNativeServer } from '../../src/backends/native-server.ts';
import { spawnTransport } from '../../src/backends/webgpu/process.ts';
import { RunnerLink } from '../../src/backends/webgpu/runner-link.ts';
import { resolveSpec } from '../../src/specs/resolve.ts';
import type { ResolvedSpec } from '../../src/specs/types.ts';
import { bytesOf, requireNative, shippedSpecs } from './support.ts';

const emulated = join(dirname(nativeBinary()), 'fp8lab-emulated');

/** Whether the CUDA kernels are there, compiled for the host. */
function requireEmulator(): boolean {
  if (!requireNative()) return false;
  const there = isExecutable(emulated);
  if (!there) console.warn(`skipped: ${emulated} is not there; build the native wing with FP8LAB_EMULATOR on`);
  return there;
}

/** The runner whose CUDA device is the emulator; the order of threads follows the seed. */
function startEmulator(seed: number, env: Readonly<Record<string, string>> = {}) {
  const args = ['serve', '--device', 'cuda'];
  const variables = { FP8LAB_EMULATOR_SEED: String(seed), ...env };
  const link = new RunnerLink('emulated', spawnTransport({ command: emulated, args, env: variables }));
  return {
    run: async (spec: ResolvedSpec) => bytesOf((await link.request('run', { spec })).tensors),
    close: () => link.close(),
  };
}

const seeds = process.env.FP8LAB_EMULATE === 'all' ? [1, 2, 3, 4] : [1];
/** Tens of thousands of tokens, a fiber each. */
const slow = process.env.FP8LAB_EMULATE === 'all' ? /^$/ : /many-tokens|^long-k|nvfp4-f32|^dsv3-2$/;

const product = (m: number, n: number, k: number, rest: object = {}) =>
  resolveSpec({
    fp8lab: 1,
    kernel: 'gemm',
    name: 'tiles',
    shape: { m, n, k },
    a: { scheme: 'activation-1x128', input: { generate: 'normal', seed: 1 } },
    b: { scheme: 'weight-128x128', input: { generate: 'normal', seed: 2 } },
    ...rest,
  });

const operand = (preset: string, format: string, seed: number) => ({
  scheme: { preset, format },
  input: { generate: 'normal', seed },
});
const added = { c: { input: { generate: 'normal', seed: 3, dtype: 'f32' } } };

/** Every tile of tiles.def: its name, and a product that it computes, ragged and of several tiles a thread block. */
const tiles = [
  ...readFileSync(join(packageRoot(), 'native-cuda/kernels/cuda/tiles.def'), 'utf8').matchAll(
    /^FP8LAB_TILE\((\d+), (\d+), (none|a|b), (block|row), (2|4), (false|true), (e4m3|e5m2), (e4m3|e5m2)\)/gm,
  ),
].map(([, m, n, share, scales, bytes, paired, a, b]) => {
  const parts = [`${m}x${n}`, share === 'none' ? '' : `${share!.toUpperCase()} shared`];
  parts.push(scales === 'row' ? 'row scales' : '', bytes === '2' ? 'bf16' : 'f32', paired === 'true' ? 'paired' : '');
  parts.push(a === 'e4m3' && b === 'e4m3' ? '' : `${a} x ${b}`);
  const output = bytes === '2' ? {} : { output: 'f32', ...added };
  const operands = {
    a: operand('activation-1x128', a!, 1),
    b: operand(scales === 'row' ? 'activation-1x128' : 'weight-128x128', b!, 2),
  };
  const spec = product(Number(m) * 2 + 20, 408, 300, { ...operands, ...output });
  return [parts.filter(Boolean).join(', '), spec] as const;
});

/** What the kernels with e5m2 leave out: block scales go as row scales, and narrower outputs are rounded from f32. */
const gradients = [
  ['block scales, f32', product(40, 200, 300, { a: operand('activation-1x128', 'e5m2', 4), output: 'f32', ...added })],
  ['row scales, bf16', product(40, 200, 300, { b: operand('activation-1x128', 'e5m2', 5) })],
  ['block scales, f16', product(40, 200, 300, { b: operand('weight-128x128', 'e5m2', 6), output: 'f16' })],
] as const;

const scheme = (format: string, tile: readonly number[], recipe: string) => ({
  format,
  tile,
  scale: { type: 'f32', recipe },
});

/** Every source of the fast quantizers into every tile and format: ragged, of any bits, with recipes that divide, multiply and shift. */
const quantizers = (
  [
    ['e4m3', [1, 128], 'divide'],
    ['e4m3', [128, 128], 'te'],
    ['e4m3', [128, 1], 'divide'],
    ['e5m2', [1, 128], 'pow2'],
    ['e5m2', [128, 128], 'divide'],
    ['e5m2', [128, 1], 'te'],
  ] as const
).flatMap(([format, tile, recipe]) => {
  const to = scheme(format, tile, recipe);
  const bits = { input: { generate: 'bits', seed: 7, dtype: 'bf16' } };
  const normal = { input: { generate: 'normal', seed: 8, dtype: 'bf16' } };
  const from = (source: object) => ({ kernel: 'requantize', shape: { rows: 150, columns: 208 }, x: source, to });
  const inner = { shape: { rows: 150, inter: 208 }, scheme: to };
  const weights = { weights: { input: { generate: 'uniform', seed: 9, dtype: 'f32' } } };
  const whole = { shape: { rows: 45, inter: 256 }, scheme: to };
  return [
    { kernel: 'quantize', shape: { rows: 150, columns: 208 }, x: bits, scheme: to },
    from({ scheme: scheme('e4m3', [1, 128], 'divide'), ...normal }),
    from({ scheme: scheme('e5m2', [128, 128], 'pow2'), ...normal }),
    { kernel: 'swiglu-quantize', ...inner, x: normal, ...weights },
    { kernel: 'swiglu-backward', ...whole, x: normal, grad: bits, ...weights },
  ].map((spec) => resolveSpec({ fp8lab: 1, name: `${format}-${tile.join('x')}-${recipe}`, ...spec }));
});

describe.runIf(requireEmulator())('CUDA kernels, emulated', () => {
  const host = createNativeServer('native:host', { threads: 1 });
  const emulators = seeds.map((seed) => ({ seed, ...startEmulator(seed) }));
  const expected = async (spec: ResolvedSpec) => bytesOf((await host.run(spec)).tensors);
  afterAll(async () => {
    await Promise.all([host, ...emulators].map((runner) => runner.close()));
  });

  const specs = shippedSpecs(false).filter(({ kernel, name }) => !withoutCuda.includes(kernel) && !slow.test(name));
  it.each(specs.map((spec) => [`${spec.kernel} ${spec.name}`, spec] as const))(
    '%s: the bits of the host',
    { timeout: 900_000 },
    async (_, spec) => {
      const wanted = await expected(spec);
      for (const { seed, run } of emulators) expect(await run(spec), `order of threads ${seed}`).toEqual(wanted);
    },
  );

  it.each(withoutCuda)('%s: refused, as there is no CUDA kernel', async (kernel) => {
    const spec = shippedSpecs(false).find((each) => each.kernel === kernel)!;
    await expect(emulators[0]!.run(spec)).rejects.toMatchObject({ kind: 'environment', code: 'no-cuda-kernel' });
  });

  it.each(quantizers.map((spec, i) => [`${spec.kernel} ${spec.name} ${i % 5}`, spec] as const))(
    'ragged %s: the bits of the host',
    async (_, spec) => {
      expect(await emulators[0]!.run(spec)).toEqual(await expected(spec));
    },
  );

  it('fast quantizers take what they are for, and give the bits of the general kernels', { timeout: 120_000 }, () => {
    const { stdout, stderr } = spawnSync(`${emulated}-check`, [], { encoding: 'utf8' });
    expect(stderr).toBe('');
    const cases = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { check: string; compared: number; differing: number });
    expect(cases.length).toBeGreaterThan(75);
    expect(cases.filter(({ compared, differing }) => compared === 0 || differing > 0)).toEqual([]);
  });

  it.each(gradients)('gemm with e5m2, %s: the bits of the host', async (_, spec) => {
    expect(await emulators[0]!.run(spec)).toEqual(await expected(spec));
  });

  it('probes of the tensor cores read what the model gives', { timeout: 60_000 }, () => {
    const { stdout } = spawnSync(`${emulated}-probes`, [], { encoding: 'utf8' });
    const probes = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { probe: string; agree: boolean; compared: number });
    expect(probes.length).toBe(24);
    expect(probes.filter(({ agree, compared }) => !agree || compared === 0)).toEqual([]);
  });

  it('refuses a tile that there is not, and names those that there are', async () => {
    const emulator = startEmulator(1, { FP8LAB_TILE: '100x100' });
    const refused = { code: 'bad-value', fix: expect.stringContaining('128x160, B shared, bf16') };
    await expect(emulator.run(product(16, 16, 128))).rejects.toMatchObject(refused);
    await emulator.close();
  });

  // The planner takes small tiles for small products; these share an operand in a cluster, or hold 256 rows.
  it.each([
    ['contiguous-gate-up', '128x128, A shared, bf16'],
    ['offsets-gate-up', '128x128, A shared, bf16'],
    ['masked-decode', '256x128, A shared, bf16'],
    ['masked-decode', '128x160, bf16'],
    ['k-grouped-wgrad', '128x128, A shared, row scales, f32'],
  ])('grouped-gemm %s on %s: the bits of the host', async (name, tile) => {
    const spec = specs.find((one) => one.name === name)!;
    const emulator = startEmulator(1, { FP8LAB_TILE: tile });
    expect(await emulator.run(spec)).toEqual(await expected(spec));
    await emulator.close();
  });

  it.each(tiles)('gemm %s: the bits of the host, ragged and with several tiles a block', async (tile, spec) => {
    const wanted = await expected(spec);
    for (const seed of seeds) {
      const emulator = startEmulator(seed, { FP8LAB_TILE: tile });
      expect(await emulator.run(spec), `order of threads ${seed}`).toEqual(wanted);
      await emulator.close();
    }
  });
});

describe.runIf(requireEmulator())('the emulator notices what a kernel leaves out', () => {
  const host = createNativeServer('native:host', { threads: 1 });
  afterAll(() => host.close());
  const block = shippedSpecs(false).find(({ name }) => name === 'dsv3-weight-128x128')!;
  const alone = { FP8LAB_TILE: '64x128, bf16' };
  const pair = { FP8LAB_TILE: '128x128, A shared, bf16' };
  const several = product(200, 392, 300);

  it.each([
    ['syncthreads', 'wrong bits', block, {}],
    ['syncthreads', 'no-barrier', several, alone],
    ['cluster-barrier', 'no-barrier', several, pair],
    ['init-fence', 'missing-init-fence', several, alone],
    ['expected-bytes', 'deadlock', several, alone],
    ['full-wait', 'wrong bits', several, alone],
    ['swizzle', 'wrong bits', several, alone],
    ['wgmma-fence', 'missing-wgmma-fence', several, alone],
    ['wgmma-wait', 'wrong bits', several, alone],
    ['named-barrier', 'missing-proxy-fence', several, alone],
    ['proxy-fence', 'missing-proxy-fence', several, alone],
    ['store-wait-read', 'overwritten', several, alone],
    ['store-wait', 'store-not-waited-for', several, alone],
  ] as const)('%s: %s', async (omission, sign, spec, env) => {
    const wanted = bytesOf((await host.run(spec)).tensors);
    const signs: string[] = [];
    // Some order of threads shows it, not each.
    for (let seed = 1; seed <= 12 && !signs.includes(sign); seed++) {
      const emulator = startEmulator(seed, { ...env, FP8LAB_EMULATOR_WITHOUT: omission });
      const outcome = await emulator.run(spec).catch((error) => error.code as string);
      signs.push(typeof outcome === 'string' ? outcome : isSame(outcome, wanted) ? 'nothing' : 'wrong bits');
      await emulator.close();
    }
    expect(signs).toContain(sign);
  });
});

function isSame(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
