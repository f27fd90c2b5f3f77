import { exitCodes, Fp8labError } from '../errors.ts';
import { kernelOf } from '../kernels/index.ts';
import { materializeInputs } from '../kernels/inputs.ts';
import { renderTrace, type Trace, traceElement } from '../parity/explain.ts';
import { renderTracePage } from '../parity/report/trace-page.ts';
import { writeFileAtomically } from '../tensors/files.ts';
import { checkInputs, gatherInputs } from './inputs.ts';
import type { Io } from './io.ts';
import { prepareReport } from './report.ts';
import { loadOne } from './run.ts';
import { thisCommand } from './shell.ts';
import { packageVersion } from './version.ts';

/** Options of `fp8lab trace`. */
export interface TraceCommandOptions {
  /** `i,j`. */
  readonly element: string;
  /** Result tensor; the spec's first where none is named. */
  readonly tensor?: string;
  readonly inputs?: string;
  /** Every product of every sum. */
  readonly terms?: boolean;
  /** HTML page to write. */
  readonly report?: string;
  readonly json?: boolean;
}

/** Reads the coordinates of `--element`. */
function parseCoordinates(text: string): number[] {
  const coordinates = text.split(',').map((part) => (/^\s*\d{1,10}\s*$/.test(part) ? Number(part) : Number.NaN));
  if (coordinates.every(Number.isSafeInteger)) return coordinates;
  throw new Fp8labError(`--element ${text} is no list of coordinates`, {
    kind: 'usage',
    code: 'bad-element',
    where: '--element',
    fix: 'write, say, --element 3,17',
  });
}

/** Works one element of a result out, every operation written down. */
export async function traceCommand(name: string, options: TraceCommandOptions, io: Io): Promise<number> {
  const coordinates = parseCoordinates(options.element);
  const { spec } = await loadOne(name);
  if (options.report !== undefined) await prepareReport(options.report);
  const given = await gatherInputs(spec, options.inputs);
  if (options.inputs !== undefined) checkInputs(spec, given, options.inputs);
  const kernel = kernelOf(spec);
  const inputs = given ?? materializeInputs(kernel.inputs(spec));
  const trace = traceElement(spec, inputs, options.tensor ?? kernel.results(spec)[0]!.name, coordinates);
  if (options.report !== undefined) await writeTracePage(options.report, trace);
  io.stdout(
    options.json
      ? `${JSON.stringify({ schemaVersion: 1, ...trace })}\n`
      : renderTrace(trace, options.terms ? 'terms' : 'steps'),
  );
  return exitCodes.ok;
}

/** Writes the page, whole or not at all. */
async function writeTracePage(path: string, trace: Trace): Promise<void> {
  const page = renderTracePage({ trace, date: new Date(), version: packageVersion(), command: thisCommand() });
  await writeFileAtomically(path, page);
}
