import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { Fp8labError } from '../errors.ts';
import type { Scheme } from '../numerics/scheme.ts';
import { parseJson } from '../specs/load.ts';
import { schemePreset } from '../specs/presets.ts';
import { resolveScheme } from '../specs/resolve.ts';
import { readError } from '../tensors/files.ts';

/** A scheme with the name it goes by. */
export interface NamedScheme {
  readonly name: string;
  readonly scheme: Scheme;
}

/** The scheme of an option: a preset's name, or a JSON file of a scheme as specs hold it. An unknown preset is wrong usage. */
export async function schemeOf(text: string, option: string): Promise<NamedScheme> {
  if (text.endsWith('.json')) {
    const json = await readFile(text, 'utf8').catch((cause) => {
      throw readError(cause, text);
    });
    return { name: basename(text, '.json'), scheme: resolveScheme(parseJson(json, text), text) };
  }
  try {
    return { name: text, scheme: schemePreset(text, option) };
  } catch (error) {
    if (!(error instanceof Fp8labError)) throw error;
    const { message, code, where, fix } = error;
    throw new Fp8labError(message, { kind: 'usage', code, where, fix });
  }
}
