import { sigmoidBits } from './exp.ts';
import { addBits, bitsOf, fmaBits, INF_BITS, mulBits } from './f32.ts';

const SIGN = 0x80000000;
const ONE = bitsOf(1);

/** True where |x| > limit, both f32 bits; never for NaN. */
function passes(bits: number, limit: number): boolean {
  const magnitude = (bits & 0x7fffffff) >>> 0;
  return magnitude > limit && magnitude <= INF_BITS;
}

/** True where a gate value is above the clamp: from above alone. `clamp` is f32 bits; those of Inf clamp nothing. */
export function gateIsClamped(gate: number, clamp: number): boolean {
  return gate < SIGN && passes(gate, clamp);
}

/** True where an up value is above the clamp or below its negative. */
export function upIsClamped(up: number, clamp: number): boolean {
  return passes(up, clamp);
}

/** min(gate, clamp); NaN stays. */
export function clampGate(gate: number, clamp: number): number {
  return gateIsClamped(gate, clamp) ? clamp : gate;
}

/** min(max(up, -clamp), clamp); NaN stays. */
export function clampUp(up: number, clamp: number): number {
  return upIsClamped(up, clamp) ? ((up & SIGN) | clamp) >>> 0 : up;
}

/** fl(fl(gate * sigmoid(gate)) * up) of clamped values: docs/numerics.md, "SwiGLU". f32 bits. */
export function swigluBits(gate: number, up: number, clamp: number): number {
  const g = clampGate(gate, clamp);
  return mulBits(mulBits(g, sigmoidBits(g)), clampUp(up, clamp));
}

/** Gradients of gate and up, f32 bits: docs/numerics.md, "SwiGLU". `grad` has the weight in it. */
export function swigluGradients(gate: number, up: number, grad: number, clamp: number): { gate: number; up: number } {
  const g = clampGate(gate, clamp);
  const sigmoid = sigmoidBits(g);
  const scaled = mulBits(grad, sigmoid);
  const slope = fmaBits(g, addBits(ONE, (sigmoid ^ SIGN) >>> 0), ONE);
  return {
    gate: gateIsClamped(gate, clamp) ? 0 : mulBits(mulBits(scaled, clampUp(up, clamp)), slope),
    up: upIsClamped(up, clamp) ? 0 : mulBits(scaled, g),
  };
}
