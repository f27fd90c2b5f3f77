import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isNodeSupported, missingPackages } from '../../scripts/lib/dependencies.mjs';
import { fingerprint } from '../../scripts/lib/fingerprint.mjs';

describe('setup', () => {
  it.each([
    ['18.20.4', false],
    ['20.18.3', false],
    ['20.19.0', true],
    ['20.20.2', true],
    ['22.1.0', true],
  ])('takes Node %s: %s', (version, supported) => {
    expect(isNodeSupported(version)).toBe(supported);
  });

  it('misses no package in a checkout that is installed', () => {
    expect(missingPackages()).toEqual([]);
  });

  it('uses nothing but Node itself before the packages are there', () => {
    // An empty NODE_PATH and a copy without node_modules: any import of a package would fail.
    const folder = mkdtempSync(join(tmpdir(), 'fp8lab-setup-'));
    try {
      spawnSync('cp', ['-r', 'scripts', 'package.json', folder]);
      const { status, stderr } = spawnSync(process.execPath, [join(folder, 'scripts/setup.mjs')], { encoding: 'utf8' });
      // Without src/ it takes itself for an installed package and goes straight to dist/, which is not there.
      expect(stderr).toMatch(/setup: .*dist/);
      expect(status).toBe(3);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('a fingerprint changes with a file’s content and name, and with nothing else', () => {
    const folder = mkdtempSync(join(tmpdir(), 'fp8lab-fingerprint-'));
    const put = (name: string, text: string) => writeFileSync(join(folder, name), text);
    put('a', '1');
    const first = fingerprint([folder]);
    put('a', '1');
    expect(fingerprint([folder])).toBe(first);
    put('a', '2');
    expect(fingerprint([folder])).not.toBe(first);
    put('a', '1');
    put('b', '');
    expect(fingerprint([folder])).not.toBe(first);
    rmSync(folder, { recursive: true });
  });
});
