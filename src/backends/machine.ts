import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The environment variables that discovery looks at. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A Vulkan driver manifest. */
export interface VulkanDriver {
  /** `swiftshader`, `lavapipe`, or the manifest's file name for hardware drivers. */
  readonly name: string;
  /** Path of the manifest (ICD) file. */
  readonly icd: string;
  /** True where the driver runs on the CPU. */
  readonly software: boolean;
}

/** A program that was found. */
export interface Program {
  readonly name: string;
  readonly path: string;
}

/** What this machine has of all that fp8lab can use. Paths only: nothing is started. */
export interface Machine {
  readonly platform: NodeJS.Platform;
  readonly arch: string;
  readonly node: string;
  /** True for a user who may install system packages. */
  readonly root: boolean;
  readonly browsers: readonly Program[];
  readonly deno: Program | undefined;
  /** Address of the npm package `webgpu` (Dawn), where its binary fits this platform. */
  readonly dawn: string | undefined;
  readonly puppeteer: boolean;
  readonly vulkan: readonly VulkanDriver[];
  /** Device nodes of real GPUs (Linux); on other systems the operating system is trusted to have one. */
  readonly gpuDevices: readonly string[];
  /** Environment variables that name a program or driver which is not there: they hide what the machine does have. */
  readonly misleading: readonly string[];
  /** Compilers and launchers of the native wing: cmake, c++, nvcc, mpirun. */
  readonly tools: readonly Program[];
}

const { platform, arch } = process;

/** The folder of the package: it holds package.json, dist/ and, in a clone, src/. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder);
  return folder;
}

/** Path of a built file under dist/, from the built library and from the sources alike. */
export function distFile(name: string): string {
  return join(packageRoot(), 'dist', name);
}

