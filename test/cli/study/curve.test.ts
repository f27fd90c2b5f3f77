import { describe, expect, it } from 'vitest';
import { LiveCurve } from '../../../src/cli/study/curve.ts';
import { liveProgress } from '../../../src/cli/study/progress.ts';
import { training } from '../../../src/studies/training/study.ts';

const columns = { x: 'step', y: 'loss', series: 'run' };

/** Places of the dots in a line of braille: left columns and right ones. */
const dots = (line: string): number[] => Array.from(line).map((character) => character.charCodeAt(0) - 0x2800);

describe('a live curve', () => {
  it('falls from the upper left to the lower right, between its largest and its smallest value', () => {
    const curve = new LiveCurve(columns);
    for (let step = 0; step <= 40; step++) curve.add({ run: 'fp8', step, loss: 4 - step / 20 });
    const lines = curve.draw(30, 4);
    expect(lines).toHaveLength(4 + 2);
    expect(lines[0]).toMatch(/^4\.000 [\u2800-\u28ff]+$/);
    expect(lines[3]).toMatch(/^2\.000 /);
    const body = lines.slice(0, 4).map((line) => dots(line.slice(6)));
    expect(body[0]![0]! & 1).toBe(1);
    expect(body[3]!.at(-1)! & 0x80).toBe(0x80);
    expect(body[0]!.at(-1)).toBe(0);
    expect(body[3]![0]).toBe(0);
    expect(lines.at(-1)).toBe('fp8 2.0000');
  });

  it('keeps to its width, and draws one point and equal values', () => {
    const curve = new LiveCurve(columns);
    expect(curve.draw(40, 3)).toEqual([]);
    curve.add({ run: 'a', step: 1, loss: 1 });
    curve.add({ run: 'a', step: 2, loss: null });
    for (const line of curve.draw(20, 3)) expect(line.length).toBeLessThanOrEqual(20);
    curve.add({ run: 'a very long name of a run', step: 2, loss: 1 });
    for (const line of curve.draw(20, 3)) expect(line.length).toBeLessThanOrEqual(20);
    expect(curve.lastLine()).toBe('a very long name of a run: loss 1.0000 at step 2');
  });

  it('takes the place of its last picture on a terminal and leaves nothing behind', () => {
    const written: string[] = [];
    const io = {
      stdout: () => {},
      stderr: (text: string) => written.push(text),
      isTTY: true,
      env: {},
      signal: new AbortController().signal,
    };
    const live = liveProgress(training, io);
    live.update(0.1, 'fp8');
    live.row({ run: 'fp8', step: 1, smoothed_loss: 3 });
    const height = written.join('').split('\n').length - 1;
    expect(height).toBeGreaterThan(10);
    live.stop();
    expect(written.at(-1)).toBe(`\x1b[${height}A\x1b[0J`);
  });
});
