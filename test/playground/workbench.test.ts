import { describe, expect, it } from 'vitest';
import { linkShader, shaderSources } from '../../src/backends/webgpu/link.ts';
import { guardLoops, guardPath, guardSource } from '../../src/playground/pages/workbench/loop-guard.ts';
import { compilerPlaces, medianOf, placeRanges } from '../../src/playground/pages/workbench/messages.ts';

const check = 'if (workbench_spent()) { break; }';

describe('the loop guard', () => {
  it.each([
    ['fn f() { loop { x++; } }', 'fn f() { loop { if (workbench_spent()) { break; } x++; } }'],
    [
      'for (var i = 0u; i < n; i++) { s += i; }',
      'for (var i = 0u; i < n; i++) { if (workbench_spent()) { break; } s += i; }',
    ],
    ['while (f(x) != (y)) { x++; }', 'while (f(x) != (y)) { if (workbench_spent()) { break; } x++; }'],
    ['for (;;) {\n}', 'for (;;) { if (workbench_spent()) { break; }\n}'],
  ])('stands first in the body of %j', (source, guarded) => {
    expect(guardLoops(source).split('\n#include')[0]).toBe(guarded);
  });

  it('leaves words in comments and names alone', () => {
    for (const source of [
      '// for (;;) {}\nfn f() {}',
      '/* while /* loop { */ } */ fn f() {}',
      'let looped = forward + whiled;',
    ]) {
      expect(guardLoops(source)).toBe(source);
    }
  });

  it('leaves shaders with barriers alone', () => {
    const source = 'fn f() { loop { workgroupBarrier(); } }';
    expect(guardLoops(source)).toBe(source);
  });

  it('keeps every line of every shipped shader in its place, and links', () => {
    const guarded = Object.fromEntries(Object.entries(shaderSources).map(([path, text]) => [path, guardLoops(text)]));
    const counts = Object.entries(shaderSources).map(([path, text]) => {
      const lines = text.split('\n');
      const own = guarded[path]!.split('\n').slice(0, lines.length);
      expect(own.map((line) => line.replaceAll(` ${check}`, ''))).toEqual(lines);
      return guarded[path]!.split(check).length - 1;
    });
    expect(counts.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(10);
    const { code } = linkShader('kernels/quantize', {}, { ...shaderSources, ...guarded, [guardPath]: guardSource });
    expect(code.split('fn workbench_spent').length).toBe(2);
  });
});

describe('messages', () => {
  it('name the place of each complaint, and its range in the text', () => {
    const message =
      "the WGSL compiler refuses kernels/a:\nshaders/kernels/a.wgsl:2:5: unresolved 'q'\n  let q\n  ^\nshaders/numerics/b.wgsl:7:1: other";
    const places = compilerPlaces(message);
    expect(places).toEqual([
      { path: 'kernels/a', line: 2, column: 5, text: "unresolved 'q'" },
      { path: 'numerics/b', line: 7, column: 1, text: 'other' },
    ]);
    expect(placeRanges('first\nlet q = 1;\n', places)).toEqual([{ from: 10, to: 16, message: "unresolved 'q'" }]);
  });

  it('take the median of even and odd counts', () => {
    expect([medianOf([3, 1, 2]), medianOf([4, 1, 2, 3])]).toEqual([2, 2.5]);
  });
});
