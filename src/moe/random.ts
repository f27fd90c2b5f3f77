import { philoxWords } from '../numerics/philox.ts';

/** Random numbers from a seed, the same in every run: Philox words in their order. */
export interface Random {
  /** Uniform, above 0 and below 1. */
  uniform(): number;
  /** Standard normal (Box and Muller). */
  normal(): number;
  /** Standard Gumbel: the logits of independent draws differ by these. */
  gumbel(): number;
}

/** A stream of the Philox counter that no tensor generator uses. */
const stream = 64;

/** A sequence of random numbers. @param seed u32 */
export function createRandom(seed: number): Random {
  const words = new Uint32Array(1024);
  let at = words.length;
  let drawn = 0;
  let spare: number | undefined;
  const uniform = (): number => {
    if (at === words.length) {
      philoxWords(seed, stream, drawn, words);
      drawn += words.length;
      at = 0;
    }
    return (words[at++]! + 0.5) / 2 ** 32;
  };
  return {
    uniform,
    normal() {
      if (spare !== undefined) {
        const value = spare;
        spare = undefined;
        return value;
      }
      const radius = Math.sqrt(-2 * Math.log(uniform()));
      const angle = 2 * Math.PI * uniform();
      spare = radius * Math.sin(angle);
      return radius * Math.cos(angle);
    },
    gumbel: () => -Math.log(-Math.log(uniform())),
  };
}
