/**
 * Work of which only the newest request counts: while one runs, those that arrive replace one another, so that a slider that is dragged never
 * leaves a queue behind. `work` handles its own errors.
 */
export function latest<T>(work: (request: T) => Promise<void>): (request: T) => void {
  let running = false;
  let next: { readonly request: T } | undefined;
  const run = async () => {
    running = true;
    while (next !== undefined) {
      const { request } = next;
      next = undefined;
      await work(request);
    }
    running = false;
  };
  return (request) => {
    next = { request };
    if (!running) void run();
  };
}
