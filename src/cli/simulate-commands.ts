import { Argument, type Command, InvalidArgumentError, Option } from 'commander';
import { hardwareNames, pipelineSchedules, sweepAxes, whyQuestions } from '../simulate/names.ts';
import type { Io } from './io.ts';
import { numberOption } from './options.ts';

const number = (flags: string, description: string, value?: number): Option => {
  const option = new Option(flags, description).argParser(numberOption(flags.split(' ')[0]!));
  return value === undefined ? option : option.default(value);
};

const json = (): Option => new Option('--json', 'print one JSON object');

function numberList(text: string): number[] {
  const parts = text.split(',');
  const values = parts.map(Number);
  if (parts.every((part) => part.trim() !== '') && values.every(Number.isFinite)) return values;
  throw new InvalidArgumentError('give numbers with commas between, as in 4,8,12.');
}

function addDeployment(command: Command): Command {
  return command
    .option('--hardware <name>', `node type: ${hardwareNames.join(', ')}, or a JSON file of one`, 'h800')
    .option('--measured <file>', 'lines of `fp8lab-bench run`, whose speeds take the place of the node type')
    .addOption(
      new Option('--phase <phase>', 'what the step does').choices(['prefill', 'decode', 'training']).default('prefill'),
    )
    .addOption(number('--nodes <n>', 'nodes; default: 4, in training 8'))
    .addOption(
      number('--tokens <n>', 'tokens a GPU in a step; default: 16384 in prefill, 128 in decode, 4096 in training'),
    )
    .addOption(number('--context <n>', 'length of prompts, or of the cache', 4096))
    .addOption(number('--cached <n>', 'tokens of each prompt that a cache holds already', 0))
    .addOption(new Option('--overlap <form>', 'two micro-batches, or none').choices(['two', 'none']).default('two'))
    .addOption(number('--comm-sms <n>', 'SMs for the all-to-all of prefill', 20))
    .addOption(
      new Option('--launch <way>', 'who posts the messages of decode').choices(['ibgda', 'proxy']).default('ibgda'),
    )
    .addOption(number('--redundant <n>', 'duplicates of a layer', 0))
    .addOption(number('--hosted <n>', 'dynamic redundancy: experts a GPU holds'))
    .addOption(number('--active <n>', 'dynamic redundancy: experts a GPU activates; default: all it holds'))
    .addOption(
      number(
        '--plan-us <n>',
        'microseconds of the optimum before each dispatch; default: 4200 with --hosted, as measured on a CPU core',
      ),
    )
    .addOption(
      new Option('--planning <form>', 'a kernel and an exchange of its own, or in the dispatch')
        .choices(['separate', 'fused'])
        .default('separate'),
    )
    .addOption(number('--group-limit <n>', "groups a token may choose from; default: the model's 4"))
    .addOption(number('--skew <s>', "exponent of Zipf's law of the experts' popularity", 0))
    .addOption(number('--drift <d>', 'how far loads have moved since experts were placed, 0 to 1', 0))
    .addOption(number('--seed <n>', 'seed of whatever is drawn', 1))
    .addOption(number('--layers <n>', "layers; default: the model's 61, in training 4 of a stage"))
    .option('--loads <file>', 'loads or topk_idx instead of generated ones: CSV, JSON, safetensors')
    .option('--plan <file>', 'placement, as `fp8lab moe plan --out` writes it')
    .addOption(json());
}

