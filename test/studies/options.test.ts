import { describe, expect, it } from 'vitest';
import { flagOf, readOptions } from '../../src/studies/options.ts';

const declarations = {
  k: { kind: 'integer', least: 1, most: 100, default: 7, text: 'k' },
  learningRate: { kind: 'number', least: 0, most: 1, default: 0.5, text: 'rate' },
  sizes: { kind: 'integers', least: 1, most: 9, default: [1, 2], text: 'sizes' },
  model: { kind: 'choice', choices: ['hopper', 'ada'], default: 'hopper', text: 'model' },
  arms: { kind: 'choices', choices: ['bf16', 'fp8'], default: ['bf16', 'fp8'], text: 'arms' },
  quick: { kind: 'flag', text: 'quick' },
} as const;

describe('options of a study', () => {
  it('take their defaults where nothing is given', () => {
    expect(readOptions(declarations, {})).toEqual({
      k: 7,
      learningRate: 0.5,
      sizes: [1, 2],
      model: 'hopper',
      arms: ['bf16', 'fp8'],
      quick: false,
    });
  });

  it('are read from the text of a command line', () => {
    const given = { k: '12', learningRate: '0.25', sizes: '3,4', model: 'ada', arms: 'fp8', quick: true };
    expect(readOptions(declarations, given)).toEqual({
      k: 12,
      learningRate: 0.25,
      sizes: [3, 4],
      model: 'ada',
      arms: ['fp8'],
      quick: true,
    });
  });

  it.each([
    [{ k: '1.5' }, '--k', 'whole number from 1 to 100'],
    [{ k: '' }, '--k', 'whole number from 1 to 100'],
    [{ k: '101' }, '--k', 'whole number from 1 to 100'],
    [{ learningRate: 'fast' }, '--learning-rate', 'number from 0 to 1'],
    [{ sizes: '1,1' }, '--sizes', 'each value once'],
    [{ model: 'hoper' }, '--model', 'hopper, ada'],
    [{ arms: 'fp9' }, '--arms', 'bf16, fp8'],
    [{ learningRat: 1 }, '--learning-rat', '--learning-rate'],
  ])('%j is refused with the option and what it takes', (given, where, fix) => {
    expect(() => readOptions(declarations, given)).toThrow(
      expect.objectContaining({ kind: 'usage', where, fix: expect.stringContaining(fix) }),
    );
  });

  it('have flags in kebab case', () => {
    expect(flagOf('learningRate')).toBe('--learning-rate');
  });
});
