import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../backends/machine.ts';

/** Version of the package. */
export function packageVersion(): string {
  return (JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string }).version;
}
