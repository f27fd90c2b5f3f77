import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/backends/machine.ts';

interface Entry {
  readonly version?: string;
  readonly dependencies?: Record<string, string>;
  readonly devDependencies?: Record<string, string>;
  readonly optionalDependencies?: Record<string, string>;
}

const read = (name: string) => JSON.parse(readFileSync(join(packageRoot(), name), 'utf8'));
const { packages } = read('package-lock.json') as { packages: Record<string, Entry> };

describe('the lock file', () => {
  it('agrees with package.json: npm ci refuses any other', () => {
    const manifest: Entry = read('package.json');
    for (const kind of ['dependencies', 'devDependencies', 'optionalDependencies'] as const) {
      expect(packages[''][kind]).toEqual(manifest[kind]);
    }
  });

  it('names the packages of every platform, also of those that npm could not see when it was written', () => {
    const missing = Object.entries(packages)
      .filter(([path]) => path !== '')
      .flatMap(([path, { optionalDependencies }]) =>
        Object.keys(optionalDependencies ?? {}).filter((name) => {
          const places = [`${path}/node_modules/${name}`, `node_modules/${name}`];
          return !places.some((place) => packages[place]?.version !== undefined);
        }),
      );
    expect(missing).toEqual([]);
  });

  it('holds no download addresses: every registry may be used', () => {
    expect(JSON.stringify(packages)).not.toMatch(/"resolved":"http/);
  });
});
