import { execFile } from 'node:child_process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { findDeno } from '../../src/backends/machine.ts';
import { ensureBuilt } from '../helpers/dist.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const script = fileURLToPath(new URL('print-rows.mjs', import.meta.url));
const library = pathToFileURL(`${root}/dist/index.js`).href;

async function rowsIn(program: string, before: readonly string[]): Promise<string[]> {
  const { stdout } = await promisify(execFile)(program, [...before, script, library], {
    cwd: root,
    maxBuffer: 2 ** 26,
  });
  return stdout.trim().split('\n');
}

describe('studies in another engine', () => {
  beforeAll(() => ensureBuilt('node'));

  it('Deno gives the rows that Node gives, to the last digit', async () => {
    const deno = findDeno(process.env);
    expect(deno).toBeDefined();
    const there = await rowsIn(deno!.path, ['run', '--allow-read', '--allow-env', '--node-modules-dir=manual']);
    const here = await rowsIn(process.execPath, []);
    expect(here.length).toBe(8);
    expect(there).toEqual(here);
  });
});
