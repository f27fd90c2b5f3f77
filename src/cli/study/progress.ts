import type { Row, Study } from '../../studies/study.ts';
import type { Io } from '../io.ts';
import { startProgress } from '../progress.ts';
import { LiveCurve } from './curve.ts';

/** A bar on a terminal once a study takes over a second. */
export interface LiveProgress {
  update(done: number, note: string): void;
  row(row: Row): void;
  stop(): void;
}

const total = 1000;
/** Milliseconds between two pictures on a terminal, and between two lines elsewhere. */
const frame = 200;
const lineEvery = 10_000;

/** Progress of a study on stderr: a bar; for a study with a live curve the curve itself, or a line now and then where stderr is no terminal. */
export function liveProgress(study: Study, io: Io): LiveProgress {
  if (study.live !== undefined) {
    const curve = new LiveCurve(study.live);
    return io.isTTY ? drawnCurve(curve, io) : toldCurve(curve, io);
  }
  const started = performance.now();
  let bar: ReturnType<typeof startProgress> | undefined;
  return {
    update(done, note) {
      if (performance.now() - started < 1000) return;
      bar ??= startProgress(io, study.name, total);
      bar.update(Math.round(done * total), note);
    },
    row: () => {},
    stop: () => bar?.stop(),
  };
}

/** The curve drawn anew in its place. */
function drawnCurve(curve: LiveCurve, io: Io): LiveProgress {
  let lines = 0;
  let drawn = 0;
  let head = '';
  const clear = (): void => {
    if (lines > 0) io.stderr(`\x1b[${lines}A\x1b[0J`);
    lines = 0;
  };
  return {
    update(done, note) {
      head = `${(100 * done).toFixed(1)} %  ${note}`;
    },
    row(row) {
      curve.add(row);
      if (performance.now() - drawn < frame) return;
      drawn = performance.now();
      const width = Math.min(process.stderr.columns || 80, 100) - 1;
      const picture = [head.slice(0, width), ...curve.draw(width, 12)];
      clear();
      io.stderr(`${picture.join('\n')}\n`);
      lines = picture.length;
    },
    stop: clear,
  };
}

/** A line now and then, for logs. */
function toldCurve(curve: LiveCurve, io: Io): LiveProgress {
  let told = performance.now();
  let head = '';
  return {
    update(done, note) {
      head = `${(100 * done).toFixed(1)} % ${note}`;
    },
    row(row) {
      curve.add(row);
      if (performance.now() - told < lineEvery) return;
      told = performance.now();
      io.stderr(`${head}; ${curve.lastLine()}\n`);
    },
    stop: () => {},
  };
}
