/** An independent computation of f32 arithmetic: exact integers scaled by powers of two, rounded by comparing integers. */

/** Exact number: integer * 2^exponent. */
export interface Exact {
  readonly integer: bigint;
  readonly exponent: number;
}

/** The exact value of finite f32 bits. */
export function exactOf(bits: number): Exact {
  const field = (bits >>> 23) & 0xff;
  const fraction = bits & 0x7fffff;
  const magnitude = BigInt(field === 0 ? fraction : fraction + 0x800000);
  return { integer: bits >>> 31 === 1 ? -magnitude : magnitude, exponent: Math.max(field, 1) - 150 };
}

export function multiply(a: Exact, b: Exact): Exact {
  return { integer: a.integer * b.integer, exponent: a.exponent + b.exponent };
}

export function add(a: Exact, b: Exact): Exact {
  const exponent = Math.min(a.exponent, b.exponent);
  const scale = (x: Exact): bigint => x.integer << BigInt(x.exponent - exponent);
  return { integer: scale(a) + scale(b), exponent };
}

/** Bits of the f32 nearest to numerator / denominator (denominator > 0), ties to even; the numerator is not zero. */
export function nearestBits(numerator: Exact, denominator: Exact = { integer: 1n, exponent: 0 }): number {
  const sign = numerator.integer < 0n ? 0x80000000 : 0;
  const magnitude = numerator.integer < 0n ? -numerator.integer : numerator.integer;
  const exponent = numerator.exponent - denominator.exponent;
  // Count in the last place of the result: the quotient's exponent less 23, at least 2^-149.
  const length = (x: bigint): number => x.toString(2).length;
  const estimate = length(magnitude) - length(denominator.integer) + exponent;
  for (const top of [estimate - 1, estimate]) {
    const place = Math.max(top - 23, -149);
    const up = exponent - place;
    const dividend = up >= 0 ? magnitude << BigInt(up) : magnitude;
    const divisor = up >= 0 ? denominator.integer : denominator.integer << BigInt(-up);
    const quotient = dividend / divisor;
    if (quotient >= 1n << 24n) continue;
    const twice = 2n * (dividend % divisor);
    const roundsUp = twice > divisor || (twice === divisor && quotient % 2n === 1n);
    const units = Number(quotient) + (roundsUp ? 1 : 0);
    return (sign + Math.min(units + (place + 149) * 2 ** 23, 0x7f800000)) >>> 0;
  }
  throw new Error('no place fits the quotient');
}
