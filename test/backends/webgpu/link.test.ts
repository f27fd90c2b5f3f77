import { describe, expect, it } from 'vitest';
import { compileError, linkShader, shaderSources } from '../../../src/backends/webgpu/link.ts';

const sources = {
  'kernels/k': '#include "numerics/a.wgsl"\n#include "numerics/b.wgsl"\nlast line',
  'numerics/a': 'a one\na two',
  'numerics/b': '#include "numerics/a.wgsl"\nb one',
};

describe('linked shaders', () => {
  it('include each file once, after the constants in the order of their names', () => {
    const { code } = linkShader('kernels/k', { Z: 3, A: -1 }, sources);
    expect(code).toBe('const A = -1;\nconst Z = 3;\na one\na two\nb one\nlast line');
  });

  it('know the file and line of each of their lines', () => {
    const { lines } = linkShader('kernels/k', { A: 1 }, sources);
    expect(lines.map(({ file, line }) => `${file}:${line}`)).toEqual([
      'constants:1',
      'numerics/a.wgsl:1',
      'numerics/a.wgsl:2',
      'numerics/b.wgsl:2',
      'kernels/k.wgsl:3',
    ]);
  });

  it('bring what they enable to the top, once, with its place', () => {
    const files = {
      ...sources,
      'numerics/a': 'a one\nenable subgroups;\na three',
      'numerics/b': 'enable subgroups;\nenable f16;',
    };
    const { code, lines } = linkShader('kernels/k', { A: 1 }, files);
    expect(code).toBe('enable subgroups;\nenable f16;\nconst A = 1;\na one\na three\nlast line');
    expect(lines.slice(0, 4).map(({ file, line }) => `${file}:${line}`)).toEqual([
      'numerics/a.wgsl:2',
      'numerics/b.wgsl:2',
      'constants:1',
      'numerics/a.wgsl:1',
    ]);
  });

  it('give a compile error its place, its text and a caret', () => {
    const linked = linkShader('kernels/k', {}, sources);
    const error = compileError('kernels/k', linked, [{ message: 'no such thing', lineNum: 3, linePos: 3 }]);
    expect(error.where).toBe('shaders/numerics/b.wgsl:2:3');
    expect(error.message).toContain('no such thing\n  b one\n    ^');
  });

  it('write blocks out as often as a number or a constant says, one within the other, each line with its place', () => {
    const source = '#each r ROWS\nlet x$r = $ru;\n#each c 2\n x$r$c\n#end\n#end\nlast';
    const { code, lines } = linkShader('kernels/k', { ROWS: 2 }, { 'kernels/k': source });
    expect(code).toBe('const ROWS = 2;\nlet x0 = 0u;\n x00\n x01\nlet x1 = 1u;\n x10\n x11\nlast');
    expect(lines.map(({ line }) => line)).toEqual([1, 2, 4, 4, 2, 4, 4, 7]);
  });

  it.each([
    ['#each r ROWS\nx\n#end', /#each counts to ROWS, which is no constant/],
    ['#each r 2\nx', /#each has no #end/],
  ])('refuse a block that does not say how often or where it ends: %j', (source, message) => {
    expect(() => linkShader('kernels/k', {}, { 'kernels/k': source })).toThrow(message);
  });

  it('refuse a file that is not there, naming who asked', () => {
    expect(() => linkShader('kernels/k', {}, { 'kernels/k': 'x\n#include "numerics/none.wgsl"' })).toThrow(
      /no shader shaders\/numerics\/none.wgsl, asked for by kernels\/k.wgsl:2/,
    );
    expect(() => linkShader('constructor', {}, sources)).toThrow(/no shader/);
  });

  it('are shipped inside the module', () => {
    expect(Object.keys(shaderSources)).toContain('kernels/copy');
  });
});
