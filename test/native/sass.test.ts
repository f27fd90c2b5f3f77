import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { countOpcodes, embeddedCubin, kernelName, lostPerformance, readResources } from '../../scripts/lib/cubin.mjs';
import { fingerprint } from '../../scripts/lib/fingerprint.mjs';
import { packageRoot } from '../../src/backends/machine.ts';

const version = spawnSync('nvcc', ['--version'], { encoding: 'utf8' });
const hasCompiler = version.status === 0;
const release = /release (\d+\.\d+)/.exec(version.stdout ?? '')?.[1];
const project = packageRoot();
const sources = join(project, 'native-cuda', 'kernels', 'cuda');

interface Compiled {
  /** What ptxas said. */
  readonly log: string;
  readonly cubin: Uint8Array;
}

/** Whether the native build is of the sources as they are, by the compiler on PATH. */
function isBuilt(): boolean {
  const stamp = join(project, 'build', 'native', 'fp8lab-build.json');
  if (!existsSync(stamp)) return false;
  const { sources: built, nvcc } = JSON.parse(readFileSync(stamp, 'utf8'));
  if (built !== fingerprint([join(project, 'native-cuda')]) || nvcc === '') return false;
  return spawnSync(nvcc, ['--version'], { encoding: 'utf8' }).stdout === version.stdout;
}

/** What the native build made of one file. */
function built(name: string): Compiled {
  const object = join(project, 'build/native/kernels/cuda/CMakeFiles/fp8lab-cuda.dir', `${name}.cu.o`);
  return { log: readFileSync(`${object}.log`, 'utf8'), cubin: embeddedCubin(readFileSync(object)) };
}

/** Compiles one file for sm_90a. */
async function compile(name: string, folder: string): Promise<Compiled> {
  const target = join(folder, `${name}.cubin`);
  const options = ['-std=c++20', '-gencode=arch=compute_90a,code=sm_90a', '-fmad=false', '-Xptxas', '-v', '-cubin'];
  const { stdout, stderr } = await promisify(execFile)(
    'nvcc',
    [...options, '-o', target, join(sources, `${name}.cu`)],
    {
      maxBuffer: 1 << 26,
    },
  );
  return { log: stdout + stderr, cubin: readFileSync(target) };
}

describe('reading cubins', () => {
  it('refuses a file that is no ELF', () => {
    expect(() => countOpcodes(new Uint8Array(100))).toThrow(/not a cubin/);
    expect(() => embeddedCubin(new Uint8Array(100))).toThrow(/not a cubin/);
    expect(() => embeddedCubin(readFileSync(process.execPath))).toThrow(/no fat binary/);
  });

  it('finds the messages of lost performance among others', () => {
    const log =
      'ptxas info : (C7514) Potential Performance Loss\nptxas info : (C7600) other\nptxas info : (C7508) setmaxnreg ignored';
    expect(lostPerformance(log)).toHaveLength(2);
  });
});

describe.skipIf(!hasCompiler)(`CUDA kernels compiled for sm_90a${hasCompiler ? '' : ' (no nvcc on PATH)'}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'fp8lab-sass-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const table: Record<string, Record<string, number>> = {};
  let log = '';

  beforeAll(async () => {
    const names = ['gemm', 'quantize', 'gate', 'moe', 'swiglu', 'dispatch'];
    const outputs = isBuilt() ? names.map(built) : await Promise.all(names.map((name) => compile(name, folder)));
    log = outputs.map((output) => output.log).join('\n');
    const resources = readResources(log);
    for (const { cubin } of outputs) {
      for (const [mangled, counts] of Object.entries(countOpcodes(cubin))) {
        table[kernelName(mangled)] = { ...resources[mangled], ...counts };
      }
    }
  }, 300_000);

  it('lose no performance that ptxas tells of', () => {
    expect(lostPerformance(log)).toEqual([]);
  });

  it('keep everything in registers', () => {
    expect(Object.keys(table).length).toBeGreaterThanOrEqual(65);
    for (const [name, { stack, spills, LDL, STL }] of Object.entries(table)) {
      expect({ name, stack, spills, LDL, STL }).toEqual({ name, stack: 0, spills: 0, LDL: 0, STL: 0 });
    }
  });

  it('multiply on the tensor cores, load and store by the copy engine, and move registers between warpgroups', () => {
    const gemms = Object.entries(table).filter(([name]) => name.startsWith('gemm'));
    expect(gemms.length).toBe(23);
    for (const [name, counts] of gemms) {
      expect(counts.QGMMA, name).toBeGreaterThanOrEqual(4);
      expect(counts.UTMALDG, name).toBe(4);
      expect(counts.UTMASTG, name).toBeGreaterThan(0);
      // The store's proxy fence. One of release or acquire at cluster scope would be a fence over the GPU in every step of k.
      expect(counts.MEMBAR, name).toBe(1);
      expect(counts.USETMAXREG, name).toBe(name.startsWith('gemm 64x') ? 0 : 2);
      // (register file) / (384 threads), down to a multiple of 8.
      if (!name.startsWith('gemm 64x')) expect(counts.registers, name).toBeLessThanOrEqual(168);
    }
  });

  // Another compiler may choose other registers and instructions; the table is that of one release.
  it.skipIf(release !== '13.0')('have the recorded registers and instructions (table of CUDA 13.0)', async () => {
    const sorted = Object.fromEntries(Object.entries(table).sort(([a], [b]) => (a < b ? -1 : 1)));
    await expect(`${JSON.stringify(sorted, null, 2)}\n`).toMatchFileSnapshot('../../native-cuda/sass/expected.json');
  });
});
