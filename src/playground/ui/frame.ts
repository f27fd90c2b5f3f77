/** Calls back with the next frame; after a moment where none is drawn: a tab behind another, a driver that is busy. */
export function nextFrame(then: () => void): void {
  const run = () => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    then();
  };
  const frame = requestAnimationFrame(run);
  const timer = setTimeout(run, 100);
}

/** Calls back after some milliseconds. */
export const after =
  (milliseconds: number) =>
  (then: () => void): void =>
    void setTimeout(then, milliseconds);

/** Work that is done at once, and then not again before `rest` calls back: requests in between replace one another, the last is done then. */
export function paced<T>(rest: (then: () => void) => void, work: (request: T) => void): (request: T) => void {
  let next: { readonly request: T } | undefined;
  let resting = false;
  const run = () => {
    resting = next !== undefined;
    if (next === undefined) return;
    const { request } = next;
    next = undefined;
    rest(run);
    work(request);
  };
  return (request) => {
    next = { request };
    if (!resting) run();
  };
}
