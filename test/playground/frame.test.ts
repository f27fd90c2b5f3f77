import { expect, it } from 'vitest';
import { paced } from '../../src/playground/ui/frame.ts';

/** A rest that ends when the test says so. */
function restByHand() {
  const waiting: (() => void)[] = [];
  return { rest: (then: () => void) => void waiting.push(then), end: () => waiting.shift()?.() };
}

it('paced work is done at once, then once for all that came while it rested, with the last of them', () => {
  const { rest, end } = restByHand();
  const done: number[] = [];
  const work = paced(rest, (n: number) => done.push(n));
  for (const n of [1, 2, 3, 4]) work(n);
  expect(done).toEqual([1]);
  end();
  expect(done).toEqual([1, 4]);
  end();
  work(5);
  expect(done).toEqual([1, 4, 5]);
});

it('paced work that asks for itself is done again after the rest, and one that throws does not stop it', () => {
  const { rest, end } = restByHand();
  const done: number[] = [];
  const work = paced(rest, (n: number) => {
    done.push(n);
    if (n === 1) work(2);
    if (n === 2) throw new Error('two');
  });
  work(1);
  expect(done).toEqual([1]);
  expect(end).toThrow('two');
  end();
  work(3);
  expect(done).toEqual([1, 2, 3]);
});
