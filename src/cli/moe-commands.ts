import { type Command, Option } from 'commander';
import { deepseekV3ExpertBytes } from '../moe/moves.ts';
import type { Io } from './io.ts';
import { numberOption } from './options.ts';

const number = (flags: string, description: string, value: number): Option =>
  new Option(flags, description).argParser(numberOption(flags.split(' ')[0]!)).default(value);

/** Options that make loads where no file is named. */
function addRecipe(command: Command, steps: number): Command {
  return command
    .addOption(number('--layers <n>', 'layers of generated loads', 4))
    .addOption(number('--experts <n>', 'experts of generated loads, and of a safetensors file', 256))
    .addOption(number('--steps <n>', 'steps of generated loads', steps))
    .addOption(number('--tokens <n>', 'tokens of a generated step', 131072))
    .addOption(number('--top-k <n>', 'experts a token chooses', 8))
    .addOption(number('--skew <s>', "exponent of Zipf's law of generated loads; 0: all alike", 0.8))
    .addOption(number('--drift <d>', 'how fast popularity changes hands, 0 to 1 a step', 0.1))
    .addOption(number('--seed <n>', 'seed of whatever is generated', 1));
}

function addPlacement(command: Command): Command {
  return command
    .addOption(number('--nodes <n>', 'nodes', 4))
    .addOption(number('--gpus <n>', 'GPUs of all nodes together', 32))
    .addOption(number('--redundant <n>', 'duplicates of a layer over all nodes', 32))
    .addOption(number('--expert-bytes <n>', 'bytes of an expert that is copied', deepseekV3ExpertBytes))
    .option('--out <file>', 'write the result as JSON')
    .option('--picture <file>', 'draw it, as SVG')
    .addOption(new Option('--json', 'print one JSON object'));
}

/** Adds `moe route`, `moe generate`, `moe plan` and `moe simulate`. */
export function addMoeCommands(
  program: Command,
  io: Io,
  finish: (code: number) => void,
  examples: (lines: readonly string[]) => string,
): void {
  const moe = program
    .command('moe')
    .description('route tokens and place experts on GPUs: plans, redundancy, traffic')
    .addHelpText(
      'before',
      examples([
        'moe route gate/dsv3 --picture route.svg',
        'moe plan loads.csv --picture plan.svg',
        'moe simulate --steps 48 --drift 0.2',
        'moe generate --out loads.csv',
      ]),
    );
  moe
    .command('route')
    .description('where the tokens of a gate spec go: experts, GPUs, nodes, bytes of the links')
    .argument('<spec>', 'a gate spec: its name or file')
    .addOption(number('--nodes <n>', 'nodes', 4).conflicts('from'))
    .addOption(number('--gpus <n>', 'GPUs of all nodes together', 32).conflicts('from'))
    .option(
      '--from <plan>',
      'where the experts are, on what GPUs and nodes, as --out of moe plan; default: placed evenly',
    )
    .option('--inputs <file>', 'logits and bias of your own, safetensors')
    .option('--out <file>', 'write the result as JSON')
    .option('--picture <file>', 'draw it, as SVG')
    .addOption(new Option('--json', 'print one JSON object'))
    .addHelpText(
      'before',
      examples([
        'moe route gate/dsv3 --picture route.svg',
        'moe route gate/dsv3 --nodes 8 --gpus 64 --json',
        'moe route my-gate.json --inputs captured.safetensors --from plan.json',
      ]),
    )
    .action(async (name, options) => finish(await (await import('./moe-route.ts')).moeRouteCommand(name, options, io)));
  addRecipe(moe.command('generate').description('loads to try with: a Zipf law whose order drifts'), 1)
    .option('--out <file>', 'write them to this .csv or .json file; default: CSV on stdout')
    .addOption(new Option('--json', 'print one JSON object'))
    .addHelpText(
      'before',
      examples(['moe generate --out loads.csv', 'moe generate --layers 58 --steps 24 --drift 0.2 --out loads.json']),
    )
    .action(async (options) => finish(await (await import('./moe-generate.ts')).moeGenerateCommand(options, io)));
  addRecipe(
    addPlacement(moe.command('plan').description('which experts to duplicate and where all go, from their loads'))
      .argument('[loads]', 'CSV, JSON, or safetensors with topk_idx; default: generated loads')
      .addOption(
        new Option('--policy <name>', 'in-node: experts keep their node; hierarchical and global: EPLB')
          .choices(['in-node', 'hierarchical', 'global'])
          .default('in-node'),
      )
      .addOption(number('--groups <n>', 'groups of experts of the gate', 8))
      .addOption(number('--group-limit <n>', 'groups that a drawn token may choose', 4))
      .addOption(number('--sample-tokens <n>', 'tokens drawn to count traffic, where the file has none', 4096))
      .addOption(new Option('--slots <n>', 'experts a GPU has room for').argParser(numberOption('--slots')))
      .option('--from <plan>', 'where the experts are now, as an earlier --out; default: placed evenly'),
    1,
  )
    .addHelpText(
      'before',
      examples([
        'moe plan examples/loads/loads.csv --picture plan.svg --out plan.json',
        'moe plan routing.safetensors --policy hierarchical',
        'moe plan today.csv --from plan.json --out next.json',
      ]),
    )
    .action(async (path, options) => finish(await (await import('./moe-plan.ts')).moePlanCommand(path, options, io)));
  addRecipe(
    addPlacement(moe.command('simulate').description('a series of loads under four ways to place experts'))
      .argument('[loads]', 'CSV or JSON with several steps; default: generated loads')
      .addOption(number('--window <n>', 'steps that statistics are kept for', 4))
      .addOption(number('--every <n>', 'steps between plans', 4))
      .addOption(number('--min-gain <share>', 'take a plan only where max/mean falls by this share', 0))
      .addOption(number('--hosted <n>', 'experts a GPU holds under dynamic redundancy', 16))
      .addOption(number('--active <n>', 'experts a GPU activates a step under dynamic redundancy', 9)),
    24,
  )
    .addHelpText(
      'before',
      examples(['moe simulate --picture drift.svg', 'moe simulate loads.json --window 6 --every 2 --json']),
    )
    .action(async (path, options) =>
      finish(await (await import('./moe-simulate.ts')).moeSimulateCommand(path, options, io)),
    );
}
