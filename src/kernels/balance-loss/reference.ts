import { bitsOf, divBits, fmaBits, fromBits, INF_BITS, mulBits, NAN_BITS } from '../../numerics/f32.ts';
import type { BalanceLossSpec } from '../../specs/types.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import { gateReference } from '../gate/reference.ts';
import { scoresOf } from '../gate/scores.ts';
import { ratioBits } from '../load-statistics/reference.ts';
import { widen } from '../quantize/reference.ts';
import { requireTensor } from '../tiles.ts';
import { countedGate } from './spec.ts';

/** Shares of scores are summed as whole multiples of 2^-36. */
const unitsOf = (bits: number): number => Math.floor(fromBits(bits) * 2 ** 36);

/** The factors of a balance loss before they are f32: whole numbers. */
export interface BalanceCounts {
  /** Tokens that chose each expert. */
  readonly load: Uint32Array;
  /** Sum of each expert's shares over the tokens, in units of 2^-36. */
  readonly units: readonly bigint[];
  /** Whether a token has NaN among its scores. */
  readonly undefinedToken: boolean;
}

/** Counts of choices and sums of shares over a sequence. */
export function balanceCounts(spec: BalanceLossSpec, inputs: Tensors): BalanceCounts {
  const { tokens, experts } = spec.shape;
  const routed = gateReference(countedGate(spec), inputs);
  const logits = widen(requireTensor(inputs, 'logits'));
  const units = Array<bigint>(experts).fill(0n);
  for (let token = 0; token < tokens; token++) {
    if (routed.near_ties!.codes[token] === NAN_BITS) continue;
    const shares = sharesOf(scoresOf(spec.score, logits.subarray(token * experts, (token + 1) * experts)));
    for (let expert = 0; expert < experts; expert++) units[expert]! += BigInt(unitsOf(shares[expert]!));
  }
  const undefinedToken = routed.near_ties!.codes.some((gap) => gap > INF_BITS);
  return { load: routed.load!.codes as Uint32Array, units, undefinedToken };
}

/** A token's scores over their sum; zeros where that is zero. */
export function sharesOf(scores: Uint32Array): Uint32Array {
  const sum = bitsOf(scores.reduce((total, bits) => total + unitsOf(bits), 0) * 2 ** -36);
  return scores.map((bits) => (sum === 0 ? 0 : divBits(bits, sum)));
}

/** The loss of one sequence: docs/numerics.md, "Balance". */
export function balanceLossReference(spec: BalanceLossSpec, inputs: Tensors): Tensors {
  const { tokens, experts } = spec.shape;
  const { load, units, undefinedToken } = balanceCounts(spec, inputs);
  const f = load.map((count) => ratioBits(count * experts, spec.topk * tokens));
  const p = Uint32Array.from(units, (sum) => divBits(bitsOfUnits(sum), bitsOf(tokens)));
  const sum = f.reduce((total, fraction, expert) => fmaBits(fraction, p[expert]!, total), 0);
  const loss = undefinedToken ? NAN_BITS : mulBits(bitsOf(spec.alpha), sum);
  return {
    loss: { dtype: 'F32', shape: [1], codes: Uint32Array.of(loss) },
    f: { dtype: 'F32', shape: [experts], codes: f },
    p: { dtype: 'F32', shape: [experts], codes: p },
  };
}

/** The f32 nearest to a whole number of units. */
export function bitsOfUnits(units: bigint): number {
  // A double holds 53 bits: what lies below is kept as a last bit that is set, so that the second rounding is right.
  const spare = BigInt(Math.max(0, units.toString(2).length - 52));
  const kept = (units >> spare) | (units % (1n << spare) === 0n ? 0n : 1n);
  return bitsOf(Number(kept) * 2 ** (Number(spare) - 36));
}
