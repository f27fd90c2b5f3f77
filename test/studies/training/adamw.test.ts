import { describe, expect, it } from 'vitest';
import { decode, encode } from '../../../src/numerics/codec.ts';
import { type AdamWSettings, adamW, type Moments } from '../../../src/studies/training/adamw.ts';
import type { Parameter } from '../../../src/studies/training/precision.ts';

const settings: AdamWSettings = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, decay: 0.1, clip: 1, bf16Moments: false };

function parameter(values: Float32Array | Float64Array, decays: boolean): Parameter {
  return { name: 'p', rows: 1, columns: values.length, values, gradient: values.slice().fill(0), decays };
}

const momentsOf = ({ values }: Parameter): Moments => ({
  first: values.slice().fill(0),
  second: values.slice().fill(0),
});

describe('AdamW', () => {
  it('is the algorithm of Loshchilov and Hutter, step by step, with the norm of all gradients clipped', () => {
    const [w, gain] = [parameter(Float64Array.of(0.5, -2), true), parameter(Float64Array.of(1), false)];
    const moments = [momentsOf(w), momentsOf(gain)];
    const expected = [0.5, -2, 1];
    const m = [0, 0, 0];
    const v = [0, 0, 0];
    for (let step = 1; step <= 5; step++) {
      const gradients = [0.3 * step, -4 / step, 0.01];
      w.gradient.set(gradients.slice(0, 2));
      gain.gradient.set(gradients.slice(2));
      const norm = Math.hypot(...gradients);
      expect(adamW([w, gain], moments, settings, 0.01, step)).toBeCloseTo(norm, 12);
      gradients.forEach((raw, i) => {
        const g = raw * Math.min(1, 1 / norm);
        m[i] = 0.9 * m[i]! + 0.1 * g;
        v[i] = 0.95 * v[i]! + 0.05 * g * g;
        const update = m[i]! / (1 - 0.9 ** step) / (Math.sqrt(v[i]! / (1 - 0.95 ** step)) + 1e-8);
        expected[i] = expected[i]! - 0.01 * (update + (i < 2 ? 0.1 * expected[i]! : 0));
      });
      expect(w.values[0]).toBeCloseTo(expected[0]!, 12);
      expect(w.values[1]).toBeCloseTo(expected[1]!, 12);
      expect(gain.values[0]).toBeCloseTo(expected[2]!, 12);
    }
    expect(Array.from(w.gradient)).toEqual([0, 0]);
  });

  it('keeps moments that bf16 holds, rounded to nearest even', () => {
    const w = parameter(
      Float32Array.from({ length: 64 }, (_, i) => i / 64),
      true,
    );
    const [moments] = [momentsOf(w)];
    w.gradient.set(Float32Array.from({ length: 64 }, (_, i) => Math.sin(i + 1) / 64));
    const exact = Float32Array.from(w.gradient, (slope) => 0.1 * slope);
    adamW([w], [moments], { ...settings, beta1: 0.9, clip: 1e9, bf16Moments: true }, 0.01, 1);
    const nearest = decode(encode(exact, 'bf16'), 'bf16');
    moments.first.forEach((value, i) => {
      expect(Math.abs(value - nearest[i]!)).toBeLessThanOrEqual(Math.abs(nearest[i]!) * 2 ** -8);
      expect(decode(encode(Float32Array.of(value), 'bf16'), 'bf16')[0]).toBe(value);
    });
  });
});
