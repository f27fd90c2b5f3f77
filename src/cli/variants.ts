import { Fp8labError } from '../errors.ts';
import { families } from '../kernels/index.ts';
import type { Tier } from '../kernels/kernel.ts';
import type { VariantChoices } from '../kernels/variants.ts';

/** Variants asked for: `gemm=streams-8x8`, several with commas between them. Throws `unknown-variant` (kind `usage`). */
export function parseVariants(text: string | undefined): VariantChoices {
  const pairs = (text ?? '').split(',').filter((part) => part.trim() !== '');
  return Object.fromEntries(pairs.map(parseVariant));
}

function parseVariant(text: string): [string, string] {
  const [family = '', variant = ''] = text.split('=').map((part) => part.trim());
  const known = families.find(({ name }) => name === family);
  if (known?.variants.some(({ name }) => name === variant)) return [family, variant];
  throw new Fp8labError(`there is no variant ${text}`, {
    kind: 'usage',
    code: 'unknown-variant',
    where: '--variant',
    fix: `choose among ${families.flatMap(({ name, variants }) => variants.map((it) => `${name}=${it.name}`)).join(', ')}`,
  });
}

/** The same for a command that runs a tier: the exact tier has no variants. Throws `no-variants` (kind `usage`). */
export function variantsOf(text: string | undefined, tier: Tier): VariantChoices {
  const variants = parseVariants(text);
  if (tier === 'fast' || Object.keys(variants).length === 0) return variants;
  throw new Fp8labError('only the fast tier has variants', {
    kind: 'usage',
    code: 'no-variants',
    where: '--variant',
    fix: 'add --tier fast',
  });
}
