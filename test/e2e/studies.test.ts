import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, ElementHandle } from 'puppeteer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StaticServer } from '../../src/cli/static-server.ts';
import { csvOf } from '../../src/studies/csv.ts';
import { studyOf } from '../../src/studies/index.ts';
import { readOptions } from '../../src/studies/options.ts';
import { runStudy } from '../../src/studies/run.ts';
import { accessibilityProblems, launch, open, press, servePage, textOf, waitFor, waitForText } from './browser.ts';

let server: StaticServer;
let browser: Browser;
let folder: string;
beforeAll(async () => {
  server = await servePage();
  browser = await launch('without');
  folder = mkdtempSync(join(tmpdir(), 'fp8lab-studies-'));
});
afterAll(async () => {
  await browser.close();
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('studies', () => {
  it('runs one here and draws what it found', async () => {
    const { page, complaints } = await open(browser, `${server.address}#/studies?v=1&study=double-quantization`);
    await press(page, '#study-run:not([disabled])');
    await waitFor(page, '[data-ready="true"] .study-chart svg');
    expect(await textOf(page, '#study-results')).toContain('What the numbers say');
    expect((await page.$$('#study-results tbody tr')).length).toBeGreaterThan(3);
    expect(await accessibilityProblems(page)).toEqual([]);
    expect(complaints).toEqual([]);
    await page.close();
  });

  it('opens the results that the command line writes, and refuses other files', async () => {
    const study = studyOf('formats');
    const options = readOptions(study.options, { rows: 128, columns: 128, formats: ['e4m3', 'e5m2'] });
    const rows = await runStudy(study, { options });
    const record = {
      study: 'formats',
      command: 'fp8lab study formats --rows 128',
      version: '0.1.0',
      options,
      inputs: [],
      notes: [],
    };
    const csv = join(folder, 'formats.csv');
    writeFileSync(csv, csvOf(record, study.columns, rows));
    const { page, complaints } = await open(browser, `${server.address}#/studies?v=1`);
    await waitFor(page, '[data-listed="true"]');
    const give = async (path: string) =>
      ((await page.$('#study-file')) as ElementHandle<HTMLInputElement>).uploadFile(path);
    await give(csv);
    await waitFor(page, '[data-ready="true"] .study-chart svg');
    const [table] = study.present(rows, options).tables;
    for (const cell of table!.rows[0]!) expect(await textOf(page, '#study-results')).toContain(cell);
    expect(await page.evaluate(() => location.hash)).toContain('study=formats');
    const broken = join(folder, 'broken.csv');
    writeFileSync(broken, 'a,b\n1,2\n');
    await give(broken);
    await waitForText(page, 'main [role="alert"]', 'does not name a study');
    expect(complaints).toEqual([]);
    await page.close();
  });
});
