import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runCli } from '../../src/cli/run-cli.ts';
import { encode } from '../../src/numerics/codec.ts';
import { studies } from '../../src/studies/index.ts';
import { writeTensors } from '../../src/tensors/files.ts';
import { recordedIo } from '../helpers/command-io.ts';
import { temporaryFolder } from '../helpers/folder.ts';
import { gaussians } from '../studies/helpers.ts';

async function cli(args: readonly string[], signal?: AbortSignal) {
  const io = recordedIo(signal);
  const { code } = await runCli(['study', ...args], io);
  return { code, out: io.out(), err: io.err() };
}

/** A study that takes a moment: some cases, a chart of each kind. */
const quick = ['granularity', '--rows', '64', '--columns', '128', '--schemes', '1x128,nvfp4 1x16'];

/** A file with a weight [rows, columns] in bf16, some of its values replaced. */
async function fileWith(
  rows: number,
  columns: number,
  odd: readonly (readonly [number, number])[] = [],
): Promise<string> {
  const path = join(temporaryFolder(), 'model.safetensors');
  const codes = encode(gaussians(rows * columns, 3), 'bf16') as Uint16Array;
  for (const [at, code] of odd) codes[at] = code;
  await writeTensors(path, {
    'layer.weight': { dtype: 'BF16', shape: [rows, columns], codes },
    'layer.bias': { dtype: 'BF16', shape: [8], codes: new Uint16Array(8) },
  });
  return path;
}

describe('fp8lab study', () => {
  it('says how to mend wrong usage', async () => {
    expect((await cli(['recipes', '--nope'])).err).toMatch(/^error: unknown option '--nope'\nfix: /);
  });

  it('lists the studies in its help', async () => {
    const { code, out } = await cli(['-h']);
    expect(code).toBe(0);
    for (const { name } of studies) expect(out).toContain(`  ${name} `);
  });

  it.each(studies.map(({ name }) => name))('%s -h begins with examples and has its question', async (name) => {
    const { code, out } = await cli([name, '-h']);
    expect(code).toBe(0);
    expect(out.startsWith(`Examples:\n  $ fp8lab study ${name}`)).toBe(true);
    expect(out).toContain('--out <folder>');
    expect(out).toContain('Source: ');
  });

  it('prints tables, findings and the command that makes them again', async () => {
    const { code, out } = await cli(quick);
    expect(code).toBe(0);
    expect(out).toContain('nvfp4 1x16');
    expect(out).toContain("again: fp8lab study granularity --rows 64 --columns 128 --schemes '1x128,nvfp4 1x16'");
  });

  it('--json is one object with the rows and all that makes them again', async () => {
    const { out } = await cli([...quick, '--json']);
    const json = JSON.parse(out);
    expect(json).toMatchObject({
      schemaVersion: 1,
      study: 'granularity',
      complete: true,
      options: { rows: 64, seed: 1 },
    });
    expect(json.rows.length).toBe(6);
    expect(json.columns.map(({ name }: { name: string }) => name)).toEqual(Object.keys(json.rows[0]));
  });

  it('--out writes CSV, SVG and PNG; the command in the CSV writes the same CSV', async () => {
    const folder = temporaryFolder();
    expect((await cli([...quick, '--out', folder])).code).toBe(0);
    const csv = readFileSync(join(folder, 'granularity.csv'), 'utf8');
    const command = csv.split('\n')[0]!.replace('# fp8lab study ', '');
    const words = Array.from(command.matchAll(/'([^']*)'|(\S+)/g), (match) => match[1] ?? match[2]!);
    const again = temporaryFolder();
    await cli([...words, '--out', again]);
    expect(readFileSync(join(again, 'granularity.csv'), 'utf8')).toBe(csv);
    const svg = readFileSync(join(folder, 'granularity-sqnr.svg'), 'utf8');
    expect(svg).toContain('made by: fp8lab study granularity');
    expect(svg).toContain('SQNR (dB)');
    const png = readFileSync(join(folder, 'granularity-sqnr.png'));
    expect(png.subarray(1, 4).toString()).toBe('PNG');
    expect(png.length).toBeGreaterThan(10_000);
  });

  it('parts together give what one run gives, and a part run again changes nothing', async () => {
    const [whole, parts] = [temporaryFolder(), temporaryFolder()];
    await cli([...quick, '--out', whole]);
    const first = await cli([...quick, '--out', parts, '--part', '1/2']);
    expect(first.out).toContain('parts still missing');
    expect(first.out).toContain('2/2');
    const left = readFileSync(join(parts, 'granularity.part-1-of-2.json'), 'utf8');
    await cli([...quick, '--out', parts, '--part', '1/2']);
    expect(readFileSync(join(parts, 'granularity.part-1-of-2.json'), 'utf8')).toBe(left);
    expect((await cli([...quick, '--out', parts, '--part', '2/2'])).out).toContain('wrote');
    for (const name of ['granularity.csv', 'granularity-sqnr.svg']) {
      expect(readFileSync(join(parts, name), 'utf8')).toBe(readFileSync(join(whole, name), 'utf8'));
    }
  });

  it('parts of different runs are not put together', async () => {
    const folder = temporaryFolder();
    await cli([...quick, '--out', folder, '--part', '1/2']);
    const { code, err } = await cli([...quick, '--seed', '9', '--out', folder, '--part', '1/2']);
    expect(code).toBe(4);
    expect(err).toContain('other options');
  });

  it('studies the tensor of a file', async () => {
    const path = await fileWith(64, 256);
    const { code, out } = await cli([
      'formats',
      '--formats',
      'e4m3',
      '--binades',
      '1',
      '--input',
      `${path}:layer.weight`,
    ]);
    expect(code).toBe(0);
    expect(out).toContain('layer.weight');
    expect(out).toContain(`--input ${path}:layer.weight`);
  });

  it('counts NaN and Inf in it and takes them as 0', async () => {
    const path = await fileWith(64, 256, [
      [5, 0x7fc0],
      [6, 0x7f80],
      [900, 0xff80],
    ]);
    const { code, out } = await cli(['granularity', '--schemes', '1x128', '--input', `${path}:layer.weight`]);
    expect(code).toBe(0);
    expect(out).toContain('note: layer.weight has 1 NaN and 2 Inf');
    expect(out).not.toMatch(/\bNaN %|Infinity/);
  });

  it('samples a large tensor and says so', async () => {
    const path = await fileWith(2048, 1024);
    const { out } = await cli(['granularity', '--schemes', 'per-token', '--input', `${path}:layer.weight`]);
    expect(out).toContain('note: layer.weight [2048, 1024] is sampled: 1024 of 2048 rows, in 8 bands');
  });
});

