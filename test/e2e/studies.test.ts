import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ElementHandle } from 'puppeteer';
import { describe, expect, it } from 'vitest';
import { csvOf } from '../../src/studies/csv.ts';
import { studyOf } from '../../src/studies/index.ts';
import { readOptions } from '../../src/studies/options.ts';
import { runStudy } from '../../src/studies/run.ts';
import { accessibilityProblems, press, textOf, useSite, waitFor, waitForText } from './browser.ts';

const site = useSite('without');

describe('studies', () => {
  it('runs one here and draws what it found', async () => {
    const { page, complaints } = await site.open('#/studies?v=1&study=double-quantization');
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
    const csv = join(site.folder, 'formats.csv');
    writeFileSync(csv, csvOf(record, study.columns, rows));
    const { page, complaints } = await site.open('#/studies?v=1');
    await waitFor(page, '[data-listed="true"]');
    const give = async (path: string) =>
      ((await page.$('#study-file')) as ElementHandle<HTMLInputElement>).uploadFile(path);
    await give(csv);
    await waitFor(page, '[data-ready="true"] .study-chart svg');
    const [table] = study.present(rows, options).tables;
    for (const cell of table!.rows[0]!) expect(await textOf(page, '#study-results')).toContain(cell);
    expect(await page.evaluate(() => location.hash)).toContain('study=formats');
    const broken = join(site.folder, 'broken.csv');
    writeFileSync(broken, 'a,b\n1,2\n');
    await give(broken);
    await waitForText(page, 'main [role="alert"]', 'does not name a study');
    const checkpoint = join(site.folder, 'checkpoint.csv');
    writeFileSync(checkpoint, '');
    truncateSync(checkpoint, 5 * 2 ** 30);
    await give(checkpoint);
    await waitForText(page, 'main [role="alert"]', 'longer than 16 MiB');
    expect(complaints).toEqual([]);
    await page.close();
  });
});
