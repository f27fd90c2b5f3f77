/**
 * Errors of many values against what is expected, as sums that add up in the order given: the same order gives the same bits.
 */
export class ErrorSums {
  count = 0;
  private signal = 0;
  private noise = 0;
  private magnitude = 0;
  private outward = 0;
  private largest = 0;
  private relative = 0;

  /** One value: what it should be, and what it is. */
  add(expected: number, actual: number): void {
    const error = actual - expected;
    this.count++;
    this.signal += expected * expected;
    this.magnitude += Math.abs(expected);
    if (error === 0) return;
    this.noise += error * error;
    this.outward += expected < 0 ? -error : error;
    const size = Math.abs(error);
    if (size > this.largest) this.largest = size;
    if (expected !== 0 && size > this.relative * Math.abs(expected)) this.relative = size / Math.abs(expected);
  }

  /** All values of two arrays. */
  addAll(expected: ArrayLike<number>, actual: ArrayLike<number>): this {
    for (let i = 0; i < expected.length; i++) this.add(expected[i]!, actual[i]!);
    return this;
  }

  /** Signal to noise, 10 log10(sum e^2 / sum (a - e)^2), in dB; null where there is no signal or no noise. */
  get sqnr(): number | null {
    return this.signal === 0 || this.noise === 0 ? null : decibels(this.signal / this.noise);
  }

  /** Norm of the error over the norm of what is expected; null where that is zero. */
  get relativeNorm(): number | null {
    return this.signal === 0 ? null : Math.sqrt(this.noise / this.signal);
  }

  /** Sum of the errors, those toward zero counted negative, over the sum of the magnitudes: the systematic part. */
  get bias(): number | null {
    return this.magnitude === 0 ? null : this.outward / this.magnitude;
  }

  /** Largest error over the value expected there. Unbounded where sums cancel. */
  get maxRelative(): number {
    return this.relative;
  }

  /** Largest error over the root mean square of what is expected: fair to sums that cancel. */
  get maxOverRms(): number | null {
    return this.signal === 0 ? null : this.largest / Math.sqrt(this.signal / this.count);
  }
}

/** 10 log10, to a millionth of a dB: the last bits of a logarithm are the engine's own. */
export function decibels(ratio: number): number {
  return Math.round(1e7 * Math.log10(ratio)) / 1e6;
}
