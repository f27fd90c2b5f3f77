import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { indexName, openCheckpoint } from '../../src/checkpoint/checkpoint.ts';
import { quantizeCommand } from '../../src/cli/quantize.ts';
import { smallModel, writeCheckpoint } from '../helpers/checkpoint.ts';
import { recordedIo } from '../helpers/command-io.ts';
import { temporaryFolder } from '../helpers/folder.ts';

const shard1 = 'model-00001-of-00002.safetensors';
const shard2 = 'model-00002-of-00002.safetensors';

async function small(): Promise<{ folder: string; input: string; output: string }> {
  const folder = temporaryFolder();
  await writeCheckpoint(join(folder, 'in'), smallModel());
  return { folder, input: join(folder, 'in'), output: join(folder, 'out') };
}

const quantize = (input: string, output: string): Promise<number> =>
  quantizeCommand({ input, output, scheme: 'mxfp8', workers: 0 }, recordedIo());

/** Rewrites the index by a change to its weight map. */
function changeIndex(input: string, change: (map: Record<string, unknown>) => void): void {
  const index = JSON.parse(readFileSync(join(input, indexName), 'utf8'));
  change(index.weight_map);
  writeFileSync(join(input, indexName), JSON.stringify(index));
}

describe('hostile and broken checkpoints', () => {
  it('missing shards are counted and named', async () => {
    const { input } = await small();
    rmSync(join(input, shard2));
    await expect(openCheckpoint(input)).rejects.toMatchObject({
      code: 'missing-shard',
      exitCode: 4,
      message: expect.stringContaining(`1 of 2 shards are missing: ${shard2}`),
    });
  });

  it.each([
    '../secret.safetensors',
    '/etc/x.safetensors',
    'a/../../x.safetensors',
    'sub/x.safetensors',
    '..\\x.safetensors',
    '.hidden.safetensors',
    'x.bin',
    '',
    7,
    null,
    'a\0.safetensors',
  ])('an index that says %j is refused before anything is opened', async (name) => {
    const { folder, input } = await small();
    writeFileSync(join(folder, 'secret.safetensors'), readFileSync(join(input, shard1)));
    changeIndex(input, (map) => {
      map['lm_head.weight'] = name;
    });
    await expect(openCheckpoint(input)).rejects.toMatchObject({ code: 'unsafe-path', exitCode: 4 });
  });

  it('an index that is no JSON, no object, or has no weight map is refused', async () => {
    const { input } = await small();
    for (const [text, code] of [
      ['{', 'bad-json'],
      ['[]', 'bad-json'],
      ['{}', 'bad-index'],
      ['{"weight_map":[]}', 'bad-index'],
      ['{"weight_map":{}}', 'bad-index'],
    ] as const) {
      writeFileSync(join(input, indexName), text);
      await expect(openCheckpoint(input)).rejects.toMatchObject({ code, exitCode: 4 });
    }
  });

  it('an index that puts a tensor into the wrong shard is refused', async () => {
    const { input } = await small();
    changeIndex(input, (map) => {
      map['lm_head.weight'] = shard1;
    });
    await expect(openCheckpoint(input)).rejects.toMatchObject({ code: 'bad-index' });
  });

  it('a tensor in two shards is refused', async () => {
    const { input } = await small();
    rmSync(join(input, indexName));
    writeFileSync(join(input, 'extra.safetensors'), readFileSync(join(input, shard1)));
    await expect(openCheckpoint(input)).rejects.toMatchObject({ code: 'duplicate-tensor' });
  });

  it('links in the input are followed, as model caches use them; circles and links to nothing are told', async () => {
    const { folder, input } = await small();
    renameSync(join(input, shard1), join(folder, 'blob'));
    symlinkSync(join(folder, 'blob'), join(input, shard1));
    expect((await openCheckpoint(input)).shards).toHaveLength(2);
    rmSync(join(folder, 'blob'));
    await expect(openCheckpoint(input)).rejects.toMatchObject({ code: 'missing-shard' });
    symlinkSync(join(input, shard1), join(folder, 'blob'));
    await expect(openCheckpoint(input)).rejects.toMatchObject({ code: 'not-a-file', exitCode: 4 });
  });

  it('a link in the output is replaced, never written through', async () => {
    const { folder, input, output } = await small();
    writeFileSync(join(folder, 'victim'), 'mine');
    mkdirSync(output);
    mkdirSync(join(output, '.fp8lab'));
    symlinkSync(join(folder, 'victim'), join(output, 'config.json'));
    symlinkSync(join(folder, 'victim'), join(output, shard1));
    await expect(quantize(input, output)).rejects.toMatchObject({ code: 'output-exists' });
    await quantizeCommand({ input, output, scheme: 'mxfp8', workers: 0, force: true }, recordedIo());
    expect(readFileSync(join(folder, 'victim'), 'utf8')).toBe('mine');
    expect(statSync(join(output, shard1)).size).toBeGreaterThan(1000);
  });

  it('a pipe in place of a shard is refused, not waited on', async () => {
    const { input } = await small();
    rmSync(join(input, shard1));
    execFileSync('mkfifo', [join(input, shard1)]);
    await expect(openCheckpoint(input)).rejects.toMatchObject({ code: 'not-a-file' });
  });

  it('a folder in place of a shard is refused', async () => {
    const { input } = await small();
    rmSync(join(input, shard1));
    mkdirSync(join(input, shard1));
    await expect(openCheckpoint(input)).rejects.toMatchObject({ code: 'not-a-file' });
  });

  it('a shard that is cut is refused before anything is written', async () => {
    const { input, output } = await small();
    truncateSync(join(input, shard2), statSync(join(input, shard2)).size - 1);
    await expect(quantize(input, output)).rejects.toMatchObject({ code: 'truncated-data', exitCode: 4 });
    expect(() => readdirSync(output)).toThrow();
  });

  it('an empty folder, a missing path, a text file: each is told', async () => {
    const folder = temporaryFolder();
    await expect(openCheckpoint(folder)).rejects.toMatchObject({ code: 'no-checkpoint', exitCode: 4 });
    await expect(openCheckpoint(join(folder, 'x'))).rejects.toMatchObject({ code: 'missing-file', exitCode: 4 });
    writeFileSync(join(folder, 'x.txt'), 'once upon a time there was a file');
    await expect(openCheckpoint(join(folder, 'x.txt'))).rejects.toMatchObject({ code: 'header-too-large' });
  });

  it('an output whose place is taken by a file is told', async () => {
    const { folder, input } = await small();
    writeFileSync(join(folder, 'file'), '');
    await expect(quantize(input, join(folder, 'file'))).rejects.toMatchObject({ exitCode: 3 });
    await expect(quantize(input, join(folder, 'file', 'out'))).rejects.toMatchObject({ exitCode: 3 });
  });
});
