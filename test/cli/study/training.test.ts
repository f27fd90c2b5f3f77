import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runCli } from '../../../src/cli/run-cli.ts';
import { temporaryFolder } from '../../helpers/folder.ts';

const small = '--engine wasm --layers 1 --hidden 64 --expert-width 16 --sequences 1 --length 16'.split(' ');

async function study(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const text = { out: '', err: '' };
  const io = {
    stdout: (part: string) => {
      text.out += part;
    },
    stderr: (part: string) => {
      text.err += part;
    },
    isTTY: false,
    env: {},
    signal: new AbortController().signal,
  };
  const { code } = await runCli(['study', 'training', ...small, ...args], io);
  return { code, ...text };
}

describe('fp8lab study training', () => {
  it('goes on from a checkpoint with the same rows, and refuses one of other settings', async () => {
    const folder = temporaryFolder();
    const run = (steps: string) =>
      study('--steps', steps, '--precisions', 'bf16,fp8', '--checkpoint', join(folder, 'runs'), '--json');
    const first = await run('3');
    expect(first.code).toBe(0);
    const files = await readdir(join(folder, 'runs'));
    expect(files.sort()).toEqual(['training.bf16-seed-1.safetensors', 'training.fp8-seed-1.safetensors']);
    const written = (await stat(join(folder, 'runs', files[0]!))).mtimeMs;
    const again = await run('3');
    expect(JSON.parse(again.out).rows).toEqual(JSON.parse(first.out).rows);
    expect((await stat(join(folder, 'runs', files[0]!))).mtimeMs).toBe(written);
    const other = await run('4');
    expect(other.code).toBe(4);
    expect(other.out).toContain('settings.steps 3, not 4');
    expect(other.out).toContain(join(folder, 'runs', 'training.bf16-seed-1.safetensors'));
  });

  it('puts parts together as one run gives them', async () => {
    const folder = temporaryFolder();
    const args = ['--steps', '2', '--precisions', 'bf16,fp8'];
    const whole = await study(...args, '--out', join(folder, 'whole'));
    expect(whole.code).toBe(0);
    for (const part of ['2/2', '1/2']) {
      expect((await study(...args, '--out', join(folder, 'parts'), '--part', part)).code).toBe(0);
    }
    const csv = (name: string) => readFile(join(folder, name, 'training.csv'), 'utf8');
    expect(await csv('parts')).toBe(await csv('whole'));
    expect(await readdir(join(folder, 'whole'))).toEqual(
      expect.arrayContaining(['training-loss.svg', 'training-difference.svg']),
    );
  });

  it('takes its ablations as flags, and names them in the command that makes the numbers again', async () => {
    const { code, out } = await study('--steps', '1', '--precisions', 'bf16', '--per-tensor', '--blockwise-gradients');
    expect(code).toBe(0);
    expect(out).toMatch(/fp8, 128x128 gradients .*\n.*fp8, per tensor/);
    expect(out).toMatch(/again: fp8lab study training .*--blockwise-gradients.* --per-tensor/);
    const refused = await study('--steps', '1', '--no-promotion');
    expect(refused.code).toBe(2);
    expect(refused.err).toContain('--no-promotion');
  });
});