/** Adds `simulate` and its subcommands. */
export function addSimulateCommands(
  program: Command,
  io: Io,
  finish: (code: number) => void,
  examples: (lines: readonly string[]) => string,
): void {
  const simulate = program
    .command('simulate')
    .description('simulate a deployment: overlap, SM budget, redundancy, pipelines')
    .addHelpText(
      'before',
      examples([
        'simulate --nodes 4 --gantt prefill.svg',
        'simulate --phase decode --nodes 18 --tokens 88 --redundant 32',
        'simulate --phase training --schedule DualPipe --gantt pair.svg',
        'simulate why all --folder plots',
        'simulate step -h',
      ]),
    );
  addDeployment(
    simulate.command('step', { isDefault: true }).description('one step of a deployment (what `simulate` alone does)'),
  )
    .addOption(
      new Option('--schedule <name>', 'pipeline schedule of training')
        .choices([...pipelineSchedules])
        .default('DualPipe'),
    )
    .addOption(number('--stages <n>', 'stages of the pipeline of training', 16))
    .addOption(number('--micro-batches <n>', 'micro-batches of a step of training', 120))
    .option('--gantt <file>', 'draw some layers of it, as SVG')
    .addOption(number('--show-layers <n>', 'layers that --gantt shows', 3))
    .option('--trace <file>', 'write the timeline for Perfetto, as JSON')
    .option('--out <file>', 'write the result as JSON')
    .addHelpText(
      'before',
      examples(['simulate step --nodes 4 --trace step.json', 'simulate step --hosted 16 --active 9 --skew 0.8']),
    )
    .action(async (options) => finish(await (await import('./simulate.ts')).simulateCommand(options, io)));
  addDeployment(
    simulate
      .command('sweep')
      .description('a table and a plot over one setting')
      .addArgument(new Argument('<setting>', 'what changes').choices(sweepAxes)),
  )
    .addOption(new Option('--values <list>', 'its values').argParser(numberList).makeOptionMandatory())
    .option('--picture <file>', 'draw it, as SVG')
    .option('--csv <file>', 'write the table as CSV')
    .addHelpText(
      'before',
      examples([
        'simulate sweep comm-sms --values 4,8,12,16,20,24,32,40 --picture sms.svg',
        'simulate sweep group-limit --nodes 8 --values 1,2,4,8',
      ]),
    )
    .action(async (axis, options) =>
      finish(await (await import('./simulate-more.ts')).sweepCommand(axis, options, io)),
    );
  addDeployment(simulate.command('replan').description('placing experts anew every so often, while loads drift'))
    .addOption(number('--steps <n>', 'steps that are simulated', 6))
    .addOption(number('--minutes <n>', 'minutes from one to the next; loads change by --drift in that time', 10))
    .addOption(
      new Option('--every <list>', 'steps between plans, 0 for never')
        .argParser(numberList)
        .default([0, 1, 3], '0,1,3'),
    )
    .addHelpText(
      'before',
      examples(['simulate replan --redundant 32 --skew 0.8 --drift 0.1 --steps 12 --every 0,1,2,4']),
    )
    .action(async (options) => finish(await (await import('./simulate-more.ts')).replanCommand(options, io)));
  simulate
    .command('why')
    .description('the numbers behind choices of DeepSeek-V3, as plots')
    .addArgument(new Argument('<question>', 'which').choices([...whyQuestions, 'all']))
    .option('--folder <folder>', 'write the plots here, as SVG')
    .addOption(json())
    .addHelpText('before', examples(['simulate why all --folder plots', 'simulate why 20-sms']))
    .action(async (question, options) =>
      finish(await (await import('./simulate-more.ts')).whyCommand(question, options, io)),
    );
  simulate
    .command('validate')
    .description('published figures beside simulated ones')
    .addOption(json())
    .addHelpText('before', examples(['simulate validate']))
    .action(async (options) => finish((await import('./simulate-more.ts')).validateCommand(options, io)));
  simulate
    .command('pipeline')
    .description('pipeline schedules and their bubbles')
    .addOption(new Option('--schedule <name>', 'which').choices([...pipelineSchedules]).default('DualPipe'))
    .addOption(number('--stages <n>', 'stages', 8))
    .addOption(number('--micro-batches <n>', 'micro-batches', 20))
    .addOption(number('--forward <time>', 'time of a forward chunk', 1))
    .addOption(number('--backward <time>', 'time of a whole backward chunk', 2))
    .addOption(number('--weights <time>', 'part of it that is for weights', 1))
    .addOption(number('--overlapped <time>', 'time of a forward and a backward that overlap; default: their sum'))
    .option('--gantt <file>', 'draw it, as SVG')
    .addOption(json())
    .addHelpText(
      'before',
      examples([
        'simulate pipeline --schedule DualPipe --stages 8 --gantt dualpipe.svg',
        'simulate pipeline --schedule 1F1B --weights 0.9',
      ]),
    )
    .action(async (options) => finish(await (await import('./simulate-more.ts')).pipelineCommand(options, io)));
  simulate
    .command('hardware')
    .description("a node type with the source of every figure, as JSON: a start for one's own")
    .argument('[name]', hardwareNames.join(', '), 'h800')
    .option('--measured <file>', 'lines of `fp8lab-bench run`, whose speeds take the place of the node type')
    .addHelpText(
      'before',
      examples(['simulate hardware h100 > mine.json', 'simulate hardware h200 --measured bench.jsonl']),
    )
    .action(async (name, options) =>
      finish(await (await import('./simulate-more.ts')).hardwareCommand(name, options, io)),
    );
}
