import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/backends/machine.ts';
import { nativeBinary } from '../../src/backends/native.ts';
import { requireNative } from '../native/support.ts';

/** Runs the script; `path` takes the place of PATH. */
function build(args: readonly string[], path = process.env.PATH) {
  const script = join(packageRoot(), 'scripts', 'build-native.mjs');
  const env = { ...process.env, PATH: path, CXX: undefined };
  return spawnSync(process.execPath, [script, ...args], { encoding: 'utf8', env });
}

describe('building the native wing', () => {
  it('without a compiler ends with 3 and names the one command that mends it', () => {
    const folder = mkdtempSync(join(tmpdir(), 'fp8lab-empty-path-'));
    const { status, stderr } = build([], folder);
    rmSync(folder, { recursive: true });
    expect(status).toBe(3);
    expect(stderr).toContain('apt-get install -y --no-install-recommends cmake g++ make nlohmann-json3-dev');
    expect(stderr).toContain('FP8LAB_JSON_INCLUDE');
  });
});

describe.runIf(requireNative())('native build that is current', () => {
  it('is left alone', () => {
    expect(build(['--if-stale']).status).toBe(0);
    const before = statSync(nativeBinary()).mtimeMs;
    const { status, stderr } = build(['--if-stale']);
    expect(status).toBe(0);
    expect(stderr).toBe('');
    expect(statSync(nativeBinary()).mtimeMs).toBe(before);
  });
});
