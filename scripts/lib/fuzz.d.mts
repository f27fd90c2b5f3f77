export interface Random {
  word(): number;
  below(n: number): number;
  pick<T>(list: readonly T[]): T;
  chance(share: number): boolean;
}

export interface FuzzCase {
  /** `accepted`, or the code of the refusal. */
  readonly outcome: string;
  readonly input: Uint8Array;
}

export function randomOf(seed: number): Random;
export function safetensorsCase(api: Record<string, unknown>, random: Random): Promise<FuzzCase>;
export function specCase(api: Record<string, unknown>, random: Random, specs: readonly unknown[]): Promise<FuzzCase>;
