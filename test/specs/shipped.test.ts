import { readFileSync } from 'node:fs';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { roundings } from '../../src/numerics/formats.ts';
import { scaleRecipes } from '../../src/numerics/scheme.ts';
import { canonicalJson, identityText } from '../../src/specs/canonical.ts';
import { loadSpecs, parseJson, shippedSpecs } from '../../src/specs/load.ts';
import { arithmeticPresets, modelPresets, schemePresets } from '../../src/specs/presets.ts';
import { jsonSchema } from '../../src/specs/schema.ts';
import { workOf } from '../helpers/specs.ts';

const folder = fileURLToPath(new URL('../../specs', import.meta.url));
const specs = await shippedSpecs(folder);
const texts = specs.map(({ spec }) => canonicalJson(spec));

/** Names that no shipped spec uses. */
const unused = (names: readonly string[], used: (name: string) => string): string[] =>
  names.filter((name) => !texts.some((text) => text.includes(used(name))));

describe('the shipped specs', () => {
  it('each lies in the folder of its kernel under its own name', () => {
    for (const { label, path } of specs) expect(path.endsWith(`/${label}.json`)).toBe(true);
  });

  it('no two compute the same', () => {
    const identities = specs.map(({ spec }) => identityText(spec));
    expect(new Set(identities).size).toBe(identities.length);
  });

  it('each says what it is for', () => {
    for (const { spec } of specs) expect(spec.description).not.toBe('');
  });

  it('every recipe, format, rounding, overflow rule, layout and generator appears', () => {
    expect(unused(scaleRecipes, (name) => `"recipe":"${name}"`)).toEqual([]);
    expect(unused(['e4m3', 'e5m2', 'e2m1', 'e2m3', 'e3m2', 'e5m6'], (name) => `"format":"${name}"`)).toEqual([]);
    expect(unused(roundings, (name) => `"rounding":"${name}"`)).toEqual([]);
    expect(unused(['saturate', 'ieee'], (name) => `"overflow":"${name}"`)).toEqual([]);
    expect(unused(['row-major', 'mn-major', 'packed-e8m0'], (name) => `"layout":"${name}"`)).toEqual([]);
    expect(
      unused(
        [
          'uniform',
          'positive',
          'normal',
          'outlier-channels',
          'outlier-tokens',
          'near-ties',
          'bits',
          'zero',
          'saturating',
          'subnormal',
        ],
        (name) => `"generate":"${name}"`,
      ),
    ).toEqual([]);
  });

  it('every scheme, arithmetic and model preset appears', () => {
    expect(
      unused(Object.keys(schemePresets), (name) => canonicalJson(schemePresets[name as keyof typeof schemePresets])),
    ).toEqual([]);
    expect(
      unused(Object.keys(arithmeticPresets), (name) =>
        canonicalJson(arithmeticPresets[name as keyof typeof arithmeticPresets]),
      ),
    ).toEqual([]);
    expect(
      unused(Object.keys(modelPresets), (name) => canonicalJson(modelPresets[name as keyof typeof modelPresets])),
    ).toEqual([]);
  });

  it('a spec that is not large takes seconds at most', () => {
    for (const { spec } of specs) {
      if (spec.large) continue;
      expect(workOf(spec)).toBeLessThanOrEqual(8e6);
    }
  });

  it('the full DeepSeek-V3 shapes are there, marked large', () => {
    const large = specs.filter(({ spec }) => spec.large).map(({ spec }) => Object.values(spec.shape).join('x'));
    for (const shape of [
      '4096x4096x7168',
      '4096x7168x2048',
      '4096x7168x16384',
      '4096x2112x7168',
      '4096x24576x1536',
      '4096x32768x512',
    ]) {
      expect(large).toContain(shape);
    }
  });

  it('the published JSON Schema is the one the code validates by', () => {
    const published = JSON.parse(readFileSync(`${folder}/fp8lab.schema.json`, 'utf8'));
    expect(published).toEqual(JSON.parse(JSON.stringify(jsonSchema())));
  });
});

describe('naming a spec', () => {
  it('a path, a label, and a name that only one has all find it', async () => {
    for (const name of [`${folder}/gemm/dsv3-q-a.json`, 'gemm/dsv3-q-a', 'dsv3-q-a']) {
      expect((await loadSpecs([name], folder)).map(({ label }) => label)).toEqual(['gemm/dsv3-q-a']);
    }
  });

  it('takes a folder, its full-size specs only where they are wanted', async () => {
    const of = async (large: boolean) =>
      (await loadSpecs([join(folder, 'gemm')], folder, large)).map(({ spec }) => spec);
    const ordinary = await of(false);
    expect(ordinary.length).toBeGreaterThan(20);
    expect(ordinary.filter(({ large }) => large)).toEqual([]);
    const all = await of(true);
    expect(all.filter(({ large }) => !large)).toEqual(ordinary);
    expect(all.length).toBeGreaterThan(ordinary.length);
  });

  it('a kernel stands for its shipped specs, wherever the command runs', async () => {
    const inFolder = await loadSpecs([join(folder, 'gate')], folder);
    expect(inFolder.length).toBeGreaterThan(5);
    expect(await loadSpecs(['gate'], folder)).toEqual(inFolder);
    expect((await loadSpecs(['specs/dsv3-q-a'], folder))[0]!.label).toBe('gemm/dsv3-q-a');
  });

  it('a spec named twice comes once, and two of one name are refused', async () => {
    const [one, other] = await Promise.all([
      mkdtemp(join(tmpdir(), 'fp8lab-a-')),
      mkdtemp(join(tmpdir(), 'fp8lab-b-')),
    ]);
    onTestFinished(() => Promise.all([one, other].map((path) => rm(path, { recursive: true }))).then(() => {}));
    for (const path of [one, other]) await copyFile(join(folder, 'gate/dsv3.json'), join(path, 'x.json'));
    expect(await loadSpecs([one, join(one, 'x.json')], folder)).toHaveLength(1);
    await expect(loadSpecs([one, other], folder)).rejects.toMatchObject({
      code: 'same-name',
      message: expect.stringMatching(/gate\/dsv3: .*x\.json and .*x\.json$/),
    });
  });

  it('a field that stands twice is refused with its place', () => {
    const once = '{"a": {"seed": 1}, "b": [{"seed": 1}, {"seed": 2}]}';
    expect(parseJson(once, 'x.json')).toEqual(JSON.parse(once));
    expect(() => parseJson('{"a": {\n  "seed": 1,\n  "seed": 2}}', 'x.json')).toThrow(
      expect.objectContaining({ code: 'duplicate-field', where: 'x.json:3:3' }),
    );
  });

  it('a file may begin with a byte order mark', () => {
    expect(parseJson('\uFEFF{"fp8lab": 1}', 'x.json')).toEqual({ fp8lab: 1 });
  });

  it('a name that several have is refused with all of them', async () => {
    await expect(loadSpecs(['edge-ragged'], folder)).rejects.toMatchObject({
      code: 'ambiguous-spec',
      fix: expect.stringContaining('gemm/edge-ragged'),
    });
  });

  it('an unknown name is refused with the nearest', async () => {
    await expect(loadSpecs(['gemm/dsv3-q-aa'], folder)).rejects.toMatchObject({
      code: 'no-such-spec',
      message: expect.stringContaining('gemm/dsv3-q-a'),
    });
  });
});
