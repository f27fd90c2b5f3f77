import { Command } from 'commander';
import { exitCodes } from '../errors.ts';
import type { RunRecord } from '../studies/csv.ts';
import { studies, studyOf } from '../studies/index.ts';
import { studyGenerators } from '../studies/matrix.ts';
import {
  type AnyOptionValues,
  defaultOf,
  flagOf,
  type OptionDeclaration,
  optionText,
  readOptions,
} from '../studies/options.ts';
import { inputsOf } from '../studies/run.ts';
import type { Finding, Row, Study, StudyTable } from '../studies/study.ts';
import type { Io } from './io.ts';
import { type Part, parsePart } from './part.ts';
import { shellWord } from './shell.ts';
import { type Computed, computeStudy } from './study/compute.ts';
import { createInputLoader } from './study/inputs.ts';
import { checkFolder, writeStudy } from './study/output.ts';
import { table } from './table.ts';
import { packageVersion } from './version.ts';

/** Options that every study has. */
interface CommonOptions {
  readonly input?: readonly string[];
  readonly out?: string;
  readonly checkpoint?: string;
  readonly part?: Part;
  readonly json?: boolean;
}

const commonNames: readonly string[] = ['input', 'out', 'checkpoint', 'part', 'json'];

/** `fp8lab study ARGUMENTS...`: a command a study, its options from the study's own declarations. */
export async function studyCommand(argv: readonly string[], io: Io): Promise<number> {
  let code: number = exitCodes.ok;
  const program = buildStudies(io, (finished) => {
    code = finished;
  });
  const [name] = argv;
  if (name === undefined) {
    program.outputHelp();
    return exitCodes.usage;
  }
  if (!name.startsWith('-') && name !== 'help') studyOf(name);
  await program.parseAsync([...argv], { from: 'user' });
  return code;
}

function buildStudies(io: Io, finish: (code: number) => void): Command {
  const program = new Command('fp8lab study')
    .description("the paper's experiments as commands: table, CSV, plots")
    .exitOverride()
    .showHelpAfterError('fix: run the command with -h for its options')
    .configureOutput({ writeOut: (text) => io.stdout(text), writeErr: (text) => io.stderr(text) })
    .addHelpText(
      'before',
      'Examples:\n  $ fp8lab study promotion\n  $ fp8lab study granularity --input model.safetensors:model.layers.0.mlp.up_proj.weight --out results\n  $ fp8lab study formats --json\n',
    );
  for (const study of studies) {
    const command = program.command(study.name).description(study.title).copyInheritedSettings(program);
    addOptions(command, study);
    command.action(async (given) => finish(await runOne(study, given, io)));
  }
  return program;
}

function addOptions(command: Command, study: Study): void {
  const sample = Object.entries(study.options).find(([, option]) => option.kind !== 'flag');
  const lines = [`study ${study.name}`, `study ${study.name} --out results`];
  if (sample !== undefined) {
    lines.push(`study ${study.name} ${flagOf(sample[0])} ${optionText(defaultOf(sample[1]) as never)} --json`);
  }
  if (study.resumable) lines.push(`study ${study.name} --checkpoint runs`);
  if (study.inputs !== undefined) lines.push(`study ${study.name} --input model.safetensors:layer.weight`);
  command.addHelpText('before', `Examples:\n${lines.map((line) => `  $ fp8lab ${line}\n`).join('')}`);
  command.addHelpText('after', `\n${study.question}\nSource: ${study.source}`);
  for (const [name, option] of Object.entries(study.options)) {
    command.option(optionFlags(name, option), optionHelp(option));
  }
  if (study.inputs !== undefined) {
    const generators = studyGenerators.join(', ');
    command.option(
      '--input <what...>',
      `FILE.safetensors:TENSOR, or a generator (${generators}; as outlier-channels:share=0.02,factor=64); default: ${study.inputs.join(' ')}`,
    );
  }
  if (study.resumable) {
    command.option('--checkpoint <folder>', 'keep the state of every run there, and go on from what is there');
  }
  command
    .option('--out <folder>', 'write CSV, SVG and PNG there')
    .option('--part <i/n>', 'do the i-th of n parts, for job arrays; needs --out', parsePart)
    .option('--json', 'print one JSON object');
}

function optionFlags(name: string, { kind }: OptionDeclaration): string {
  switch (kind) {
    case 'flag':
      return flagOf(name);
    case 'integers':
    case 'choices':
      return `${flagOf(name)} <list>`;
    case 'choice':
      return `${flagOf(name)} <choice>`;
    default:
      return `${flagOf(name)} <n>`;
  }
}

