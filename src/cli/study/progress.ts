import type { Row, Study } from '../../studies/study.ts';
import type { Io } from '../io.ts';
import { startProgress } from '../progress.ts';

/** A bar on a terminal once a study takes over a second. */
export interface LiveProgress {
  update(done: number, note: string): void;
  row(row: Row): void;
  stop(): void;
}

const total = 1000;

/** Progress of a study on stderr; of one with a live curve, the last value of every series in the bar's note. */
export function liveProgress(study: Study, io: Io): LiveProgress {
  const started = performance.now();
  let bar: ReturnType<typeof startProgress> | undefined;
  let last = '';
  return {
    update(done, note) {
      if (performance.now() - started < 1000) return;
      bar ??= startProgress(io, study.name, total);
      bar.update(Math.round(done * total), last === '' ? note : `${note}  ${last}`);
    },
    row(row) {
      if (study.live === undefined) return;
      const { x, y, series } = study.live;
      const value = row[y];
      last = `${row[series]} ${row[x]}: ${typeof value === 'number' ? value.toPrecision(4) : value}`;
    },
    stop: () => bar?.stop(),
  };
}
