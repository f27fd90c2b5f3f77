import { type Answer, diagnose, type Problem, problemOf, separate } from '../diagnose/index.ts';
import { exitCodes } from '../errors.ts';
import { kernelOf } from '../kernels/index.ts';
import { materializeInputs } from '../kernels/inputs.ts';
import { canonicalJson } from '../specs/canonical.ts';
import type { ResolvedSpec } from '../specs/types.ts';
import { readTensors, requireWritable, writeTensors } from '../tensors/files.ts';
import type { Tensors } from '../tensors/tensor.ts';
import { diagnosisText, type WrittenSeparation } from './diagnosis-text.ts';
import { checkInputs, gatherInputs } from './inputs.ts';
import type { Io } from './io.ts';
import { loadOne } from './run.ts';

/** Options of `fp8lab diagnose`. */
export interface DiagnoseCommandOptions {
  /** safetensors file with somebody's results. */
  readonly actual: string;
  readonly inputs?: string;
  /** Where inputs go that tell apart what these do not. */
  readonly separate?: string;
  /** Seconds for the search. */
  readonly budget?: number;
  readonly json?: boolean;
}

/** Finds out what a kernel really computed. Exit code 0 where every bit is explained (as the spec says, or otherwise), 1 where not. */
export async function diagnoseCommand(name: string, options: DiagnoseCommandOptions, io: Io): Promise<number> {
  const { spec, label } = await loadOne(name);
  const given = await gatherInputs(spec, options.inputs);
  if (options.inputs !== undefined) checkInputs(spec, given, options.inputs);
  const inputs = given ?? materializeInputs(kernelOf(spec).inputs(spec as never));
  const actual = await readTensors(options.actual);
  if (options.separate !== undefined) await requireWritable(options.separate);
  const progress = spinner(io);
  const answer = diagnose(spec, inputs, actual, {
    budget: 1000 * (options.budget ?? 15),
    progress: progress.update,
  });
  progress.stop();
  const separation =
    options.separate === undefined ? undefined : await writeSeparation(spec, actual, answer, options.separate);
  if (options.json)
    io.stdout(
      `${JSON.stringify({ schemaVersion: 1, label, actual: options.actual, ...answer, ...(separation && { separation }) })}\n`,
    );
  else
    io.stdout(
      diagnosisText(answer, {
        label,
        name,
        actual: options.actual,
        io,
        inputs: options.inputs,
        separation,
        separateFile: options.separate,
      }),
    );
  return answer.verdict === 'as-specified' || answer.verdict === 'explained' ? exitCodes.ok : exitCodes.mismatch;
}

async function writeSeparation(
  spec: ResolvedSpec,
  actual: Tensors,
  answer: Answer,
  file: string,
): Promise<WrittenSeparation> {
  const conventions = 1 + answer.equals.length;
  if (answer.equals.length === 0) return { conventions, outcomes: 1 };
  const found = separate(spec, answer, (inputs): Problem => problemOf(spec, inputs, actual));
  if (found === undefined) return { conventions, outcomes: 1 };
  await writeTensors(file, found.inputs, { spec: canonicalJson(spec), made: found.words });
  return { file, words: found.words, conventions: found.conventions, outcomes: found.outcomes };
}

/** One line on a terminal that says how far the search is. */
function spinner(io: Io): { update: (tried: number, leftover: number) => void; stop: () => void } {
  if (!io.isTTY) return { update: () => {}, stop: () => {} };
  const clear = '\r\x1b[K';
  return {
    update: (tried, leftover) => {
      const left = leftover === 0 ? 'all explained' : `${(100 * leftover).toFixed(2)} % of the elements left`;
      io.stderr(`${clear}diagnose: ${tried} conventions tried, ${left}`);
    },
    stop: () => io.stderr(clear),
  };
}
