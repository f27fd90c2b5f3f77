import { rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseHTML } from 'linkedom';
import { Fp8labError, inputError } from '../../errors.ts';
import type { Chart } from '../../studies/chart.ts';
import { csvOf, type RunRecord } from '../../studies/csv.ts';
import { drawChart } from '../../studies/draw.ts';
import { isDrawable } from '../../studies/panels.ts';
import type { Row, Study } from '../../studies/study.ts';
import { makeFolder, writeFileAtomically } from '../../tensors/files.ts';
import type { Io } from '../io.ts';
import { createRasterizer, type Rasterize } from '../rasterize.ts';

/**
 * Makes a folder, before anything is computed, and refuses what cannot be one. Gives a function that takes the folder away again where nothing was
 * put into it: a run that fails leaves nothing.
 */
export async function checkFolder(path: string, flag: string): Promise<() => Promise<void>> {
  const found = await stat(path).catch(() => undefined);
  if (found !== undefined && !found.isDirectory()) {
    throw inputError(`${path} is there and is no folder`, 'not-a-folder', flag, 'name a folder');
  }
  const made = await makeFolder(path);
  return async () => {
    // rmdir refuses a folder that is not empty.
    if (made !== undefined) await rmdir(path).catch(() => {});
  };
}

/** Writes rows as CSV and charts as SVG and PNG, each whole or not at all; gives the paths. Without a rasterizer PNG is left out, and said so. */
export async function writeStudy(
  folder: string,
  record: RunRecord,
  study: Pick<Study, 'name' | 'columns'>,
  rows: readonly Row[],
  charts: readonly Chart[],
  io: Io,
): Promise<readonly string[]> {
  const files: string[] = [];
  const write = async (name: string, content: string | Uint8Array): Promise<void> => {
    const path = join(folder, name);
    await writeFileAtomically(path, content);
    files.push(path);
  };
  await write(`${study.name}.csv`, csvOf(record, study.columns, rows));
  const rasterize = charts.length > 0 ? await rasterizer(io) : undefined;
  for (const chart of charts.filter(isDrawable)) {
    const svg = chartSvg(chart, record.command);
    await write(`${chart.name}.svg`, svg);
    if (rasterize !== undefined) await write(`${chart.name}.png`, rasterize(svg));
  }
  return files;
}

async function rasterizer(io: Io): Promise<Rasterize | undefined> {
  try {
    return await createRasterizer();
  } catch (error) {
    if (!(error instanceof Fp8labError)) throw error;
    io.stderr(`no PNG files: ${error.message}; fix: ${error.fix}\n`);
    return undefined;
  }
}

/** A chart as the text of an SVG file, with the command that made it in its description. */
export function chartSvg(chart: Chart, command: string): string {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const element = drawChart(chart, document as unknown as Document);
  const description = document.createElementNS('http://www.w3.org/2000/svg', 'desc');
  description.textContent = `made by: ${command}`;
  element.prepend(description as unknown as Node);
  return `${element.outerHTML}\n`;
}
