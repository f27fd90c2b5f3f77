import type { Fp8labError } from '../../errors.ts';
import { deviceError, lossOf, outOfMemory } from './device-errors.ts';

const filters = ['validation', 'internal', 'out-of-memory'] as const;

/** What went wrong in a run on a device: what its error scopes caught, what was told of, and its loss. */
export class Failures {
  readonly #device: GPUDevice;
  readonly #lost: Promise<Fp8labError>;
  #first: Fp8labError | undefined;
  /** Resolves once all error scopes so far have said what they caught. */
  #checked: Promise<unknown> = Promise.resolve();

  constructor(device: GPUDevice) {
    this.#device = device;
    this.#lost = lossOf(device);
    this.#lost.then((error) => this.add(error));
  }

  /** The first error so far. */
  get first(): Fp8labError | undefined {
    return this.#first;
  }

  add(error: Fp8labError): void {
    this.#first ??= error;
  }

  /** Runs device calls inside the three error scopes; what they catch comes later. `bytes` are those asked for. */
  guard<T>(what: string, calls: () => T, bytes?: number): T {
    for (const filter of filters) this.#device.pushErrorScope(filter);
    try {
      return calls();
    } finally {
      for (const filter of filters.toReversed()) {
        const scope = this.#device.popErrorScope().then(
          (error) => {
            if (error !== null)
              this.add(filter === 'out-of-memory' ? outOfMemory(bytes, what) : deviceError(error, what));
          },
          () => undefined,
        );
        this.#checked = Promise.all([this.#checked, scope]);
      }
    }
  }

  /** Waits for all error scopes so far. Throws the first error there was. */
  async settle(): Promise<void> {
    await this.#settled();
    if (this.#first !== undefined) throw this.#first;
  }

  /** Waits for all error scopes so far, and forgets what they caught. */
  async forget(): Promise<void> {
    await this.#settled();
    this.#first = undefined;
  }

  /** `work`, unless the device is lost before it is done: then its error. */
  async orLost<T>(work: Promise<T>): Promise<T> {
    // The loser of the race may still be rejected later, when nobody listens.
    work.catch(() => undefined);
    const lost = this.#lost.then((error) => {
      throw error;
    });
    lost.catch(() => undefined);
    return Promise.race([work, lost]);
  }

  #settled(): Promise<unknown> {
    return Promise.race([this.#checked, this.#lost]);
  }
}
