import { setImmediate } from 'node:timers/promises';
import cliProgress from 'cli-progress';
import type { Io } from './io.ts';

/** A bar that is moved on. */
export interface Progress {
  /** @param done units done of the total  @param note what is being worked on */
  update(done: number, note?: string): void;
  /** Removes the bar from the terminal. */
  stop(): void;
}

/** Between two steps of long work: the bar is drawn, and Ctrl-C is heard. Throws where it was pressed. */
export async function breathe(io: Io): Promise<void> {
  await setImmediate();
  io.signal.throwIfAborted();
}

const silent: Progress = { update: () => {}, stop: () => {} };

/** A progress bar on stderr, and only where that is a terminal. */
export function startProgress(io: Io, label: string, total: number): Progress {
  if (!io.isTTY) return silent;
  const bar = new cliProgress.SingleBar({
    stream: process.stderr,
    format: `${label} {bar} {value}/{total}  {eta_formatted} left  {note}`,
    barsize: 28,
    hideCursor: true,
    clearOnComplete: true,
    stopOnComplete: false,
    linewrap: false,
  });
  bar.start(total, 0, { note: '' });
  return { update: (done, note = '') => bar.update(done, { note }), stop: () => bar.stop() };
}
