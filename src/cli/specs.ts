import { join } from 'node:path';
import { packageRoot } from '../backends/machine.ts';
import { type LoadedSpec, loadSpecs, shippedSpecs } from '../specs/load.ts';

/** Where the shipped specs are. */
export function specFolder(): string {
  return join(packageRoot(), 'specs');
}

/** The specs a user named; without names the shipped ones. Of those and of folders, full-size ones only when asked for. */
export async function chooseSpecs(names: readonly string[], large: boolean): Promise<LoadedSpec[]> {
  if (names.length > 0) return loadSpecs(names, specFolder(), large);
  return (await shippedSpecs(specFolder())).filter(({ spec }) => large || !spec.large);
}
