import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Fp8labError } from '../../src/errors.ts';
import { blobSource, bufferSource } from '../../src/tensors/byte-source.ts';
import { openSafetensorsFile } from '../../src/tensors/files.ts';
import { browserLimits } from '../../src/tensors/header.ts';
import { openSafetensors } from '../../src/tensors/safetensors.ts';
import { temporaryFolder } from '../helpers/folder.ts';
import { attacks, rawFile } from '../helpers/headers.ts';

const refusal = (promise: Promise<unknown>): Promise<unknown> => promise.then(() => undefined).catch((error) => error);

describe('hostile safetensors files', () => {
  it.each(attacks)('$name is refused as $code, with its place and a fix', async ({ bytes, code }) => {
    const error = await refusal(openSafetensors(bufferSource(bytes, 'x.safetensors')));
    expect(error).toBeInstanceOf(Fp8labError);
    expect(error).toMatchObject({ code, kind: 'input', exitCode: 4 });
    expect((error as Fp8labError).where).toMatch(/^x\.safetensors, (tensor ".*", )?byte \d+$/);
    expect((error as Fp8labError).fix).not.toBe('');
  });

  it('a file on disk and a Blob are refused with the same code as a buffer', async () => {
    const folder = temporaryFolder();
    for (const { bytes, code } of attacks) {
      const path = join(folder, 'x.safetensors');
      writeFileSync(path, bytes);
      expect(await refusal(openSafetensorsFile(path))).toMatchObject({ code });
      const blob = new Blob([bytes as Uint8Array<ArrayBuffer>]);
      expect(await refusal(openSafetensors(blobSource(blob, 'x')))).toMatchObject({ code });
    }
  });

  it('the place names the tensor and the byte its entry begins at', async () => {
    const bytes = rawFile('{"é":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":null}', 1);
    const error = await refusal(openSafetensors(bufferSource(bytes, 'x')));
    const at = new TextDecoder('latin1').decode(bytes).indexOf('"b"');
    expect(error).toMatchObject({ where: `x, tensor "b", byte ${at}` });
  });

  it('a long or odd name is shortened and escaped in the message', async () => {
    const error = await refusal(openSafetensors(bufferSource(rawFile(`{"${'n'.repeat(5000)}\\u001b":null}`), 'x')));
    expect((error as Fp8labError).where.length).toBeLessThan(120);
    expect((error as Fp8labError).where).not.toContain('\x1b');
  });

  it('a page takes fewer tensors than a file', async () => {
    const header = Array.from({ length: 20_001 }, (_, i) => `"t${i}":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`);
    const source = bufferSource(rawFile(`{${header.join(',')}}`), 'x');
    expect(await refusal(openSafetensors(source, browserLimits))).toMatchObject({ code: 'too-many-tensors' });
    expect((await openSafetensors(source)).entries.size).toBe(20_001);
  });

  it('a hundred thousand broken entries are refused in a moment', async () => {
    const header = Array.from({ length: 100_000 }, (_, i) => `"t${i}":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}`);
    const started = performance.now();
    const error = await refusal(openSafetensors(bufferSource(rawFile(`{${header.join(',')}}`, 1), 'x')));
    expect(error).toMatchObject({ code: 'overlap' });
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it('a tensor named as a method of objects is an ordinary tensor', async () => {
    const bytes = rawFile('{"constructor":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1);
    const file = await openSafetensors(bufferSource(bytes, 'x'));
    expect(Array.from(file.entries.keys())).toEqual(['constructor']);
  });
});
