import { expect, it } from 'vitest';
import { together } from '../../src/kernels/together.ts';

it('gives what all of it gives, in order', async () => {
  expect(await together([Promise.resolve(1), 'two', Promise.resolve(3)])).toEqual([1, 'two', 3]);
});

it('throws the first failure once all the rest has ended', async () => {
  let ended = false;
  const slow = new Promise<void>((resolve) => setTimeout(resolve, 5)).then(() => {
    ended = true;
  });
  await expect(
    together([slow, Promise.reject(new Error('first')), Promise.reject(new Error('second'))]),
  ).rejects.toThrow('first');
  expect(ended).toBe(true);
});
