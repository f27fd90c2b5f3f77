import { build } from '../../scripts/build.mjs';

/** Brings the built files that a test starts as processes up to date with the sources. */
export async function ensureBuilt(...targets: ('node' | 'runner' | 'page')[]): Promise<void> {
  await build(targets);
}
