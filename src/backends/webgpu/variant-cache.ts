import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import type { VariantChoices } from '../../kernels/variants.ts';
import type { BackendIdentity } from '../backend.ts';
import type { Environment } from '../machine.ts';

/** The folder for what programs may forget: XDG_CACHE_HOME, or the system's own. */
export function cacheFolder(env: Environment, platform: NodeJS.Platform = process.platform): string {
  if (env.XDG_CACHE_HOME) return join(env.XDG_CACHE_HOME, 'fp8lab');
  if (platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'fp8lab');
  if (platform === 'win32' && env.LOCALAPPDATA) return join(env.LOCALAPPDATA, 'fp8lab', 'cache');
  return join(homedir(), '.cache', 'fp8lab');
}

/** Found variants of adapters, in a file of one user. Lost or unreadable, it is found again: no failure of it is anybody's. */
export interface VariantCache {
  get(identity: BackendIdentity): VariantChoices;
  /** Remembers these families beside those that are known. */
  set(identity: BackendIdentity, choices: VariantChoices): void;
}

/** `runner` is the runner's file: another build has other shaders, and is tried anew. */
export function openVariantCache(runner: string, env: Environment): VariantCache {
  const path = join(cacheFolder(env), 'variants.json');
  const build = createHash('sha256').update(readFileSync(runner)).digest('hex').slice(0, 16);
  return {
    get: (identity) => readAll(path)[keyOf(build, identity)] ?? {},
    set(identity, choices) {
      // A build's entries go with it.
      const kept = Object.fromEntries(Object.entries(readAll(path)).filter(([key]) => key.startsWith(build)));
      const key = keyOf(build, identity);
      replace(path, JSON.stringify({ ...kept, [key]: { ...kept[key], ...choices } }, null, 1));
    },
  };
}

function keyOf(build: string, { backend, runtime, adapter, details }: BackendIdentity): string {
  return [build, backend, runtime, adapter, details.vendor, details.architecture, details.device].join(' | ');
}

function readAll(path: string): Record<string, VariantChoices> {
  try {
    const found: unknown = JSON.parse(readFileSync(path, 'utf8'));
    const entries = Object.entries(found as object).filter(([, choices]) => isChoices(choices));
    return Object.fromEntries(entries);
  } catch {
    return {};
  }
}

function isChoices(value: unknown): value is VariantChoices {
  return typeof value === 'object' && value !== null && Object.values(value).every((name) => typeof name === 'string');
}

/** Writes beside the file and moves it there: whoever reads meanwhile has the old one whole. */
function replace(path: string, text: string): void {
  const draft = `${path}.${process.pid}`;
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(draft, text);
    renameSync(draft, path);
  } catch {
    // The next process finds the variants itself.
  }
}
