import { accessSync, constants } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { cliFile, start } from '../helpers/command.ts';
import { ensureBuilt } from '../helpers/dist.ts';

describe('the process', () => {
  beforeAll(() => ensureBuilt('node'), 120_000);

  it('is a file that may be executed, as npx does', () => {
    expect(() => accessSync(cliFile, constants.X_OK)).not.toThrow();
  });

  it('tells that stdout has no room, and exits with 3', async () => {
    const { code, err } = await start('sh', ['-c', `"${process.execPath}" "${cliFile}" spec schema > /dev/full`])
      .outcome;
    expect(code).toBe(3);
    expect(err).toMatch(/^error: ENOSPC.*\nwhere: standard output\nfix: .*\n$/);
  });

  it('keeps its exit code where nobody can hear its messages', async () => {
    const { code } = await start('sh', ['-c', `"${process.execPath}" "${cliFile}" spec nonsense 2> /dev/full`]).outcome;
    expect(code).toBe(2);
  });

  it('ends at Ctrl-C where it computes in one go', async () => {
    const { child, outcome } = start(process.execPath, [
      cliFile,
      'moe',
      'simulate',
      '--layers',
      '58',
      '--steps',
      '900',
    ]);
    await setTimeout(1500);
    child.kill('SIGINT');
    const ended = await Promise.race([outcome, setTimeout(5000)]);
    expect(ended).toMatchObject({ signal: 'SIGINT', out: '' });
  });
});
