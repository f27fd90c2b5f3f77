import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/backends/machine.ts';
import { nativeBinary } from '../../src/backends/native.ts';
import { requireNative } from './support.ts';

interface Outcome {
  readonly suite: string;
  readonly name: string;
  readonly status: 'passed' | 'failed' | 'skipped';
  readonly detail: string;
}

const program = join(dirname(nativeBinary()), 'test', 'fp8lab-native-test');

/** Runs the C++ tests once: one JSON object a line. */
function runHostTests(): { outcomes: Outcome[]; status: number | null } {
  const args = ['--data', join(packageRoot(), 'test', 'data')];
  const { stdout, status } = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 24 });
  const lines = (stdout ?? '').split('\n').filter((line) => line !== '');
  return { outcomes: lines.map((line) => JSON.parse(line) as Outcome), status };
}

describe.runIf(requireNative() && existsSync(program))('native host tests', () => {
  const { outcomes, status } = runHostTests();

  it('end whole, every suite among them', () => {
    expect(status === 0 || outcomes.some((outcome) => outcome.status === 'failed')).toBe(true);
    expect([...new Set(outcomes.map(({ suite }) => suite))]).toEqual(
      expect.arrayContaining(['codec', 'lanes', 'tensor-core', 'files', 'specs', 'kernels', 'toolkit']),
    );
  });

  it.for(outcomes.map((outcome) => [`${outcome.suite}: ${outcome.name}`, outcome] as const))(
    '%s',
    ([, outcome], { skip }) => {
      if (outcome.status === 'skipped') skip(outcome.detail);
      expect(outcome.detail).toBe('');
      expect(outcome.status).toBe('passed');
    },
  );
});
