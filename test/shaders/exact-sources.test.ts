import { describe, expect, it } from 'vitest';
import { linkShader, type ShaderSources, shaderSources } from '../../src/backends/webgpu/link.ts';

const isFast = (path: string): boolean => path.endsWith('_fast');

/** WGSL without its comments. */
const code = (source: string): string => source.replace(/\/\/.*$/gm, '');

/** Anything that is, makes or names a floating-point value. */
const floating =
  /\b(f16|f32|vec[234][fh]|mat\dx\d\w*|pack2x16\w*|pack4x8[us]norm|unpack\w*|quantizeToF16)\b|\d\.\d|\b\d+[fh]\b|\benable\b/;

const exact = Object.entries(shaderSources).filter(([path]) => !isFast(path));

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

  it('are most of the sources, and the check sees floats where they are', () => {
    expect(exact.length).toBeGreaterThan(15);
    expect(floating.test(code(shaderSources['numerics/float_fast']!))).toBe(true);
    for (const text of ['let x = 1.5;', 'var y: vec4f;', 'bitcast<f32>(x)', 'let z = 2f;'])
      expect(floating.test(text)).toBe(true);
  });
});
