import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { runnerTarget } from '../../scripts/lib/targets.mjs';

/** A runner built for tests, and the function that removes it. */
export interface TestRunner {
  readonly file: string;
  remove(): void;
}

/** Builds test/backends/fixtures/runner.ts the way dist/runner.js is built. */
export async function buildTestRunner(): Promise<TestRunner> {
  const folder = mkdtempSync(join(tmpdir(), 'fp8lab-runner-'));
  const entry = fileURLToPath(new URL('../backends/fixtures/runner.ts', import.meta.url));
  await build(runnerTarget(folder, entry));
  return { file: join(folder, 'runner.js'), remove: () => rmSync(folder, { recursive: true, force: true }) };
}
