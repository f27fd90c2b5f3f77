import type { ResolvedSpec } from './types.ts';

/** JSON with sorted keys and no spaces (RFC 8785 for the values specs hold). */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const entries = Object.entries(value)
    .filter(([, inner]) => inner !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${canonicalJson(inner)}`).join(',')}}`;
}

/**
 * What a spec computes, as text: its canonical JSON without `name`, `description` and `large`, which name it and change no bit.
 */
export function identityText(spec: ResolvedSpec): string {
  const { name: _name, description: _description, large: _large, ...computed } = spec;
  return canonicalJson(computed);
}

/** A spec's identity: the SHA-256, in hexadecimal, of {@link identityText}. Two specs with one identity give the same bits. */
export async function specIdentity(spec: ResolvedSpec): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(identityText(spec)));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
