import { philoxWord } from '../../numerics/philox.ts';
import type { Batch } from './model.ts';

/** A text as tokens, one a character; the last twentieth is held out. */
export interface Corpus {
  /** Characters by token, in the order of their codes. */
  readonly vocabulary: string;
  readonly training: Uint8Array;
  readonly validation: Uint8Array;
}

/** Philox stream of the places that batches are cut from. */
const batchStream = 32;

/** Tokens of a text of at most 256 different characters. */
export function corpusOf(text: string): Corpus {
  const vocabulary = Array.from(new Set(text)).sort().join('');
  const tokenOf = new Map(Array.from(vocabulary, (character, token) => [character, token]));
  const tokens = Uint8Array.from(text, (character) => tokenOf.get(character)!);
  const cut = Math.floor(tokens.length * 0.95);
  return { vocabulary, training: tokens.subarray(0, cut), validation: tokens.subarray(cut) };
}

/** The shipped text: The Devil's Dictionary (text/README.md). Loaded when it is first asked for. */
export async function shippedCorpus(): Promise<Corpus> {
  const { default: text } = await import('./text/devils-dictionary.txt?raw');
  return corpusOf(text);
}

/** The batch of a step: the same for every precision of a seed. */
export function batchOf({ training }: Corpus, seed: number, step: number, sequences: number, length: number): Batch {
  const starts = Array.from({ length: sequences }, (_, sequence) => {
    const word = philoxWord(seed, step * sequences + sequence, batchStream);
    return Math.floor((word / 2 ** 32) * (training.length - length));
  });
  return cutBatch(training, starts, length);
}

/** Batches that cover about `tokens` of the start of the held-out text without overlap, each at most as large as those of training. */
export function validationBatches({ validation }: Corpus, tokens: number, sequences: number, length: number): Batch[] {
  const there = Math.floor((validation.length - 1) / length);
  const starts = Array.from({ length: Math.min(Math.ceil(tokens / length), there) }, (_, index) => index * length);
  const count = Math.ceil(starts.length / sequences);
  return Array.from({ length: count }, (_, index) => {
    return cutBatch(validation, starts.slice(index * sequences, (index + 1) * sequences), length);
  });
}

function cutBatch(tokens: Uint8Array, starts: readonly number[], length: number): Batch {
  const inputs = new Uint8Array(starts.length * length);
  const expected = new Uint8Array(inputs.length);
  starts.forEach((start, sequence) => {
    inputs.set(tokens.subarray(start, start + length), sequence * length);
    expected.set(tokens.subarray(start + 1, start + length + 1), sequence * length);
  });
  return { sequences: starts.length, inputs, expected };
}
