/** How one value of a page's state is written in a link. `parse` gives undefined for what the page would not accept. */
export interface Field<T> {
  readonly fallback: T;
  parse(text: string): T | undefined;
  format(value: T): string;
}

/** The fields of a page's state, in the order links have them. */
export type Fields<S> = { readonly [K in keyof S]: Field<S[K]> };

/** Version of the links; a link of another version is not guessed at. */
export const linkVersion = '1';

/** Longest link that is read or written, in characters: some messengers cut longer ones. */
export const linkLimit = 8192;

/** One of the names. */
export function oneOf<T extends string>(values: readonly T[], fallback: T): Field<T> {
  return {
    fallback,
    parse: (text) => values.find((value) => value === text),
    format: String,
  };
}

/** A whole number from `min` to `max`. */
export function integer(min: number, max: number, fallback: number): Field<number> {
  return {
    fallback,
    parse: (text) => {
      const value = Number(text);
      return /^-?\d{1,15}$/.test(text) && value >= min && value <= max ? value : undefined;
    },
    format: String,
  };
}

/** Any number, infinities and NaN included; written so that it reads back as the same double. */
export function real(fallback: number): Field<number> {
  return {
    fallback,
    parse: (text) => {
      if (text === 'NaN') return Number.NaN;
      const value = Number(text);
      return text.trim() === '' || text.length > 40 || Number.isNaN(value) ? undefined : value;
    },
    format: (value) => (Object.is(value, -0) ? '-0' : String(value)),
  };
}

/** Yes or no. */
export function flag(fallback: boolean): Field<boolean> {
  return {
    fallback,
    parse: (text) => (text === '1' ? true : text === '0' ? false : undefined),
    format: (value) => (value ? '1' : '0'),
  };
}

/** Text of at most `limit` characters. */
export function text(limit: number, fallback = ''): Field<string> {
  return { fallback, parse: (value) => (value.length <= limit ? value : undefined), format: String };
}

/** Bytes in hexadecimal, exactly `length` of them. */
export function bytes(length: number, fallback: Uint8Array): Field<Uint8Array> {
  const pattern = new RegExp(`^[0-9a-f]{${2 * length}}$`);
  return {
    fallback,
    parse: (value) =>
      pattern.test(value)
        ? Uint8Array.from({ length }, (_, i) => Number.parseInt(value.slice(2 * i, 2 * i + 2), 16))
        : undefined,
    format: (value) => Array.from(value, (byte) => byte.toString(16).padStart(2, '0')).join(''),
  };
}

/** Where a link leads: the page, its parameters, and what is wrong with it. */
export interface Link {
  readonly page: string;
  readonly parameters: URLSearchParams;
  readonly problems: readonly string[];
}

/** Reads the part of an address behind `#`: `/formats?v=1&format=e5m2`. */
export function readLink(hash: string): Link {
  const body = hash.replace(/^#\/?/, '');
  if (body.length > linkLimit) {
    const problems = [`it is longer than ${linkLimit} characters`];
    return { page: body.slice(0, body.search(/[?&]|$/)).slice(0, 40), parameters: new URLSearchParams(), problems };
  }
  const at = body.indexOf('?');
  const page = at < 0 ? body : body.slice(0, at);
  const parameters = new URLSearchParams(at < 0 ? '' : body.slice(at + 1));
  const version = parameters.get('v');
  if (version === null || version === linkVersion) return { page, parameters, problems: [] };
  return {
    page,
    parameters: new URLSearchParams(),
    problems: [
      `it was made by another version of the playground (${version.slice(0, 20)}, this one reads ${linkVersion})`,
    ],
  };
}

/** A page's state from a link. What the page would not accept keeps its default and is told. */
export function readState<S extends object>(
  fields: Fields<S>,
  parameters: URLSearchParams,
): { state: S; problems: string[] } {
  const problems: string[] = [];
  const known = new Set<string>(['v', 'tour', ...Object.keys(fields)]);
  for (const name of new Set(parameters.keys())) {
    if (!known.has(name)) problems.push(`there is no setting "${name.slice(0, 40)}" here`);
  }
  const entries = Object.entries<Field<unknown>>(fields).map(([name, field]) => {
    const given = parameters.get(name);
    const value = given === null ? field.fallback : field.parse(given);
    if (value === undefined) problems.push(`"${given?.slice(0, 40)}" is no value of "${name}"`);
    return [name, value ?? field.fallback] as const;
  });
  return { state: Object.fromEntries(entries) as S, problems };
}

/**
 * The part of an address behind `#` for a page in a state; what has its default is left out. A state too long for a link loses its
 * longest values, which is told in `left`.
 */
export function writeLink<S extends object>(
  page: string,
  fields: Fields<S>,
  state: S,
): { hash: string; left: readonly string[] } {
  let entries = Object.entries<Field<unknown>>(fields)
    .map(([name, field]) => ({
      name,
      value: field.format(state[name as keyof S]),
      plain: field.format(field.fallback),
    }))
    .filter(({ value, plain }) => value !== plain);
  const left: string[] = [];
  const build = () => {
    const parameters = new URLSearchParams({ v: linkVersion });
    for (const { name, value } of entries) parameters.set(name, value);
    return `#/${page}?${parameters}`;
  };
  let hash = build();
  while (hash.length > linkLimit && entries.length > 0) {
    const longest = entries.reduce((a, b) => (b.value.length > a.value.length ? b : a));
    entries = entries.filter((entry) => entry !== longest);
    left.push(longest.name);
    hash = build();
  }
  return { hash, left };
}
