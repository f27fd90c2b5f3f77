import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { packageRoot } from '../../src/backends/machine.ts';
import { nativeBinary } from '../../src/backends/native.ts';
import { runReference } from '../../src/backends/reference.ts';
import { resolveSpec } from '../../src/specs/resolve.ts';
import type { MoeLayerSpec, ResolvedSpec } from '../../src/specs/types.ts';
import { bytesOf, requireNative } from './support.ts';

// Ranks are processes on two cores, perhaps: the default of five seconds is too short.
vi.setConfig({ testTimeout: 240_000 });

const binary = nativeBinary();
const folder = mkdtempSync(join(tmpdir(), 'fp8lab-ranks-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** mpirun on this machine alone: shared memory and loopback, also as root and with more ranks than cores. */
const alone = ['--oversubscribe', '--bind-to', 'none', '--mca', 'btl', 'self,vader', '--mca', 'pml', 'ob1'];
const asRoot = process.getuid?.() === 0 ? ['--allow-run-as-root'] : [];

const hasMpi =
  existsSync(join(dirname(binary), 'fp8lab-mpi.so')) && spawnSync('mpirun', ['--version']).error === undefined;
if (!hasMpi)
  console.warn('skipped: no mpirun, or the runner was built without MPI; install openmpi-bin libopenmpi-dev');

function specFile(spec: ResolvedSpec, name: string): string {
  const file = join(folder, `${name}.json`);
  writeFileSync(file, JSON.stringify(spec));
  return file;
}

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const mpirun = (args: readonly string[]): Outcome =>
  spawnSync('mpirun', [...asRoot, ...alone, ...args], { encoding: 'utf8', timeout: 200_000 });

/** `F32 [2, 3] digest` of every tensor that a run printed, as bytesOf has it. */
function printed({ stdout, stderr }: Outcome): Record<string, string> {
  expect(stdout, stderr).not.toBe('');
  const { tensors } = JSON.parse(stdout) as {
    tensors: Record<string, { dtype: string; shape: number[]; sha256: string }>;
  };
  const entries = Object.entries(tensors);
  return Object.fromEntries(
    entries.map(([name, { dtype, shape, sha256 }]) => [name, `${dtype} [${shape.join(', ')}] ${sha256}`]),
  );
}

const shipped = readdirSync(join(packageRoot(), 'specs', 'moe-layer'))
  .map((file) => JSON.parse(readFileSync(join(packageRoot(), 'specs', 'moe-layer', file), 'utf8')) as object)
  .map((json) => resolveSpec(json) as MoeLayerSpec)
  .filter((spec) => !spec.large);

const ranksOf = ({ shape, gate }: MoeLayerSpec): number[] =>
  [1, 2, 4, 8].filter((ranks) => ranks <= shape.tokens && ranks <= shape.experts + gate.sharedExperts);

const layer = shipped.find(({ name }) => name === 'dsv3')!;
const errorOf = ({ stderr }: Outcome): { code: string; message: string; where: string } =>
  JSON.parse(stderr.split('\n').find((line) => line.startsWith('{'))!);

describe.runIf(requireNative())('native ranks', () => {
  it('a shipped layer is shared by 8 ranks', () => {
    expect(ranksOf(layer)).toEqual([1, 2, 4, 8]);
  });

  it.each(shipped.map((spec) => [spec.name, spec] as const))('as threads give the reference: %s', (name, spec) => {
    const expected = bytesOf(runReference(spec).tensors);
    const file = specFile(spec, name);
    for (const ranks of ranksOf(spec)) {
      const run = spawnSync(binary, ['moe', file, '--ranks', String(ranks), '--digest'], { encoding: 'utf8' });
      expect([ranks, printed(run)]).toEqual([ranks, expected]);
    }
  });

  it('read inputs from a file, and write what a run writes', () => {
    const spec = specFile(layer, 'files');
    const result = join(folder, 'y.safetensors');
    const whole = join(folder, 'whole.safetensors');
    expect(spawnSync(binary, ['run', spec, '--out', whole]).status).toBe(0);
    expect(spawnSync(binary, ['moe', spec, '--ranks', '3', '--out', result]).status).toBe(0);
    expect(readFileSync(result).equals(readFileSync(whole))).toBe(true);
  });

  it('send a token once to a rank, and a row back for each slot there', () => {
    const run = spawnSync(binary, ['moe', specFile(layer, 'bytes'), '--ranks', '2'], { encoding: 'utf8' });
    const { bytes } = JSON.parse(run.stdout) as { bytes: { dispatch: number[][]; combine: number[][] } };
    const { tokens, hidden } = layer.shape;
    const slots = layer.gate.topk + layer.gate.sharedExperts;
    const message = 4 * slots + hidden + 4 * Math.ceil(hidden / 128);
    const sent = bytes.dispatch.flat().reduce((a, b) => a + b, 0);
    expect(sent % message).toBe(0);
    expect(sent / message).toBeLessThanOrEqual(2 * tokens);
    expect(bytes.combine.flat().reduce((a, b) => a + b, 0)).toBe(tokens * slots * hidden * 2);
  });

  it('refuse a layer that they cannot share, with the numbers', () => {
    const file = specFile(layer, 'few');
    const run = spawnSync(binary, ['moe', file, '--ranks', '13'], { encoding: 'utf8' });
    expect(run.status).toBe(4);
    expect(errorOf(run).message).toBe('shape.tokens is 12, for 13 ranks');
  });

  it('refuse another kernel', () => {
    const gate = resolveSpec({
      ...{ fp8lab: 1, kernel: 'gate', name: 'g', shape: { tokens: 4, experts: 8 } },
      ...{ gate: 'mixtral', logits: { input: 'normal' } },
    });
    const run = spawnSync(binary, ['moe', specFile(gate, 'gate'), '--ranks', '2'], { encoding: 'utf8' });
    expect([run.status, errorOf(run).code]).toEqual([4, 'wrong-kernel']);
  });
});

/** Processes that a process has started, and theirs. */
function descendants(pid: number): number[] {
  const file = `/proc/${pid}/task/${pid}/children`;
  const own = existsSync(file) ? readFileSync(file, 'utf8').split(' ').filter(Boolean).map(Number) : [];
  return own.flatMap((child) => [child, ...descendants(child)]);
}

const commandOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
};

const ended = (child: ChildProcess): Promise<number | null> => new Promise((resolve) => child.on('close', resolve));

describe.runIf(requireNative() && hasMpi)('native ranks under mpirun', () => {
  const cases = shipped.flatMap((spec) => ranksOf(spec).map((ranks) => [spec.name, ranks, spec] as const));

  it.each(cases)('%s on %i ranks gives the reference', (name, ranks, spec) => {
    const run = mpirun(['-np', String(ranks), binary, 'moe', specFile(spec, name), '--digest']);
    expect(run.status, run.stderr).toBe(0);
    expect(printed(run)).toEqual(bytesOf(runReference(spec).tensors));
  });

  it('ranks that disagree on the spec all end, with one message and its exit code', () => {
    const other = { ...layer, alignment: 64 };
    const [a, b] = [specFile(layer, 'a'), specFile(other, 'b')];
    const run = mpirun(['-np', '2', binary, 'moe', a, ':', '-np', '1', binary, 'moe', b]);
    expect(run.status).toBe(4);
    expect(errorOf(run)).toMatchObject({ code: 'ranks-disagree', message: 'rank 2 has another spec than rank 0' });
    expect(run.stderr.split('\n').filter((line) => line.startsWith('{'))).toHaveLength(1);
  });

  it('names alone do not make specs disagree', () => {
    const [a, b] = [specFile(layer, 'a'), specFile({ ...layer, name: 'renamed', description: 'x' }, 'c')];
    expect(mpirun(['-np', '1', binary, 'moe', a, ':', '-np', '1', binary, 'moe', b]).status).toBe(0);
  });

  it('a rank without its spec, or with inputs it cannot read, ends all', () => {
    const file = specFile(layer, 'a');
    const none = mpirun(['-np', '1', binary, 'moe', file, ':', '-np', '1', binary, 'moe', join(folder, 'none.json')]);
    expect([none.status, errorOf(none).code]).toEqual([4, 'missing-file']);
    expect(errorOf(none).where).toContain('rank 1');
    const inputs = ['--inputs', join(folder, 'none.safetensors')];
    const late = mpirun(['-np', '2', binary, 'moe', file, ':', '-np', '1', binary, 'moe', file, ...inputs]);
    expect([late.status, errorOf(late).code]).toEqual([4, 'missing-file']);
  });

  it('a rank that is killed ends all, and mpirun says which', async () => {
    // The second rank waits for a spec that never comes, and the others for it.
    const pipe = join(folder, 'pipe');
    expect(spawnSync('mkfifo', [pipe]).status).toBe(0);
    const file = specFile(layer, 'a');
    const args = ['-np', '1', binary, 'moe', file, ':', '-np', '1', binary, 'moe', pipe];
    const child = spawn('mpirun', [...asRoot, ...alone, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    let stderr = '';
    child.stderr!.on('data', (chunk) => {
      stderr += chunk;
    });
    const waiting = () => descendants(child.pid!).find((pid) => commandOf(pid).startsWith(`${binary} moe ${pipe}`));
    await vi.waitUntil(waiting, { timeout: 60_000, interval: 100 });
    const ranks = descendants(child.pid!);
    const end = ended(child);
    process.kill(waiting()!, 'SIGKILL');
    expect(await end).not.toBe(0);
    expect(stderr).toMatch(/rank 1 .*signal 9/s);
    await vi.waitUntil(() => ranks.every((pid) => !commandOf(pid).includes('moe')), { timeout: 20_000, interval: 100 });
  });
});
