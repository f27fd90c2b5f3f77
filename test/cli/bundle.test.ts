import { execFileSync, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nativeBinary, whatNativeLacks } from '../../src/backends/native.ts';
import { runCli } from '../../src/cli/run-cli.ts';
import { readEvidence } from '../../src/parity/evidence.ts';
import { recordedIo } from '../helpers/command-io.ts';
import { ensureBuilt } from '../helpers/dist.ts';

const folder = mkdtempSync(join(tmpdir(), 'fp8lab-bundle-test-'));
const archive = join(folder, 'small.tar.gz');
const unpacked = join(folder, 'small');
const specs = ['gemm/dsv3-q-a', 'quantize/mxfp4'];
const unpack = (): void => {
  rmSync(unpacked, { recursive: true, force: true });
  execFileSync('tar', ['xzf', archive], { cwd: folder });
};
const run = (...args: string[]) => spawnSync(join(unpacked, 'run'), args, { encoding: 'utf8', timeout: 120_000 });

const lacksNative = whatNativeLacks('native:host') !== undefined;

beforeAll(async () => {
  await ensureBuilt('node');
  const io = recordedIo();
  const { code } = await runCli(['bundle', archive, ...specs, '--json'], io);
  expect(io.err()).toBe('');
  expect(code).toBe(0);
  expect(JSON.parse(io.out())).toMatchObject({ schemaVersion: 1, file: archive, specs: 2 });
  unpack();
}, 120_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('bundle', () => {
  it('lists every file it holds, and no other', () => {
    const listed = readFileSync(join(unpacked, 'SHA256SUMS'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => line.slice(66));
    const there = readdirSync(unpacked, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => `.${join(entry.parentPath, entry.name).slice(unpacked.length)}`)
      .filter((path) => path !== './SHA256SUMS');
    expect(listed.sort()).toEqual(there.sort());
  });

  it('takes resolved specs along, and the digests of their results', () => {
    expect(readdirSync(join(unpacked, 'specs/resolved')).sort()).toEqual(['gemm.dsv3-q-a.json', 'quantize.mxfp4.json']);
    const reference = JSON.parse(readFileSync(join(unpacked, 'reference/quantize.mxfp4.json'), 'utf8'));
    expect(Object.keys(reference.tensors)).toEqual(['codes', 'scales']);
  });

  it('runs the command line with its own Node where there is no other', () => {
    const { status, stdout } = spawnSync(join(unpacked, 'bin/node'), [join(unpacked, 'dist/cli.js'), '--version'], {
      encoding: 'utf8',
      cwd: '/',
      env: { PATH: '/usr/bin:/bin' },
    });
    expect([status, stdout.trim()]).toEqual([0, JSON.parse(readFileSync('package.json', 'utf8')).version]);
  });

  it.skipIf(lacksNative)(
    'rehearsed on the host: digests hold and evidence comes home',
    { timeout: 180_000 },
    async () => {
      const out = join(folder, 'results');
      const { status, stderr } = run('--device', 'host', '--native', nativeBinary(), '--out', out);
      expect(stderr).toContain('all held');
      expect(status).toBe(0);
      expect(JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8'))).toEqual({
        device: 'host',
        specs: 2,
        withoutKernel: 0,
        differing: 0,
        compared: true,
      });
      const evidence = await readEvidence(join(out, 'parity'));
      expect(evidence.map(({ spec, backend }) => [spec.label, backend.backend])).toEqual([
        ['gemm/dsv3-q-a', 'native:host'],
        ['quantize/mxfp4', 'native:host'],
      ]);
      expect(spawnSync('sha256sum', ['--quiet', '-c', 'SHA256SUMS'], { cwd: out }).status).toBe(0);
    },
  );

  it.skipIf(lacksNative)('says which spec differs from the reference it carries', { timeout: 60_000 }, () => {
    const out = join(folder, 'differing');
    const wrong = join(folder, 'wrong');
    execFileSync('cp', ['-r', join(unpacked, 'reference'), wrong]);
    const file = join(wrong, 'quantize.mxfp4.json');
    writeFileSync(file, readFileSync(file, 'utf8').replace(/"sha256":"./, '"sha256":"x'));
    const { status, stderr } = run('--device', 'host', '--native', nativeBinary(), '--out', out, '--reference', wrong);
    expect(status).toBe(1);
    expect(stderr).toContain('quantize.mxfp4 differs from the reference');
    expect(stderr).not.toContain('gemm.dsv3-q-a differs');
  });

  it.each([
    ['altered', (path: string) => appendFileSync(path, ' ')],
    ['missing', (path: string) => rmSync(path)],
    ['cut short', (path: string) => truncateSync(path, 10)],
  ])('refuses to start where a file is %s', (_, harm) => {
    const path = join(unpacked, 'native-cuda/CMakeLists.txt');
    const whole = readFileSync(path);
    harm(path);
    const { status, stderr } = run('--device', 'host');
    writeFileSync(path, whole);
    expect(status).toBe(4);
    expect(stderr).toContain('native-cuda/CMakeLists.txt');
    expect(stderr).toContain('this bundle is damaged');
  });

  it.each([
    ['a name that is no archive', ['bundle', join(folder, 'bundle.zip')], 'a bundle is a .tar.gz'],
    ['a folder that is not there', ['bundle', join(folder, 'no/such/b.tar.gz')], 'its folder is not there'],
    ['a file that is there', ['bundle', archive], 'there is a file of this name'],
  ])('refuses %s before it does anything', async (_, argv, message) => {
    const io = recordedIo();
    expect((await runCli(argv, io)).code).toBe(2);
    expect(io.err()).toContain(message);
  });

  it('leaves nothing behind when it is interrupted', async () => {
    const controller = new AbortController();
    const io = recordedIo(controller.signal);
    controller.abort();
    const out = join(folder, 'interrupted.tar.gz');
    expect((await runCli(['bundle', out, ...specs], io)).code).toBe(130);
    expect(existsSync(out)).toBe(false);
    expect(readdirSync(folder).filter((name) => name.includes('part'))).toEqual([]);
  });
});
