import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'fp8lab-session-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const script = (path: string, text: string): void => {
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
};

/** Programs that stand for a machine with a GPU: `run` is what the runner does with a spec. */
function machine(name: string, run: string, cuda = '{}'): string {
  const bin = join(folder, name);
  mkdirSync(bin);
  script(join(bin, 'fp8lab-native'), `[ "$1" = run ] || exec echo '{"cuda":${cuda}}'\n${run}`);
  script(join(bin, 'fp8lab-probes'), 'echo probed');
  script(join(bin, 'fp8lab-bench'), 'echo "$1"');
  // Memcheck of one spec cannot work, of another finds something.
  script(
    join(bin, 'compute-sanitizer'),
    'case "$*" in *moe*) echo "Device not supported" ;; *gate*) echo "ERROR SUMMARY: 2 errors"; exit 1 ;; *) echo "ERROR SUMMARY: 0 errors" ;; esac',
  );
  script(
    join(bin, 'nvidia-smi'),
    'echo "    Serial Number : 1234"; echo "    Product Name : NVIDIA H200"; echo "        Name : /home/someone/job"',
  );
  script(join(bin, 'python3'), 'exit 1');
  return bin;
}

const specs = join(folder, 'specs');
mkdirSync(specs);
for (const name of ['gate.edge-wide', 'gemm.a', 'gemm.edge-ragged', 'moe-layer.edge-ragged', 'quantize.edge-ragged'])
  writeFileSync(join(specs, `${name}.json`), '{}');

const args = (bin: string, rest: readonly string[]) => [
  join('scripts', 'gpu-session.sh'),
  ...['--native', join(bin, 'fp8lab-native'), '--specs', specs, '--out', join(bin, 'out'), ...rest],
];
const env = (bin: string) => ({ ...process.env, PATH: `${bin}:${process.env.PATH}` });

function session(bin: string, ...rest: string[]) {
  const { status, stderr } = spawnSync('bash', args(bin, rest), { encoding: 'utf8', env: env(bin), timeout: 60_000 });
  const read = (name: string) => readFileSync(join(bin, 'out', name), 'utf8');
  const sums = spawnSync('sha256sum', ['--quiet', '-c', 'SHA256SUMS'], { cwd: join(bin, 'out') }).status;
  return { status, stderr, read, sums };
}

const answers = `case "$2" in *moe-layer*) echo '{"code":"no-cuda-kernel"}' >&2; exit 3 ;; esac\necho '{"tensors":{"d":{"sha256":"00"}}}'`;

describe.skipIf(process.platform !== 'linux')('a session on a GPU', () => {
  it('does not take a kernel that has no CUDA form for a failure, and tells nothing of the machine', () => {
    const { status, read, sums } = session(machine('whole', answers), '--steps', 'probes,check,specs,bench');
    expect(status).toBe(0);
    expect(JSON.parse(read('summary.json'))).toMatchObject({ specs: 5, withoutKernel: 1, differing: 0 });
    expect([read('probes.jsonl'), read('check.jsonl'), read('bench.jsonl')]).toEqual(['probed\n', 'check\n', 'run\n']);
    expect(read('nvidia-smi.txt')).toContain('NVIDIA H200');
    expect(read('nvidia-smi.txt')).not.toMatch(/1234|someone/);
    expect(existsSync(join(folder, 'whole', 'out', 'sanitizer.txt'))).toBe(false);
    expect(sums).toBe(0);
  });

  it('tells errors that memcheck finds from a memcheck that cannot work', () => {
    const { status, stderr, read } = session(machine('checked', answers), '--steps', 'sanitizer');
    expect(status).toBe(1);
    expect(stderr).toContain('FAILED: compute-sanitizer on gate.edge-wide');
    expect(stderr).toContain('no summary of moe-layer.edge-ragged');
    expect(stderr.match(/FAILED/g)).toHaveLength(1);
    expect(read('sanitizer.txt')).toContain('== probes');
  });

  it('gives up a kernel that did not end, and only that one', () => {
    // timeout's own exit code, at once.
    const { status, stderr, read } = session(
      machine('hung', `case "$2" in *gemm.a*) exit 124 ;; esac\n${answers}`),
      '--steps',
      'specs',
    );
    expect(status).toBe(1);
    expect(stderr).toContain('gemm.a did not end');
    expect(stderr).toContain('gemm.edge-ragged was left out');
    expect(read('digests.jsonl').trim().split('\n')).toHaveLength(2);
  });

  it('leaves out what its minutes do not hold, says so, and sums what there is', () => {
    const { status, stderr, sums } = session(machine('late', answers), '--minutes', '0');
    expect(status).toBe(1);
    for (const step of ['probes', 'check', 'specs', 'bench']) expect(stderr).toContain(`${step} was left out`);
    expect(sums).toBe(0);
  });

  it('stops where the runner finds no GPU, with what it said', () => {
    const { status, stderr } = session(machine('without', answers, 'null,"cudaProblem":{"code":"no-cuda-device"}'));
    expect(status).toBe(3);
    expect(stderr).toContain('no-cuda-device');
    expect(stderr).not.toContain('probes');
  });

  it.each([
    ['no compiler', { CUDACXX: '/no/such/nvcc' }, 'no nvcc', undefined],
    ['a build that fails', { CUDACXX: 'true' }, 'see build.log', 'configured anew'],
  ])('brings home why there is %s', (name, variables, message, log) => {
    const bin = machine(name, answers);
    const once = join(bin, 'once');
    script(join(bin, 'cmake'), `[ -e '${once}' ] && echo configured anew; touch '${once}'; exit 1`);
    const out = join(bin, 'out');
    const { status, stderr } = spawnSync('bash', ['scripts/gpu-session.sh', '--specs', specs, '--out', out], {
      encoding: 'utf8',
      env: { ...env(bin), FP8LAB_BUILD: join(bin, 'build'), ...variables },
    });
    expect(status).toBe(3);
    expect(stderr).toContain(message);
    if (log !== undefined) expect(readFileSync(join(out, 'build.log'), 'utf8')).toContain(log);
    expect(spawnSync('sha256sum', ['--quiet', '-c', 'SHA256SUMS'], { cwd: out }).status).toBe(0);
  });

  it('sums what it has where it is interrupted, without waiting for the run that is on', async () => {
    const bin = machine('interrupted', 'exec sleep 50');
    const child = spawn('bash', args(bin, ['--steps', 'probes,specs']), { env: env(bin), stdio: 'ignore' });
    const out = join(bin, 'out');
    await expect.poll(() => existsSync(join(out, 'digests.jsonl')), { timeout: 20_000 }).toBe(true);
    const began = Date.now();
    child.kill('SIGTERM');
    expect(await new Promise((done) => child.on('exit', done))).toBe(143);
    expect(Date.now() - began).toBeLessThan(10_000);
    expect(spawnSync('sha256sum', ['--quiet', '-c', 'SHA256SUMS'], { cwd: out }).status).toBe(0);
  });

  it.each([
    ['a step that there is not', ['--steps', 'bench,test'], 'there is no step test'],
    ['minutes that are no number', ['--minutes', '9.5'], '--minutes is a whole number'],
  ])('refuses %s', (_, rest, message) => {
    const { status, stderr } = spawnSync('bash', ['scripts/gpu-session.sh', ...rest], { encoding: 'utf8' });
    expect(status).toBe(2);
    expect(stderr).toContain(message);
  });
});
