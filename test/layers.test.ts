import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const source = fileURLToPath(new URL('../src', import.meta.url));

/** Lowest first. A room may import from its own layer and from lower ones. */
const layers = [
  ['errors.ts'],
  ['numerics'],
  ['tensors'],
  ['specs'],
  ['kernels'],
  ['checkpoint', 'backends', 'moe'],
  ['parity'],
  ['diagnose', 'simulate'],
  ['studies', 'bundle'],
  ['cli', 'playground', 'index.ts', 'node.ts'],
];

/** Kernels see the type of the GPU surface, and what it throws; nothing else of the backends. */
const allowed = new Set(['kernels -> backends/webgpu/gpu.ts']);

function files(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return files(path);
    return entry.name.endsWith('.ts') ? [path] : [];
  });
}

const layerOf = (path: string): number => layers.findIndex((rooms) => rooms.includes(path.split('/')[0]!));

function imports(path: string): string[] {
  const text = readFileSync(path, 'utf8');
  return Array.from(text.matchAll(/(?:from|import\()\s*'(\.[^'?]+)/g), (match) => resolve(dirname(path), match[1]!));
}

/** Imports that are there when the program runs: not those of types alone. */
function valueImports(path: string): string[] {
  const statements = readFileSync(path, 'utf8').matchAll(
    /(?:import|export)\s+(type\s+)?([^;'"]*?)\s*(?:from\s*)?'(\.[^'?]+\.ts)'|import\(\s*'(\.[^'?]+)'/g,
  );
  const valued = Array.from(statements).filter(([, type, what = '']) => {
    const names = /\{([^}]*)\}/
      .exec(what)?.[1]
      ?.split(',')
      .filter((name) => name.trim() !== '');
    return type === undefined && !names?.every((name) => name.trim().startsWith('type '));
  });
  return valued.map(([, , , from, loaded]) => resolve(dirname(path), (from ?? loaded)!));
}

/** Every source file that a file needs when it runs; workers are programs of their own. */
function needs(entry: string): string[] {
  const found = new Set([entry]);
  for (const path of found) {
    for (const target of valueImports(path)) if (target.endsWith('.ts')) found.add(target);
  }
  return [...found].map((path) => relative(source, path));
}

describe('the house', () => {
  const all = files(source);

  it('every source file stands in a known room', () => {
    expect(all.map((path) => relative(source, path)).filter((path) => layerOf(path) < 0)).toEqual([]);
  });

  it('no room imports from a higher one', () => {
    const upward = all.flatMap((path) =>
      imports(path)
        .map((target) => [relative(source, path), relative(source, target)] as const)
        .filter(([from, to]) => !to.startsWith('..') && layerOf(to) > layerOf(from))
        .filter(([from, to]) => !allowed.has(`${from.split('/')[0]} -> ${to}`))
        .map(([from, to]) => `${from} imports ${to}`),
    );
    expect(upward).toEqual([]);
  });

  it('the thread that draws the page has no kernel in it: what takes longer than a frame runs in a worker', () => {
    const page = needs(join(source, 'playground/main.ts'));
    expect(page).toContain('playground/pages/quantize/page.ts');
    const heavy = /^(kernels|backends|moe|simulate|studies|parity\/(compare|explain))/;
    const light = [
      'backends/sent-error.ts',
      'moe/picture/bands.ts',
      'simulate/names.ts',
      'simulate/why-curves.ts',
      ...['draw', 'panels', 'style', 'ticks'].map((name) => `studies/${name}.ts`),
    ];
    expect(page.filter((path) => heavy.test(path)).sort()).toEqual(light);
    // And the workers have it: the walk itself finds what it looks for.
    expect(needs(join(source, 'playground/services/compute-worker.ts'))).toContain('kernels/gate/reference.ts');
  });

  it('imports have no circles', () => {
    const graph = new Map(all.map((path) => [path, imports(path).filter((target) => target.endsWith('.ts'))]));
    const done = new Set<string>();
    const circle = (path: string, trail: readonly string[]): string[] | undefined => {
      if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path];
      if (done.has(path)) return undefined;
      for (const target of graph.get(path) ?? []) {
        const found = circle(target, [...trail, path]);
        if (found) return found;
      }
      done.add(path);
      return undefined;
    };
    for (const path of all) {
      expect((circle(path, []) ?? []).map((file) => relative(source, file))).toEqual([]);
    }
  });
});