describe('bad input to fp8lab study', () => {
  it.each([
    [['granularty'], 2, 'did you mean granularity?'],
    [['granularity', '--rows', '7'], 2, '--rows 7 is out of range'],
    [['granularity', '--schemes', '1x129'], 2, 'did you mean 1x128?'],
    [['granularity', '--input', 'normal:sed=3'], 4, 'did you mean seed?'],
    [['granularity', '--input', 'outlier-channels:factor=3'], 4, 'no power of two'],
    [['granularity', '--input', 'nothing'], 4, 'neither a generator nor FILE.safetensors:TENSOR'],
    [['granularity', '--input', 'no.safetensors:x'], 4, 'no such file'],
    [['granularity', '--part', '1/2'], 2, '--out FOLDER'],
    [['granularity', '--part', '3/2', '--out', 'x'], 2, 'is no part'],
    [['promotion', '--k', '7'], 2, '--k 7 is out of range'],
  ])('%j is told', async (args, exit, message) => {
    const { code, err } = await cli(args);
    expect(code).toBe(exit);
    expect(err).toContain(message);
  });

  it('a tensor that is not there: those that are, are listed', async () => {
    const path = await fileWith(64, 256);
    const { code, err } = await cli(['granularity', '--input', `${path}:layer.wight`]);
    expect(code).toBe(4);
    expect(err).toContain('layer.weight');
  });

  it('a tensor too small for tiles is refused with its shape', async () => {
    const path = await fileWith(64, 256);
    const { code, err } = await cli(['granularity', '--input', `${path}:layer.bias`]);
    expect(code).toBe(4);
    expect(err).toContain('[8]');
  });

  it('--out that is a file is refused before anything is computed', async () => {
    const path = join(temporaryFolder(), 'file');
    writeFileSync(path, 'mine');
    const { code, err } = await cli(['promotion', '--out', path]);
    expect(code).toBe(4);
    expect(err).toContain('is no folder');
    expect(readFileSync(path, 'utf8')).toBe('mine');
  });

  it('a damaged part file is told', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'granularity.part-1-of-2.json'), '{"fp8labStudyPart":1');
    const { code, err } = await cli([...quick, '--out', folder, '--part', '2/2']);
    expect(code).toBe(4);
    expect(err).toContain('no part of a study');
  });

  it('an interrupt ends it with 130 and leaves neither file nor folder', async () => {
    const folder = temporaryFolder();
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 200);
    const { code } = await cli(['promotion', '--out', join(folder, 'results')], abort.signal);
    expect(code).toBe(130);
    expect(readdirSync(folder)).toEqual([]);
  });
});
