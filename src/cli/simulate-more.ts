import { join } from 'node:path';
import { exitCodes } from '../errors.ts';
import { ganttPicture } from '../simulate/gantt.ts';
import { type SweepAxis, type WhyQuestion, whyQuestions } from '../simulate/names.ts';
import { bubbleFormula, type Pipeline, pipelineMemory, simulatePipeline } from '../simulate/pipeline.ts';
import * as published from '../simulate/published.ts';
import { compareReplanning } from '../simulate/replanning.ts';
import { type SweepRow, sweepSteps } from '../simulate/sweep.ts';
import { sweepPicture } from '../simulate/sweep-picture.ts';
import { why } from '../simulate/why.ts';
import { makeFolder } from '../tensors/files.ts';
import type { Io } from './io.ts';
import { requireEnding, writeOutput } from './moe.ts';
import { breathe, startProgress } from './progress.ts';
import { scenarioJson } from './simulate.ts';
import { type DeploymentOptions, measuredOrNot, scenarioOf } from './simulate-options.ts';
import { table } from './table.ts';

/** Options of `fp8lab simulate sweep`. */
export interface SweepOptions extends DeploymentOptions {
  readonly values: readonly number[];
  readonly picture?: string;
  readonly csv?: string;
}

const sweepColumns = [
  'ms',
  'tokens/s a node',
  'compute busy',
  'IB busy',
  'max/mean rows',
  'experts GB a GPU',
  'bottleneck',
];

const sweepCells = ({ result, expertGB }: SweepRow): string[] => [
  (result.seconds * 1e3).toFixed(2),
  String(Math.round(result.tokensPerSecondPerNode)),
  result.utilization.computeMean.toFixed(3),
  result.utilization.ib.toFixed(3),
  result.imbalance.toFixed(3),
  expertGB.toFixed(1),
  result.bottleneck,
];

/** `fp8lab simulate sweep`: a table and a plot over one setting. */
export async function sweepCommand(axis: SweepAxis, options: SweepOptions, io: Io): Promise<number> {
  requireEnding(options.picture, ['.svg'], '--picture');
  requireEnding(options.csv, ['.csv'], '--csv');
  const scenario = await scenarioOf(options);
  const bar = startProgress(io, 'values', options.values.length);
  const rows: SweepRow[] = [];
  try {
    for (const [at, step] of sweepSteps(scenario, axis, options.values).entries()) {
      bar.update(at, String(options.values[at]));
      await breathe(io);
      rows.push(step());
    }
  } finally {
    bar.stop();
  }
  const lines = rows.map((row) => [String(row.value), ...sweepCells(row)]);
  if (options.csv !== undefined) {
    await writeOutput(
      options.csv,
      `${[[axis, ...sweepColumns], ...lines].map((cells) => cells.join(',')).join('\n')}\n`,
      io,
    );
  }
  if (options.picture !== undefined) await writeOutput(options.picture, sweepPicture(axis, rows, scenario), io);
  const json = { schemaVersion: 1, scenario: scenarioJson(scenario), axis, rows };
  io.stdout(options.json ? `${JSON.stringify(json)}\n` : table([[axis, ...sweepColumns], ...lines]));
  return exitCodes.ok;
}

/** Options of `fp8lab simulate replan`. */
export interface ReplanOptions extends DeploymentOptions {
  readonly steps: number;
  readonly minutes: number;
  readonly every: readonly number[];
}

/** `fp8lab simulate replan`: how often to place experts anew while loads drift. */
export async function replanCommand(options: ReplanOptions, io: Io): Promise<number> {
  const scenario = await scenarioOf(options);
  const { steps, minutes, every } = options;
  const rows = compareReplanning(scenario, { steps, minutes, every });
  const head = ['plan every', 'tokens/s a node', 'worst step', 'max/mean rows', 'copied GB', 'copy s', 'of the time'];
  const lines = rows.map((row) => [
    row.every === 0 ? 'never' : `${row.every * minutes} min`,
    String(Math.round(row.tokensPerSecondPerNode)),
    String(Math.round(row.worst)),
    row.imbalance.toFixed(3),
    row.copiedGB.toFixed(0),
    row.copySeconds.toFixed(3),
    `${(100 * row.copyShare).toFixed(3)} %`,
  ]);
  const json = { schemaVersion: 1, scenario: scenarioJson(scenario), steps, minutes, rows };
  io.stdout(options.json ? `${JSON.stringify(json)}\n` : table([head, ...lines]));
  return exitCodes.ok;
}

