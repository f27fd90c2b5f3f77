import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findMissing } from '../../src/backends/findings.ts';
import {
  findBrowsers,
  findDeno,
  findOnPath,
  findVulkanDrivers,
  inspectMachine,
  type Machine,
} from '../../src/backends/machine.ts';
import { availableBackends, createBackend, parseBackendName } from '../../src/backends/registry.ts';
import { browserFlags, processEnvironments } from '../../src/backends/webgpu/launches.ts';

let folder: string;
const put = (name: string, text: string, mode = 0o644) => {
  const path = join(folder, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
};
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fp8lab-machine-'));
  mkdirSync(join(folder, 'empty'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const bare: Machine = {
  platform: 'linux',
  arch: 'x64',
  node: '20.20.2',
  root: false,
  browsers: [],
  deno: undefined,
  dawn: undefined,
  puppeteer: false,
  vulkan: [],
  gpuDevices: [],
  misleading: [],
  tools: [],
};
const swiftshader = { name: 'swiftshader', icd: '/ss.json', software: true };
const lavapipe = { name: 'lavapipe', icd: '/lvp.json', software: true };

describe('looking for programs', () => {
  it('a browser named by the environment is used or missed, never replaced', () => {
    const browser = put('my-browser', '#!/bin/sh\n', 0o755);
    expect(findBrowsers({ CHROME_PATH: browser })).toEqual([{ name: 'named by the environment', path: browser }]);
    expect(findBrowsers({ CHROME_PATH: join(folder, 'no-such-browser') })).toEqual([]);
    expect(findBrowsers({ PUPPETEER_EXECUTABLE_PATH: browser })[0]!.path).toBe(browser);
  });

  it('a file that may not be run is no program', () => {
    put('tool', 'text');
    expect(findOnPath(['tool'], { PATH: folder })).toBeUndefined();
    put('tool', '#!/bin/sh\n', 0o755);
    expect(findOnPath(['no-such', 'tool'], { PATH: folder })).toBe(join(folder, 'tool'));
  });

  it('a Deno named by the environment is used or missed, never replaced', () => {
    const deno = put('deno', '#!/bin/sh\n', 0o755);
    expect(findDeno({ FP8LAB_DENO: deno })?.path).toBe(deno);
    expect(findDeno({ FP8LAB_DENO: join(folder, 'nothing') })).toBeUndefined();
  });

  it('a driver beside the browser is found, one whose library is gone is not', () => {
    const browser = { name: 'b', path: join(folder, 'browser') };
    put('vk_swiftshader_icd.json', JSON.stringify({ ICD: { library_path: './libvk_swiftshader.so' } }));
    const here = () => findVulkanDrivers({}, [browser]).filter(({ icd }) => icd.startsWith(folder));
    expect(here()).toEqual([]);
    const library = put('libvk_swiftshader.so', '');
    const icd = join(folder, 'vk_swiftshader_icd.json');
    expect(here()).toEqual([{ name: 'swiftshader', icd, software: true }]);
    rmSync(library);
    put('vk_swiftshader_icd.json', 'no JSON');
    expect(here()).toEqual([]);
  });

  it('looking over this machine takes less than a quarter of a second', () => {
    const started = performance.now();
    expect(inspectMachine().node).toBe(process.versions.node);
    expect(performance.now() - started).toBeLessThan(250);
  });
});

describe('what is missing', () => {
  it('is told for a bare machine with one command each, the needed things first', () => {
    const missing = findMissing(bare);
    expect(missing.map(({ what }) => what)).toEqual([
      'dawn',
      'deno',
      'puppeteer',
      'browser',
      'vulkan',
      'cmake',
      'c++',
      'nvcc',
      'mpirun',
    ]);
    expect(missing.filter(({ needed }) => needed)).toHaveLength(5);
    for (const { command, why } of missing) expect([command, why]).not.toContain('');
  });

  it('is a Chrome of one’s own where apt is not the way', () => {
    const finding = findMissing({ ...bare, platform: 'darwin' }).find(({ what }) => what === 'browser');
    expect(finding).toMatchObject({ needsRoot: false, command: expect.stringContaining('puppeteer browsers install') });
  });

  it('is a variable to unset where it names nothing, and no installation', () => {
    const machine = inspectMachine({ ...process.env, CHROME_PATH: '/no/such/browser' });
    const browser = findMissing(machine).filter(({ what }) => what === 'browser');
    expect(browser).toMatchObject([{ command: 'unset CHROME_PATH', needsRoot: false, needed: true }]);
  });

  it('leaves out what is there', () => {
    const whole = {
      ...bare,
      dawn: '/dawn',
      deno: { name: 'deno', path: '/deno' },
      puppeteer: true,
      browsers: [{ name: 'b', path: '/b' }],
      vulkan: [swiftshader],
      tools: ['cmake', 'c++', 'nvcc', 'mpirun'].map((name) => ({ name, path: `/${name}` })),
    };
    expect(findMissing(whole)).toEqual([]);
  });
});

describe('ways to start a runner', () => {
  const machine = { ...bare, vulkan: [lavapipe, swiftshader] };
  const labels = (
    name: 'webgpu:node' | 'webgpu:deno',
    adapter: 'auto' | 'hardware' | 'software',
    over = {},
    env = {},
  ) => processEnvironments(name, { machine: { ...machine, ...over }, adapter, env }).map(({ label }) => label);

  it('Dawn takes SwiftShader first, wgpu lavapipe', () => {
    expect(labels('webgpu:node', 'auto')).toEqual(['VK_DRIVER_FILES=/ss.json', 'VK_DRIVER_FILES=/lvp.json']);
    expect(labels('webgpu:deno', 'auto')).toEqual(['VK_DRIVER_FILES=/lvp.json', 'VK_DRIVER_FILES=/ss.json']);
  });

  it('where there may be a GPU the system’s drivers come first', () => {
    const gpu = { gpuDevices: ['/dev/nvidia0'] };
    expect(labels('webgpu:node', 'auto', gpu)[0]).toBe("the system's drivers");
    expect(labels('webgpu:node', 'hardware', gpu)).toEqual(["the system's drivers"]);
    expect(labels('webgpu:node', 'software', gpu)).not.toContain("the system's drivers");
  });

  it('a pinned driver is the only one', () => {
    expect(labels('webgpu:deno', 'auto', {}, { FP8LAB_VULKAN_ICD: '/my.json' })).toEqual(['VK_DRIVER_FILES=/my.json']);
  });

  it('Chromium without a GPU is told to take SwiftShader, with one it tries Vulkan first', () => {
    expect(browserFlags(machine, 'auto')).toEqual([['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader']]);
    const withGpu = browserFlags({ ...machine, gpuDevices: ['/dev/dri/renderD128'] }, 'auto');
    expect(withGpu[0]).toContain('--enable-features=Vulkan');
    expect(withGpu.at(-1)).toContain('--use-webgpu-adapter=swiftshader');
    expect(browserFlags({ ...machine, platform: 'darwin' }, 'hardware')).toEqual([['--enable-unsafe-webgpu']]);
  });
});

describe('the list of backends', () => {
  it('refuses a name it does not know, and says which there are', () => {
    expect(() => parseBackendName('webgpu:nodee')).toThrow(/webgpu:nodee/);
    expect(parseBackendName('webgpu:deno')).toBe('webgpu:deno');
  });

  it('gives the reason and the command for a browser that is missing', async () => {
    const env = { ...process.env, CHROME_PATH: '/no/such/browser' };
    const entry = availableBackends({ env }).find(({ name }) => name === 'webgpu:chromium');
    expect(entry?.missing).toMatchObject({
      kind: 'environment',
      code: 'no-browser',
      fix: 'unset CHROME_PATH',
    });
    const backend = createBackend('webgpu:chromium', { env });
    await expect(backend.identify()).rejects.toMatchObject({ kind: 'environment', code: 'no-browser' });
    await backend.close();
  });

  it('says what a browser that cannot start printed', async () => {
    const broken = put('broken-browser', '#!/bin/sh\necho no display >&2\nexit 7\n', 0o755);
    const backend = createBackend('webgpu:chromium', { env: { ...process.env, CHROME_PATH: broken } });
    await expect(backend.identify()).rejects.toMatchObject({
      kind: 'environment',
      message: expect.stringContaining('broken-browser'),
    });
    await backend.close();
  });

  it('says what a Deno that cannot run wrote last', async () => {
    const broken = put('broken-deno', '#!/bin/sh\necho illegal instruction >&2\nexit 3\n', 0o755);
    const backend = createBackend('webgpu:deno', { env: { ...process.env, FP8LAB_DENO: broken } });
    await expect(backend.identify()).rejects.toMatchObject({
      code: 'no-adapter',
      message: expect.stringMatching(/code 3.*illegal instruction/s),
    });
    await backend.close();
  });
});
