import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shaderSources } from '../../src/backends/webgpu/link.ts';
import { applyPatch, editsField, editsOf, patchOf } from '../../src/playground/pages/workbench/edits.ts';
import { linkLimit, writeLink } from '../../src/playground/state.ts';

const text = fc.array(fc.constantFrom('', 'a', 'b', 'let x = 1u;'), { maxLength: 12 }).map((lines) => lines.join('\n'));

describe('changed shaders in a link', () => {
  it('come out as they went in, whatever was changed', () => {
    fc.assert(
      fc.property(text, text, (shipped, edited) => {
        const { parse, format } = editsField(7000);
        const { it: patch } = parse(format({ it: patchOf(shipped, edited) }))!;
        expect(applyPatch(shipped, patch!)).toBe(edited);
      }),
    );
  });

  it('are not laid over another shader', () => {
    expect(applyPatch('a\nb', patchOf('a\nc', 'a\nd'))).toBeUndefined();
    expect(applyPatch('a\nb', { ...patchOf('a\nb', 'a\nd'), to: 9 })).toBeUndefined();
  });

  it('fit a link, the longest shader’s too, several at once', () => {
    const shaders = Object.entries(shaderSources).sort(([, a], [, b]) => b.length - a.length);
    const edited = new Map(shaders.slice(0, 8).map(([path, source]) => [path, source.replace(/\{/, '{ // here')]));
    const edits = editsOf(edited, shaderSources);
    expect(Object.keys(edits)).toHaveLength(8);
    const { hash, left } = writeLink('workbench', { edits: editsField(7000) }, { edits });
    expect(left).toEqual([]);
    expect(hash.length).toBeLessThan(linkLimit / 2);
  });

  it.each([
    '[]',
    'null',
    '{"a":1}',
    '{"a":{"from":-1,"to":0,"lines":[],"of":1}}',
    '{"a":{"from":0,"to":0,"lines":[1],"of":1}}',
    '{',
  ])('refuses %s', (given) => {
    const edits = editsField(100).parse(given);
    expect(edits === undefined || Object.keys(edits).length === 0).toBe(true);
  });
});
