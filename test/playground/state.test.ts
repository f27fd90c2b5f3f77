import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bytes,
  flag,
  integer,
  linkLimit,
  oneOf,
  readLink,
  readState,
  real,
  text,
  writeLink,
} from '../../src/playground/state.ts';

const fields = {
  format: oneOf(['e4m3', 'e5m2'] as const, 'e4m3'),
  code: integer(-1, 255, -1),
  x: real(0.3),
  on: flag(false),
  words: text(6000),
  codes: bytes(4, new Uint8Array(4)),
};

const state = fc.record({
  format: fc.constantFrom('e4m3' as const, 'e5m2' as const),
  code: fc.integer({ min: -1, max: 255 }),
  x: fc.double(),
  on: fc.boolean(),
  words: fc.string({ maxLength: 200, unit: 'grapheme' }),
  codes: fc.uint8Array({ minLength: 4, maxLength: 4 }).map((codes): Uint8Array => codes),
});

const name = fc.oneof(fc.constantFrom('v', ...Object.keys(fields)), fc.string());
const query = fc
  .array(fc.tuple(name, fc.string()), { maxLength: 8 })
  .map((pairs) => `#/formats?${new URLSearchParams(pairs)}`);

const read = (hash: string) => readState(fields, readLink(hash).parameters);

describe('links', () => {
  it('carry every state there and back', () => {
    fc.assert(
      fc.property(state, (given) => {
        const { hash, left } = writeLink('formats', fields, given);
        const { page, problems } = readLink(hash);
        const found = read(hash);
        expect(left).toEqual([]);
        expect([page, ...problems, ...found.problems]).toEqual(['formats']);
        expect(found.state).toEqual(given);
      }),
    );
  });

  it('never throw, whatever they hold, and give a legal state', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), query), (hash) => {
        const { state: found } = read(hash);
        expect(['e4m3', 'e5m2']).toContain(found.format);
        expect(found.code >= -1 && found.code <= 255 && Number.isInteger(found.code)).toBe(true);
        expect(found.codes).toHaveLength(4);
      }),
    );
  });

  it.each([
    ['format=e9m9', /"e9m9" is no value of "format"/],
    ['code=256', /"256" is no value of "code"/],
    ['code=1.5', /no value of "code"/],
    ['x=zero', /no value of "x"/],
    ['on=yes', /no value of "on"/],
    ['codes=00', /no value of "codes"/],
    ['__proto__=1', /there is no setting "__proto__"/],
  ])('tell what is wrong with %s', (query, words) => {
    expect(read(`#/formats?v=1&${query}`).problems.join()).toMatch(words);
  });

  it('of another version or too long are told and not read', () => {
    expect(readLink('#/formats?v=2&x=1')).toMatchObject({
      page: 'formats',
      problems: [expect.stringMatching(/another version/)],
    });
    expect(readLink(`#/formats?v=1&words=${'a'.repeat(linkLimit)}`).problems[0]).toMatch(/longer than/);
  });

  it('stay within the limit: the longest value is left out and named', () => {
    const given = { ...readState(fields, new URLSearchParams()).state, x: 7, words: 'é'.repeat(3000) };
    const { hash, left } = writeLink('formats', fields, given);
    expect(hash.length).toBeLessThanOrEqual(linkLimit);
    expect(left).toEqual(['words']);
    expect(read(hash).state.x).toBe(7);
  });

  it('leave out what has its default', () => {
    expect(writeLink('formats', fields, readState(fields, new URLSearchParams()).state).hash).toBe('#/formats?v=1');
  });
});
