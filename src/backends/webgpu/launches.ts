import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Fp8labError } from '../../errors.ts';
import type { AdapterChoice, BackendName } from '../backend.ts';
import { findMissing } from '../findings.ts';
import { distFile, type Environment, inspectMachine, type Machine, type VulkanDriver } from '../machine.ts';
import { launchBrowser } from './browser.ts';
import type { Packages } from './loopback.ts';
import { spawnTransport } from './process.ts';
import type { Launch, LaunchPlan } from './transport.ts';

/** Backends whose runner is a WebGPU runtime. */
export type WebGpuName = Extract<BackendName, `webgpu:${string}`>;

/** What a plan depends on. */
export interface PlanOptions {
  readonly adapter: AdapterChoice;
  /** Another runner than dist/runner.js: tests add jobs with it. */
  readonly runnerFile?: string;
  readonly env?: Environment;
  /** Packages that a browser's page may load files of, by name: their folders. */
  readonly packages?: Packages;
}

interface PlanContext {
  readonly machine: Machine;
  readonly adapter: AdapterChoice;
  readonly runnerFile: string;
  readonly env: Environment;
  readonly packages?: Packages;
}

/** The software drivers in the order a runtime works best with: Debian 12's lavapipe is too old for Dawn and far faster under wgpu. */
const preferredSoftware: Readonly<Record<'webgpu:node' | 'webgpu:deno', readonly string[]>> = {
  'webgpu:node': ['swiftshader', 'lavapipe'],
  'webgpu:deno': ['lavapipe', 'swiftshader'],
};

function softwareDrivers(name: 'webgpu:node' | 'webgpu:deno', drivers: readonly VulkanDriver[]): VulkanDriver[] {
  return preferredSoftware[name].flatMap((wanted) => drivers.filter((driver) => driver.name === wanted));
}

const pinned = (icd: string) => ({ label: `VK_DRIVER_FILES=${icd}`, env: { VK_DRIVER_FILES: icd } });

/** Environments to try for a process, in order: the system's own drivers where a GPU may be, then software ones. */
export function processEnvironments(
  name: 'webgpu:node' | 'webgpu:deno',
  { machine, adapter, env }: Pick<PlanContext, 'machine' | 'adapter' | 'env'>,
): { label: string; env: Record<string, string> }[] {
  if (env.FP8LAB_VULKAN_ICD) return [pinned(env.FP8LAB_VULKAN_ICD)];
  const own = { label: "the system's drivers", env: {} };
  if (machine.platform !== 'linux') return [own];
  const mayHaveHardware = machine.gpuDevices.length > 0 || env.VK_DRIVER_FILES !== undefined;
  const software = softwareDrivers(name, machine.vulkan).map((driver) => pinned(driver.icd));
  if (adapter === 'hardware') return [own];
  if (adapter === 'software') return software;
  return mayHaveHardware ? [own, ...software] : software;
}

/** Sets of flags to try for Chromium, in order. */
export function browserFlags(machine: Pick<Machine, 'platform' | 'gpuDevices'>, adapter: AdapterChoice): string[][] {
  const enable = '--enable-unsafe-webgpu';
  const software = [enable, '--use-webgpu-adapter=swiftshader'];
  const linux = machine.platform === 'linux';
  // Headless Chromium on Linux has a hardware adapter only through Vulkan without a surface.
  const vulkan = [
    enable,
    '--enable-features=Vulkan',
    '--use-angle=vulkan',
    '--disable-vulkan-surface',
    '--ignore-gpu-blocklist',
  ];
  const hardware = linux ? [vulkan, [enable]] : [[enable]];
  if (adapter === 'hardware') return hardware;
  if (adapter === 'software') return [software];
  return linux && machine.gpuDevices.length === 0 ? [software] : [...hardware, software];
}

/** Version in the package.json beside the package's entry file. */
function packageVersion(entry: string): string {
  return (JSON.parse(readFileSync(join(dirname(entry), 'package.json'), 'utf8')) as { version: string }).version;
}

function nodeLaunches(context: PlanContext, dawn: string): Launch[] {
  const args = [
    context.runnerFile,
    `--dawn=${pathToFileURL(dawn).href}`,
    `--dawn-version=${packageVersion(dawn)}`,
    `--adapter=${context.adapter}`,
  ];
  return processEnvironments('webgpu:node', context).map(({ label, env }) => ({
    label,
    start: async () => spawnTransport({ command: process.execPath, args, env }),
  }));
}

function denoLaunches(context: PlanContext, deno: string): Launch[] {
  // WebGPU asks for no permission; the runner's thread reads the runner's own file, and that is all.
  const args = [
    'run',
    '--no-prompt',
    '--no-config',
    '--no-lock',
    '--no-remote',
    '--no-npm',
    `--allow-read=${context.runnerFile}`,
    context.runnerFile,
    `--adapter=${context.adapter}`,
  ];
  return processEnvironments('webgpu:deno', context).map(({ label, env }) => ({
    label,
    start: async () =>
      spawnTransport({ command: deno, args, env: { ...env, DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1' } }),
  }));
}

function browserLaunches({ machine, adapter, runnerFile, packages }: PlanContext, executable: string): Launch[] {
  return browserFlags(machine, adapter).map((flags) => ({
    label: flags.join(' '),
    start: () => launchBrowser({ executable, flags, runnerFile, query: `--adapter=${adapter}`, packages }),
  }));
}

function missing(name: WebGpuName, machine: Machine, what: string): LaunchPlan {
  const finding = findMissing(machine).find((candidate) => candidate.what === what);
  return {
    missing: new Fp8labError(finding?.why ?? `${name} needs a ${what}`, {
      kind: 'environment',
      code: `no-${what}`,
      where: name,
      fix: finding?.command ?? 'run `fp8lab doctor`',
    }),
  };
}

/** The ways to start a backend's runner on this machine. Starts nothing. */
export function planLaunches(name: WebGpuName, options: PlanOptions): LaunchPlan {
  const env = options.env ?? process.env;
  const machine = inspectMachine(env);
  const context = {
    machine,
    env,
    adapter: options.adapter,
    runnerFile: options.runnerFile ?? distFile('runner.js'),
    packages: options.packages,
  };
  if (name === 'webgpu:node') {
    return machine.dawn === undefined
      ? missing(name, machine, 'dawn')
      : withDriver(name, machine, nodeLaunches(context, machine.dawn));
  }
  if (name === 'webgpu:deno') {
    return machine.deno === undefined
      ? missing(name, machine, 'deno')
      : withDriver(name, machine, denoLaunches(context, machine.deno.path));
  }
  const browser = machine.browsers[0];
  if (!machine.puppeteer) return missing(name, machine, 'puppeteer');
  return browser === undefined
    ? missing(name, machine, 'browser')
    : { launches: browserLaunches(context, browser.path) };
}

function withDriver(name: WebGpuName, machine: Machine, launches: Launch[]): LaunchPlan {
  return launches.length === 0 ? missing(name, machine, 'vulkan') : { launches };
}
