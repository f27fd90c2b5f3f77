/** Milliseconds of wall clock in which at least one of several things was going on. */
export class Stopwatch {
  #running = 0;
  #since = 0;
  #spent = 0;

  /** So far. */
  get milliseconds(): number {
    return this.#spent + (this.#running > 0 ? performance.now() - this.#since : 0);
  }

  /** Runs while `work` does. */
  during<T>(work: () => T): T {
    this.#start();
    try {
      return work();
    } finally {
      this.#stop();
    }
  }

  /** Runs until `work` is settled. */
  async until<T>(work: Promise<T>): Promise<T> {
    this.#start();
    try {
      return await work;
    } finally {
      this.#stop();
    }
  }

  #start(): void {
    if (this.#running++ === 0) this.#since = performance.now();
  }

  #stop(): void {
    if (--this.#running === 0) this.#spent += performance.now() - this.#since;
  }
}