/** Whether a file is there and may be run. */
export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** First executable of the names along PATH. */
export function findOnPath(names: readonly string[], env: Environment = process.env): string | undefined {
  const folders = (env.PATH ?? env.Path ?? '').split(delimiter).filter((folder) => folder !== '');
  const endings = platform === 'win32' ? ['.exe', '.cmd', ''] : [''];
  for (const name of names) {
    for (const folder of folders) {
      const found = endings.map((ending) => join(folder, name + ending)).find(isExecutable);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function listFolder(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

const systemBrowsers: Readonly<Partial<Record<NodeJS.Platform, readonly string[]>>> = {
  linux: [
    '/usr/bin/chromium',
    '/usr/bin/chromium-browser',
    '/usr/bin/google-chrome-stable',
    '/usr/bin/google-chrome',
    '/opt/google/chrome/chrome',
    '/usr/bin/microsoft-edge',
  ],
  darwin: [
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
    '/Applications/Chromium.app/Contents/MacOS/Chromium',
    '/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge',
  ],
  win32: [
    'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
    'C:\\Program Files (x86)\\Google\\Chrome\\Application\\chrome.exe',
    'C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe',
  ],
};

/** Chrome as `npx puppeteer browsers install chrome` lays it out, newest first. */
function puppeteerBrowsers(env: Environment): string[] {
  const cache = env.PUPPETEER_CACHE_DIR ?? join(homedir(), '.cache', 'puppeteer');
  const versions = listFolder(join(cache, 'chrome')).reverse();
  const inside: Partial<Record<NodeJS.Platform, (version: string) => string>> = {
    linux: () => 'chrome-linux64/chrome',
    win32: () => 'chrome-win64\\chrome.exe',
    darwin: () => {
      const folder = arch === 'arm64' ? 'chrome-mac-arm64' : 'chrome-mac-x64';
      return `${folder}/Google Chrome for Testing.app/Contents/MacOS/Google Chrome for Testing`;
    },
  };
  const path = inside[platform];
  return path === undefined ? [] : versions.map((version) => join(cache, 'chrome', version, path(version)));
}

/** Browsers on this machine, the one to use first: CHROME_PATH, PUPPETEER_EXECUTABLE_PATH, the system's, Puppeteer's own. */
export function findBrowsers(env: Environment = process.env): Program[] {
  const named = [env.CHROME_PATH, env.PUPPETEER_EXECUTABLE_PATH].filter((path) => path !== undefined && path !== '');
  // A browser that is asked for by name is used or missed, never silently replaced.
  if (named.length > 0)
    return named
      .filter((path) => isExecutable(path!))
      .map((path) => ({ name: 'named by the environment', path: path! }));
  const onPath = findOnPath(['chromium', 'google-chrome-stable', 'google-chrome'], env);
  const candidates = [
    ...(systemBrowsers[platform] ?? []),
    ...(onPath === undefined ? [] : [onPath]),
    ...puppeteerBrowsers(env),
  ];
  return [...new Set(candidates)].filter(isExecutable).map((path) => ({ name: 'Chromium or Chrome', path }));
}

const requireFromHere = createRequire(import.meta.url);

function resolvePackage(name: string): string | undefined {
  try {
    return requireFromHere.resolve(name);
  } catch {
    return undefined;
  }
}

/** Deno: `FP8LAB_DENO`, the npm package `deno`'s binary, or the one on PATH. */
export function findDeno(env: Environment = process.env): Program | undefined {
  if (env.FP8LAB_DENO) return isExecutable(env.FP8LAB_DENO) ? { name: 'deno', path: env.FP8LAB_DENO } : undefined;
  const file = platform === 'win32' ? 'deno.exe' : 'deno';
  const variant = platform === 'linux' ? '-glibc' : '';
  const manifest =
    resolvePackage(`@deno/${platform}-${arch}${variant}/package.json`) ?? resolvePackage('deno/package.json');
  const packaged = manifest === undefined ? undefined : join(dirname(manifest), file);
  const path = packaged !== undefined && isExecutable(packaged) ? packaged : findOnPath(['deno'], env);
  return path === undefined ? undefined : { name: 'deno', path };
}

/** Address of the `webgpu` package's module, or undefined where it is absent or has no binary for this platform. */
export function findDawn(): string | undefined {
  const entry = resolvePackage('webgpu');
  if (entry === undefined) return undefined;
  const folder = platform === 'darwin' ? 'darwin-universal' : `${platform}-${arch}`;
  return existsSync(join(dirname(entry), 'dist', folder, 'dawn.node')) ? entry : undefined;
}

const driverFolders = ['/usr/share/vulkan/icd.d', '/etc/vulkan/icd.d', '/usr/local/share/vulkan/icd.d'];

function softwareName(icd: string): string | undefined {
  if (/swiftshader/i.test(icd)) return 'swiftshader';
  return /(lvp|lavapipe)/i.test(icd) ? 'lavapipe' : undefined;
}

function describeDriver(icd: string): VulkanDriver {
  const software = softwareName(icd);
  const file = icd.split(/[\\/]/).pop()!;
  return { name: software ?? file.replace(/\.json$/, ''), icd, software: software !== undefined };
}

/** A manifest whose library is gone (or of another architecture) is no driver. */
function hasLibrary(icd: string): boolean {
  try {
    const library: unknown = JSON.parse(readFileSync(icd, 'utf8')).ICD?.library_path;
    if (typeof library !== 'string') return false;
    // A bare name is looked up by the loader along its own paths.
    return !library.includes('/') || existsSync(library.startsWith('/') ? library : join(dirname(icd), library));
  } catch {
    return false;
  }
}

function browserFolders(browsers: readonly Program[]): string[] {
  const debian = ['/usr/lib/chromium', '/usr/lib64/chromium-browser', '/opt/google/chrome'];
  return [...debian, ...browsers.map((browser) => dirname(browser.path))];
}

/** Vulkan drivers: those the system's loader lists, and the SwiftShader that comes with a browser. Linux only. */
export function findVulkanDrivers(env: Environment = process.env, browsers = findBrowsers(env)): VulkanDriver[] {
  if (platform !== 'linux') return [];
  const listed = driverFolders.flatMap((folder) =>
    listFolder(folder)
      .filter((name) => name.endsWith('.json') && !/\b(i[36]86)\b/.test(name))
      .map((name) => join(folder, name)),
  );
  const bundled = browserFolders(browsers).map((folder) => join(folder, 'vk_swiftshader_icd.json'));
  return [...new Set([...listed, ...bundled])].filter(hasLibrary).map(describeDriver);
}

/** Device nodes that only a real GPU has: DRM render nodes, NVIDIA's, WSL's. */
export function findGpuDevices(): string[] {
  if (platform !== 'linux') return [];
  const render = listFolder('/dev/dri').filter((name) => name.startsWith('renderD'));
  const nvidia = listFolder('/dev').filter((name) => /^nvidia\d+$/.test(name) || name === 'dxg');
  return [...render.map((name) => `/dev/dri/${name}`), ...nvidia.map((name) => `/dev/${name}`)];
}

const namingVariables = ['CHROME_PATH', 'PUPPETEER_EXECUTABLE_PATH', 'FP8LAB_DENO', 'FP8LAB_VULKAN_ICD'] as const;

function findMisleading(env: Environment): string[] {
  return namingVariables.filter((name) => env[name] !== undefined && env[name] !== '' && !existsSync(env[name]));
}

function findTools(env: Environment): Program[] {
  const wanted: [string, string[]][] = [
    ['cmake', ['cmake']],
    ['c++', ['c++', 'g++', 'clang++']],
    ['nvcc', ['nvcc']],
    ['mpirun', ['mpirun', 'mpiexec']],
  ];
  return wanted.flatMap(([name, names]) => {
    const path = findOnPath(names, env) ?? (name === 'nvcc' ? cudaCompiler() : undefined);
    return path === undefined ? [] : [{ name, path }];
  });
}

function cudaCompiler(): string | undefined {
  const path = '/usr/local/cuda/bin/nvcc';
  return isExecutable(path) ? path : undefined;
}

/** Looks over this machine. Takes a few milliseconds, starts nothing, remembers nothing. */
export function inspectMachine(env: Environment = process.env): Machine {
  const browsers = findBrowsers(env);
  return {
    platform,
    arch,
    node: process.versions.node,
    root: process.getuid?.() === 0,
    browsers,
    deno: findDeno(env),
    dawn: findDawn(),
    puppeteer: resolvePackage('puppeteer') !== undefined,
    vulkan: findVulkanDrivers(env, browsers),
    gpuDevices: findGpuDevices(),
    misleading: findMisleading(env),
    tools: findTools(env),
  };
}
