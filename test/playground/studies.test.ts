import { describe, expect, it } from 'vitest';
import { quickOptions, readResults, studyCommand, typedRows } from '../../src/playground/pages/studies/results.ts';
import { csvOf } from '../../src/studies/csv.ts';
import { studies, studyOf } from '../../src/studies/index.ts';
import { readOptions } from '../../src/studies/options.ts';
import { runStudy } from '../../src/studies/run.ts';

const study = studyOf('formats');
const options = readOptions(study.options, { rows: 128, columns: 128, formats: ['e4m3'] });

describe('results from files', () => {
  it('come back from CSV and from JSON as the rows that were written', async () => {
    const rows = await runStudy(study, { options });
    const record = {
      study: 'formats',
      command: 'fp8lab study formats',
      version: '1',
      options,
      inputs: [],
      notes: ['a note'],
    };
    const csv = readResults(csvOf(record, study.columns, rows), 'a.csv');
    expect(csv.options).toEqual(options);
    expect(typedRows(study, csv, 'a.csv')).toEqual(rows);
    const json = readResults(JSON.stringify({ schemaVersion: 1, study: 'formats', options, rows }), 'a.json');
    expect(typedRows(study, json, 'a.json')).toEqual(rows);
  });

  it.each([
    ['', /does not name a study/],
    ['# fp8lab study formats\n# options {}\n', /no rows/],
    ['# fp8lab study formats\n# options {"a\n', /no rows|cannot be read/],
    ['# fp8lab study formats\n# options {}\na,b\n1\n', /row 1 has 1 cells, the head 2/],
    ['{', /not valid JSON/],
    ['{"study":"formats"}', /no study with rows/],
    ['{"study":"formats","rows":[1]}', /no study with rows/],
  ])('%j is refused', (text, words) => {
    expect(() => readResults(text, 'x')).toThrow(words);
  });

  it('with missing or wrong cells are refused', () => {
    const stored = (row: object) => ({ study: 'formats', options: {}, rows: [row] as never });
    expect(() => typedRows(study, stored({}), 'x')).toThrow(/row 1 has no/);
    const text = Object.fromEntries(study.columns.map(({ name }) => [name, 'abc']));
    expect(() => typedRows(study, stored(text), 'x')).toThrow(/not a number/);
  });
});

describe('quick runs', () => {
  it('have options that their studies accept, and commands that name what differs from the defaults', () => {
    for (const [name, quick] of Object.entries(quickOptions)) {
      const own = studies.find((each) => each.name === name)!;
      expect(studyCommand(own, readOptions(own.options, quick))).toMatch(new RegExp(`^npx fp8lab study ${name} --`));
      expect(studyCommand(own, readOptions(own.options, {}))).toBe(`npx fp8lab study ${name}`);
    }
  });
});
