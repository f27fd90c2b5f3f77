import { readFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import {
  createInlineReference,
  decode,
  dequantize,
  encode,
  Fp8labError,
  gemm,
  generate,
  quantize,
  resolveSpec,
} from '../src/index.ts';

const source = fileURLToPath(new URL('../src', import.meta.url));

/** Every file that a module imports, itself or through others, with the packages and built-ins it names; types apart. */
function importsOf(entry: string): { files: Set<string>; outside: Set<string> } {
  const files = new Set<string>();
  const outside = new Set<string>();
  const visit = (file: string): void => {
    if (files.has(file)) return;
    files.add(file);
    const text = readFileSync(file, 'utf8');
    for (const [, target] of text.matchAll(/^(?:import|export)(?! type)[^;']*?from '([^']+)'/gm)) {
      if (!target!.startsWith('.')) outside.add(target!);
      else if (target!.endsWith('.ts')) visit(resolve(dirname(file), target!));
    }
  };
  visit(resolve(source, entry));
  return { files, outside };
}

function normal(shape: [number, number], seed: number): Float32Array {
  const input = { generate: 'normal', seed, dtype: 'f32', exponent: 0, share: 0, factorExponent: 0 } as const;
  return new Float32Array(generate(input, shape).codes.buffer);
}

describe('the library', () => {
  it('needs nothing that a browser lacks', () => {
    const { files, outside } = importsOf('index.ts');
    expect(files.size).toBeGreaterThan(30);
    expect([...outside].filter((name) => name.startsWith('node:'))).toEqual([]);
    expect([...files].map((file) => relative(source, file)).filter((file) => file.startsWith('cli/'))).toEqual([]);
  });

  it('runs a spec where there is no navigator', async () => {
    vi.stubGlobal('navigator', undefined);
    const x = {
      scheme: 'mxfp8',
      codes: { generate: 'zero', dtype: 'e4m3' },
      scales: { generate: 'bits', dtype: 'e8m0' },
    };
    const spec = resolveSpec({ fp8lab: 1, kernel: 'dequantize', name: 'zeros', shape: { rows: 2, columns: 40 }, x });
    const { tensors } = await createInlineReference().run(spec);
    expect(tensors.x!.codes).toEqual(new Uint16Array(80));
    vi.unstubAllGlobals();
  });

  it('the example of the README: encode gives the codes it says, decode their values', () => {
    const codes = encode(Float32Array.of(0.3, 448, 1e9), 'e4m3');
    expect(codes).toEqual(Uint8Array.of(42, 126, 126));
    expect(decode(codes, 'e4m3')).toEqual(Float32Array.of(0.3125, 448, 448));
  });

  it('the example of the README: quantized matrices multiply, near the product in double precision', () => {
    const [tokens, n, k] = [5, 130, 300];
    const [activations, weights] = [normal([tokens, k], 1), normal([n, k], 2)];
    const x = quantize(activations, [tokens, k], 'activation-1x128-pow2');
    const w = quantize(weights, [n, k], 'weight-128x128-pow2');
    expect(x.codes.codes).toBeInstanceOf(Uint8Array);
    expect(x.scales.shape).toEqual([tokens, 3]);
    const d = gemm(x, w, { arithmetic: 'hopper-deepgemm' });
    expect(d.length).toBe(tokens * n);
    const [back, other] = [dequantize(x), dequantize(w)];
    for (let i = 0; i < d.length; i++) {
      const [row, column] = [Math.floor(i / n), i % n];
      let sum = 0;
      for (let at = 0; at < k; at++) sum += back[row * k + at]! * other[column * k + at]!;
      // 13 fraction bits of a block's sum, whose terms are below 5 * 5.
      expect(Math.abs(d[i]! - sum)).toBeLessThan(0.1);
    }
  });

  it('what does not fit is refused with what, where and how to mend it', () => {
    const x = quantize(normal([2, 256], 3), [2, 256], 'activation-1x128');
    const refusals = [
      () => quantize(new Float32Array(7), [2, 4], 'mxfp8'),
      () => gemm(x, quantize(normal([2, 128], 4), [2, 128], 'activation-1x128')),
      () => gemm(x, x, { arithmetic: 'hopper-unpromoted' }),
      () => resolveSpec({}),
    ];
    for (const refused of refusals) {
      try {
        refused();
        expect.unreachable();
      } catch (error) {
        expect(error).toBeInstanceOf(Fp8labError);
        expect((error as Fp8labError).fix).not.toBe('');
      }
    }
  });
});
