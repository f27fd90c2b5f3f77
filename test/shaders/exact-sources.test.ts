import { describe, expect, it } from 'vitest';
import { linkShader, type ShaderSources, shaderSources } from '../../src/backends/webgpu/link.ts';

const isFast = (path: string): boolean => path.endsWith('_fast');

/** WGSL without its comments. */
const code = (source: string): string => source.replace(/\/\/.*$/gm, '');

/** Anything that is, makes or names a floating-point value. */
const floating =
  /\b(f16|f32|vec[234][fh]|mat\dx\d\w*|pack2x16\w*|pack4x8[us]norm|unpack\w*|quantizeToF16)\b|\d\.\d|\b\d+[fh]\b|\benable (?!subgroups;)/;

/** Kernels in floating point whose every result is a value of f32: WGSL promises those to the bit. */
const exactInFloats = [
  'kernels/gemm_aligned_float',
  'kernels/gemm_promote_float',
  'kernels/gemm_top_power',
  'kernels/gemm_top_bit',
];

const integerSubtractions: Readonly<Record<string, readonly string[]>> = {
  'kernels/gemm_aligned_float': [
    'return powers(vec4((254u + parameters.fraction_bits) << 23u) - power);',
    'let bits = bitcast<vec4<u32>>(sum * powers(power - vec4(parameters.fraction_bits << 23u)));',
  ],
  'kernels/gemm_promote_float': [
    'const LEAST_SCALE = 127 - 32;',
    'return (field > vec4((least - 1) << 23u)) & (field < vec4((largest + 1) << 23u));',
    'let scaled = select(partials + sa + sb + vec4(0u - 2u * ONE_BITS), partials, empty);',
    'let further = x - y;',
    'let per_unit = bitcast<vec4<f32>>(vec4((254u + UNIT) << 23u) - top);',
    'let unit = bitcast<vec4<f32>>(top - vec4(UNIT << 23u));',
    'let half = select(vec4(0), vec4(1), magnitude > vec4((1i << 24u) - 1))',
    '+ select(vec4(0), vec4(1), magnitude > vec4((1i << 25u) - 1))',
    '+ select(vec4(0), vec4(2), magnitude > vec4((1i << 26u) - 1))',
    '+ select(vec4(0), vec4(4), magnitude > vec4((1i << 27u) - 1));',
  ],
};

const exact = Object.entries(shaderSources).filter(([path]) => !isFast(path) && !exactInFloats.includes(path));

describe('exact shaders', () => {
  it.each(exact)('%s has no floating-point type, literal or function', (_, source) => {
    const lines = code(source)
      .replace(/0x[0-9a-fA-F]+u?/g, '0u')
      .split('\n')
      .filter((line) => floating.test(line));
    expect(lines).toEqual([]);
  });

  it.each(exact)('%s includes no fast source', (path) => {
    const files = linkShader(path, {}, shaderSources as ShaderSources).lines.map(({ file }) =>
      file.replace('.wgsl', ''),
    );
    expect(files.filter(isFast)).toEqual([]);
  });

  it.each(exactInFloats)('%s takes of floating point only what WGSL promises: * + max trunc and bits', (path) => {
    const source = code(shaderSources[path]!)
      .replace(/^#.*$/gm, '')
      .replace(/\$[hrx]/g, '0');
    const calls = new Set(Array.from(source.matchAll(/\b([a-z]\w*)(?:<[^>(]*>+)?\(/g), (match) => match[1]!));
    const own = Array.from(source.matchAll(/\bfn (\w+)/g), (match) => match[1]!);
    const floats = ['bitcast', 'max', 'trunc', 'vec4', 'select'];
    const integers = ['u32', 'min', 'abs', 'all', 'if', 'for', 'while'];
    const included = [
      ...['a_at', 'b_at', 'with_specials', 'any_special', 'promote_any', 'a_factor', 'b_factors4'],
      ...['swapped0', 'all_marks', 'power0', 'powers', 'power_bits', 'half0', 'half1'],
      ...['with_product', 'top_bits', 'unless_marked', 'unless_special'],
    ];
    const promised = [...floats, ...integers, ...included];
    expect([...calls].filter((name) => !own.includes(name) && !promised.includes(name))).toEqual([]);
    expect(source).not.toMatch(/[^/]\/[^/]|\bf16\b|\d\.\d|\bfma\b/);
    // Subtractions are of integers: of exponent fields, never of f32.
    const subtractions = source.split('\n').filter((line) => / - /.test(line));
    expect(subtractions.map((line) => line.trim())).toEqual(integerSubtractions[path] ?? []);
  });

  it('are most of the sources, and the check sees floats where they are', () => {
    expect(exact.length).toBeGreaterThan(15);
    expect(floating.test(code(shaderSources['numerics/float_fast']!))).toBe(true);
    for (const text of ['let x = 1.5;', 'var y: vec4f;', 'bitcast<f32>(x)', 'let z = 2f;', 'enable f16;'])
      expect(floating.test(text)).toBe(true);
  });
});
