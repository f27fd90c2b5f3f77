import { Fp8labError } from '../../errors.ts';
import { defineStudy, type Row, type StudyContext } from '../study.ts';
import { type Corpus, shippedCorpus } from './corpus.ts';
import { type Computation, computationOf } from './engine.ts';
import { settingsOf, type TrainingCase, type TrainingOptions, trainingCases, trainingOptions } from './options.ts';
import { presentTraining, smooth, smoothed, trainingColumns } from './present.ts';
import { packState, type RunIdentity, unpackState } from './state.ts';
import { startTraining, type TrainingSettings, type TrainingState, trainStep, validate } from './trainer.ts';

/** Milliseconds between two savings of a run's state. */
const saveEvery = 20_000;

/** Batches of held-out text that a finished run is measured on. */
const heldOutBatches = 8;

/** A run and all that it needs. */
interface Run {
  readonly studyCase: TrainingCase;
  readonly settings: TrainingSettings;
  readonly corpus: Corpus;
  readonly computation: Computation;
  readonly context: StudyContext;
  readonly state: TrainingState;
}

async function runCase(studyCase: TrainingCase, options: TrainingOptions, context: StudyContext): Promise<Row[]> {
  const corpus = await shippedCorpus();
  const settings = settingsOf(options, studyCase, corpus.vocabulary.length);
  const computation = await computationOf(studyCase, options.engine, context.backend);
  const identity: RunIdentity = { settings, computed: computation.identity };
  const state = await openState(studyCase, identity, context);
  const run: Run = { studyCase, settings, corpus, computation, context, state };
  const save = async (): Promise<void> => context.store?.save(studyCase.label, packState(state, identity));
  await train(run, save);
  const rows = rowsOf(run);
  const last = rows.at(-1)!;
  return [...rows.slice(0, -1), { ...last, validation_loss: await heldOutLoss(run) }];
}

async function openState(
  { label }: TrainingCase,
  identity: RunIdentity,
  { store }: StudyContext,
): Promise<TrainingState> {
  const saved = await store?.load(label);
  return saved === undefined ? startTraining(identity.settings) : unpackState(saved, identity, store!.place(label));
}

/** Takes the steps that are left. State is saved now and then, at the end, and where the run is interrupted between two steps. */
async function train({ settings, corpus, computation, context, state, studyCase }: Run, save: () => Promise<void>) {
  const { reports } = state;
  if (reports.length === settings.steps) return;
  let saved = performance.now();
  let average = smooth(reports.map(({ loss }) => loss)).at(-1);
  while (reports.length < settings.steps) {
    try {
      await context.progress(reports.length / settings.steps, `step ${reports.length} of ${settings.steps}`);
    } catch (error) {
      if (error instanceof Fp8labError && error.kind === 'interrupted' && reports.length > 0) await save();
      throw error;
    }
    const { loss } = await trainStep(state, settings, corpus, computation.precision);
    average = smoothed(average, loss);
    const row = common(studyCase, settings, computation.engine, reports.length);
    context.watch({ ...row, loss, smoothed_loss: average });
    if (performance.now() - saved > saveEvery) {
      await save();
      saved = performance.now();
    }
  }
  await save();
}

const common = (
  { run, seed }: TrainingCase,
  { sequences, length }: TrainingSettings,
  engine: string,
  step: number,
) => ({
  run,
  seed,
  engine,
  step,
  tokens: step * sequences * length,
});

function rowsOf({ studyCase, settings, computation, state: { reports } }: Run): Row[] {
  const averages = smooth(reports.map(({ loss }) => loss));
  return reports.map(({ loss, norm, imbalance }, index) => ({
    ...common(studyCase, settings, computation.engine, index + 1),
    loss,
    smoothed_loss: averages[index]!,
    gradient_norm: norm,
    imbalance,
    validation_loss: null,
  }));
}

function heldOutLoss({ state, settings, corpus, computation }: Run): Promise<number> {
  const tokens = heldOutBatches * settings.sequences * settings.length;
  return validate(state, settings, corpus, computation.precision, tokens);
}

/** DeepSeek-V3's training recipe against bf16 and f32 on a small mixture of experts. */
export const training = defineStudy({
  name: 'training',
  title: 'Training in FP8 against bf16 and f32',
  source: 'DeepSeek-V3 report, 3.3, 2.1.2, 4.2 and Appendix B',
  question:
    'How far is the loss of a mixture of experts trained with the FP8 recipe from that of bf16, and how far are runs apart that differ by rounding alone?',
  options: trainingOptions,
  columns: trainingColumns,
  resumable: true,
  live: { x: 'step', y: 'smoothed_loss', series: 'run' },
  cases: trainingCases,
  run: runCase,
  present: presentTraining,
});
