import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isSelected, matchesGlob, selectionOf } from '../../src/checkpoint/selection.ts';

describe('the selection of weights', () => {
  it.each([
    ['model.layers.3.self_attn.q_a_proj.weight', true],
    ['model.layers.3.self_attn.kv_a_proj_with_mqa.weight', true],
    ['model.layers.3.self_attn.kv_b_proj.weight', true],
    ['model.layers.3.mlp.gate_proj.weight', true],
    ['model.layers.3.mlp.experts.255.down_proj.weight', true],
    ['model.layers.3.mlp.shared_experts.up_proj.weight', true],
    ['model.layers.61.self_attn.indexer.wq_b.weight', true],
    ['model.layers.3.mlp.gate.weight', false],
    ['model.layers.3.mlp.gate.e_score_correction_bias', false],
    ['model.layers.3.mlp.shared_expert_gate.weight', false],
    ['model.layers.61.eh_proj.weight', false],
    ['model.layers.61.shared_head.head.weight', false],
    ['model.layers.61.embed_tokens.weight', false],
    ['model.layers.61.self_attn.indexer.weights_proj.weight', false],
    ['model.embed_tokens.weight', false],
    ['model.norm.weight', false],
    ['model.layers.3.self_attn.q_a_layernorm.weight', false],
    ['lm_head.weight', false],
  ])('%s: %s', (name, chosen) => {
    expect(isSelected(name, selectionOf())).toBe(chosen);
  });

  it('globs match as the regular expression they stand for', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 12 });
    const glob = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*', '?'), maxLength: 8 });
    fc.assert(
      fc.property(text, glob, (name, pattern) => {
        const source = pattern.replace(/[.]/g, '\\.').replace(/\*+/g, '.*').replace(/\?/g, '.');
        expect(matchesGlob(name, pattern)).toBe(new RegExp(`^${source}$`).test(name));
      }),
      { numRuns: 2000 },
    );
  });

  it('a glob of many stars over a long name is still quick', () => {
    const started = performance.now();
    expect(matchesGlob('a'.repeat(5000), `${'*a'.repeat(50)}*b`)).toBe(false);
    expect(performance.now() - started).toBeLessThan(500);
  });
});