/** `fp8lab simulate why`: the plots with numbers behind three choices of DeepSeek-V3. */
export async function whyCommand(
  question: WhyQuestion | 'all',
  options: { folder?: string; json?: boolean },
  io: Io,
): Promise<number> {
  const questions = question === 'all' ? whyQuestions : [question];
  if (options.folder !== undefined) await makeFolder(options.folder);
  const bar = startProgress(io, 'questions', questions.length);
  const answers = [];
  try {
    for (const [at, name] of questions.entries()) {
      bar.update(at, name);
      await breathe(io);
      answers.push(why(name));
    }
  } finally {
    bar.stop();
  }
  if (options.folder !== undefined) {
    for (const { question: name, svg } of answers) await writeOutput(join(options.folder, `why-${name}.svg`), svg, io);
  }
  const json = { schemaVersion: 1, answers: answers.map(({ svg: _, points: __, ...answer }) => answer) };
  const text = answers.map(
    ({ answer, columns, rows }) => `${answer}\n\n${table([columns, ...rows.map((row) => row.map(String))])}`,
  );
  io.stdout(options.json ? `${JSON.stringify(json)}\n` : text.join('\n'));
  return exitCodes.ok;
}

/** `fp8lab simulate validate`: published figures beside simulated ones. Exit code 1 where one that should hold misses by over 20 %. */
export function validateCommand(options: { json?: boolean }, io: Io): number {
  const training = published.simulatedTraining();
  const held = [
    ...published.normalBandwidths(),
    ...published.secondBandwidths(),
    ...published.lowLatencies(),
    ...published.profiledKernels(),
    ...published.profiledAllToAll(),
    ...published.profiledTraining(training),
    ...published.servedPrefill(),
    ...published.servedDecode(),
    ...published.overlapGains(),
  ];
  const missed = [...published.profiledDispatch(), ...published.trained(training), ...published.averagePrefill()];
  const row = ({ what, unit, published: figure, simulated, error }: published.Comparison): string[] => [
    what,
    unit,
    String(figure),
    simulated.toFixed(simulated < 10 ? 2 : simulated < 100 ? 1 : 0),
    `${error >= 0 ? '+' : ''}${(100 * error).toFixed(1)} %`,
  ];
  const head = ['figure', 'unit', 'published', 'simulated', 'error'];
  if (options.json) io.stdout(`${JSON.stringify({ schemaVersion: 1, held, missed })}\n`);
  else {
    io.stdout(
      `${table([head, ...held.map(row)])}\nNot expected to hold; docs/simulation.md says why:\n${table(missed.map(row))}`,
    );
  }
  return held.every(({ error }) => Math.abs(error) <= 0.2) ? exitCodes.ok : exitCodes.mismatch;
}

/** Options of `fp8lab simulate pipeline`. */
export interface PipelineOptions extends Pipeline {
  readonly gantt?: string;
  readonly json?: boolean;
}

/** `fp8lab simulate pipeline`: the bubbles of a pipeline schedule, drawn. */
export async function pipelineCommand(options: PipelineOptions, io: Io): Promise<number> {
  requireEnding(options.gantt, ['.svg'], '--gantt');
  const { graph, timeline, bubbles } = simulatePipeline(options);
  const formula = bubbleFormula(options);
  const memory = pipelineMemory(options);
  const { schedule, stages, microBatches } = options;
  const busiest = Math.max(...bubbles);
  if (options.gantt !== undefined) {
    const svg = ganttPicture(graph, timeline, {
      title: `${schedule}: ${stages} stages, ${microBatches} micro-batches, bubble ${busiest.toFixed(2)} of ${timeline.makespan.toFixed(2)}`,
      subtitle: `formula ${formula.toFixed(2)}; parameters ${memory.parameters} times, activations of ${memory.activations} chunks, ${memory.devices} devices`,
      lanes: bubbles.map((_, device) => ({ stream: device, name: `device ${device}` })),
      unit: ['units of time', 1],
    });
    await writeOutput(options.gantt, svg, io);
  }
  const json = {
    schemaVersion: 1,
    schedule,
    stages,
    microBatches,
    step: timeline.makespan,
    bubbles,
    formula,
    ...memory,
  };
  const rows = [
    ['step', timeline.makespan.toFixed(3)],
    ['bubble of a device', `${Math.min(...bubbles).toFixed(3)} to ${busiest.toFixed(3)}`],
    ['by the formula', formula.toFixed(3)],
    ['parameters', `${memory.parameters} times`],
    ['activations', `${memory.activations} chunks`],
    ['devices', String(memory.devices)],
  ];
  io.stdout(options.json ? `${JSON.stringify(json)}\n` : table(rows));
  return exitCodes.ok;
}

/** `fp8lab simulate hardware`: a node type as JSON, to read or to start one's own from. */
export async function hardwareCommand(name: string, { measured }: { measured?: string }, io: Io): Promise<number> {
  io.stdout(`${JSON.stringify(await measuredOrNot(name, measured), null, 2)}\n`);
  return exitCodes.ok;
}
