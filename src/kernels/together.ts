/**
 * What all of some work gives, as Promise.all, but not before all of it has ended: work that went on after another's failure would reach into
 * the next run of its device. Throws the first failure in order.
 */
export async function together<T extends readonly unknown[] | []>(
  work: T,
): Promise<{ -readonly [P in keyof T]: Awaited<T[P]> }> {
  await Promise.allSettled(work);
  return Promise.all(work);
}