function optionHelp(option: OptionDeclaration): string {
  if (option.kind === 'flag') return option.text;
  const choices = 'choices' in option ? ` (${option.choices.join(', ')})` : '';
  return `${option.text}${choices}; default: ${optionText(option.default as never)}`;
}

/** commander reads `--no-promotion` as the option `promotion` set to false; a study that declares `noPromotion` means the flag itself. */
function negated(study: Study, name: string, value: unknown): [string, unknown] {
  const flag = `no${name.charAt(0).toUpperCase()}${name.slice(1)}`;
  return study.options[flag]?.kind === 'flag' ? [flag, value === false] : [name, value];
}

/** The command that makes the same numbers again: what differs from the defaults. */
export function commandOf(study: Study, options: AnyOptionValues, inputs: readonly string[]): string {
  const words = Object.entries(study.options).flatMap(([name, option]) => {
    const value = options[name] as AnyOptionValues[string];
    if (optionText(value) === optionText(defaultOf(option) as never)) return [];
    return option.kind === 'flag' ? [flagOf(name)] : [flagOf(name), optionText(value)];
  });
  const own = study.inputs !== undefined && inputs.join('\n') !== study.inputs.join('\n');
  return ['fp8lab', 'study', study.name, ...words, ...(own ? ['--input', ...inputs] : [])].map(shellWord).join(' ');
}

async function runOne(study: Study, given: Readonly<Record<string, unknown>> & CommonOptions, io: Io): Promise<number> {
  const own = Object.fromEntries(
    Object.entries(given)
      .filter(([name]) => !commonNames.includes(name))
      .map(([name, value]) => negated(study, name, value)),
  );
  const options = readOptions(study.options, own);
  const inputs = inputsOf(study, given.input);
  const leave: (() => Promise<void>)[] = [];
  if (given.out !== undefined) leave.push(await checkFolder(given.out, '--out'));
  if (given.checkpoint !== undefined) leave.push(await checkFolder(given.checkpoint, '--checkpoint'));
  const loader = createInputLoader(options);
  const work = { options, inputs, loader, out: given.out, checkpoint: given.checkpoint, part: given.part };
  const computed = await computeStudy(study, work, io).catch(async (error) => {
    for (const step of leave) await step();
    throw error;
  });
  const record: RunRecord = {
    study: study.name,
    command: commandOf(study, options, inputs),
    version: packageVersion(),
    options,
    inputs,
    notes: computed.notes,
  };
  if (computed.rows === undefined) return tellPart(study, computed, given, io);
  const rows = computed.rows;
  const { tables, charts, findings } = study.present(rows, options);
  const files = given.out === undefined ? [] : await writeStudy(given.out, record, study, rows, charts, io);
  io.stdout(
    given.json
      ? `${JSON.stringify(jsonOf(study, record, rows, findings, files), null, 2)}\n`
      : textOf(study, record, tables, findings, files),
  );
  return exitCodes.ok;
}

/** A part that is done while others are not: nothing to show yet. */
function tellPart(study: Study, { missing }: Computed, { out, json }: CommonOptions, io: Io): number {
  if (json) {
    io.stdout(`${JSON.stringify({ schemaVersion: 1, study: study.name, complete: false, missing }, null, 2)}\n`);
  } else {
    io.stdout(`done; parts still missing in ${out}: ${missing.join(', ')}\n`);
  }
  return exitCodes.ok;
}

function jsonOf(
  study: Study,
  record: RunRecord,
  rows: readonly Row[],
  findings: readonly Finding[],
  files: readonly string[],
): object {
  const { title, source, columns } = study;
  return { schemaVersion: 1, ...record, title, source, complete: true, columns, rows, findings, files };
}

function textOf(
  study: Study,
  { command, notes }: RunRecord,
  tables: readonly StudyTable[],
  findings: readonly Finding[],
  files: readonly string[],
): string {
  const parts = [
    `${study.title}\n${study.source}\n`,
    ...notes.map((note) => `note: ${note}\n`),
    ...tables.map(({ title, heads, rows }) => `\n${title}\n${table([heads, ...rows])}`),
    findings.length > 0 ? '\n' : '',
    ...findings.map(({ text, published }) => `- ${text}${published ? `\n  published: ${published}` : ''}\n`),
    `\nagain: ${command}\n`,
    ...files.map((file) => `wrote ${file}\n`),
  ];
  return parts.join('');
}
