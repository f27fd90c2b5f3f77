import { describe, expect, it } from 'vitest';
import { shaderSources } from '../../src/backends/webgpu/link.ts';
import type { PageModule } from '../../src/playground/page.ts';
import { pages } from '../../src/playground/pages/index.ts';
import { shippedSpecs } from '../../src/playground/services/specs.ts';
import { readLink, readState } from '../../src/playground/state.ts';
import { steps } from '../../src/playground/tour.ts';
import { studies } from '../../src/studies/index.ts';

const modules = new Map(
  await Promise.all(
    pages.map(
      async ({ name, load }) => [name, (await load()) as unknown as PageModule<Record<string, unknown>>] as const,
    ),
  ),
);
const specs = new Set(shippedSpecs().map(({ label }) => label));

/** What a link of the page's own would be told to be wrong with. */
function problemsOf(hash: string): string[] {
  const link = readLink(hash);
  const module = modules.get(link.page);
  if (module === undefined) return [`there is no page ${link.page}`];
  const { state, problems } = readState(module.fields, link.parameters);
  const unknown = [
    typeof state.spec === 'string' && !specs.has(state.spec) && `no spec ${state.spec}`,
    link.page === 'workbench' &&
      state.file !== '' &&
      !(String(state.file) in shaderSources) &&
      `no shader ${state.file}`,
    link.page === 'studies' && !studies.some(({ name }) => name === state.study) && `no study ${state.study}`,
  ];
  return [...link.problems, ...problems, ...unknown.filter((problem) => problem !== false)];
}

describe.each([...modules])('the page %s', (name, { intro }) => {
  it('says in two sentences what one sees and why it matters, with the section of the paper', () => {
    for (const sentence of [intro.sees, intro.matters]) expect(sentence).toMatch(/^[^.?!]+(?:\.\d[^.?!]*)*[.?!]$/);
    expect(intro.source).toMatch(/^DeepSeek-V3 report, sections? \d/);
  });

  it('leads on to other pages, in states that they accept', () => {
    expect(intro.next.length).toBeGreaterThan(0);
    for (const { hash } of intro.next) {
      expect(problemsOf(hash)).toEqual([]);
      expect(readLink(hash).page).not.toBe(name);
    }
  });
});

describe('links', () => {
  it('every step of the tour leads somewhere', () => {
    expect(steps).toHaveLength(5);
    for (const { hash } of steps) expect(problemsOf(hash)).toEqual([]);
  });

  it('every page is led to by another', () => {
    const targets = [...modules.values()].flatMap(({ intro }) => intro.next.map(({ hash }) => readLink(hash).page));
    expect(pages.map(({ name }) => name).filter((name) => !targets.includes(name))).toEqual([]);
  });
});
