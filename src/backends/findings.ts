import type { Machine } from './machine.ts';

/** Something this machine lacks, and the one command that mends it. */
export interface Finding {
  /** What is missing: `browser`, `vulkan`, `dawn`, `deno`, `puppeteer`, `cmake`, `c++`, `nvcc`, `mpirun`. */
  readonly what: string;
  /** What cannot be done without it. */
  readonly why: string;
  readonly command: string;
  /** True where the command needs the system's administrator. */
  readonly needsRoot: boolean;
  /** False for what only some users need; setup installs nothing of that. */
  readonly needed: boolean;
}

const apt = (packages: string) => `apt-get update && apt-get install -y --no-install-recommends ${packages}`;

/** Debian's browser, with the Vulkan loader and the software driver that Deno runs on. */
export const debianPackages = ['chromium', 'mesa-vulkan-drivers', 'libvulkan1'] as const;

/** Chrome for Testing into Puppeteer's cache: needs no administrator, but a way to Google's storage. */
export const puppeteerInstall = 'npx puppeteer browsers install chrome';

function browserFinding(machine: Machine): Finding | undefined {
  if (machine.browsers.length > 0) return undefined;
  const debian = machine.platform === 'linux';
  return {
    what: 'browser',
    why: 'webgpu:chromium needs Chromium or Chrome (or set CHROME_PATH)',
    command: debian ? apt(debianPackages.join(' ')) : puppeteerInstall,
    needsRoot: debian,
    needed: true,
  };
}

function vulkanFinding(machine: Machine): Finding | undefined {
  if (machine.platform !== 'linux' || machine.vulkan.length > 0) return undefined;
  return {
    what: 'vulkan',
    why: 'webgpu:node and webgpu:deno need a Vulkan driver; without a GPU, one that runs on the CPU',
    command: apt('mesa-vulkan-drivers libvulkan1'),
    needsRoot: true,
    needed: true,
  };
}

function packageFinding(what: string, present: boolean, why: string, name: string): Finding | undefined {
  if (present) return undefined;
  return { what, why, command: `npm install --include=optional --no-save ${name}`, needsRoot: false, needed: true };
}

const nativeTools: Readonly<Record<string, { why: string; packages: string }>> = {
  cmake: { why: 'native:host and native:cuda are built with CMake', packages: 'cmake' },
  'c++': { why: 'native:host needs a C++20 compiler', packages: 'g++' },
  nvcc: { why: 'native:cuda needs the CUDA toolkit 12.9 or later', packages: 'cuda-toolkit-13-0' },
  mpirun: { why: 'expert parallelism over hosts needs MPI', packages: 'openmpi-bin libopenmpi-dev' },
};

function toolFindings(machine: Machine): Finding[] {
  const present = new Set(machine.tools.map((tool) => tool.name));
  return Object.entries(nativeTools)
    .filter(([name]) => !present.has(name))
    .map(([what, { why, packages }]) => ({ what, why, command: apt(packages), needsRoot: true, needed: false }));
}

/** A variable that names nothing is to be unset: installing anything would not help. */
function misleadingFinding(variable: string): Finding {
  const what = { FP8LAB_DENO: 'deno', FP8LAB_VULKAN_ICD: 'vulkan' }[variable] ?? 'browser';
  const why = `${variable} names a file that is not there or may not be run`;
  return { what, why, command: `unset ${variable}`, needsRoot: false, needed: true };
}

/** What the machine lacks, the needed things first. Empty when nothing is missing. */
export function findMissing(machine: Machine): Finding[] {
  const needed = [
    packageFinding('dawn', machine.dawn !== undefined, 'webgpu:node needs the npm package webgpu (Dawn)', 'webgpu'),
    packageFinding('deno', machine.deno !== undefined, 'webgpu:deno needs Deno (or set FP8LAB_DENO)', 'deno'),
    packageFinding('puppeteer', machine.puppeteer, 'webgpu:chromium is driven by Puppeteer', 'puppeteer'),
    browserFinding(machine),
    vulkanFinding(machine),
  ].filter((finding) => finding !== undefined);
  const misleading = machine.misleading.map(misleadingFinding);
  const hidden = new Set(misleading.map(({ what }) => what));
  return [...misleading, ...needed.filter(({ what }) => !hidden.has(what)), ...toolFindings(machine)];
}
