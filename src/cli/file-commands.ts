import { type Command, Option } from 'commander';
import type { Io } from './io.ts';

/** Options that quantize and dequantize share. */
function addConversion(command: Command): Command {
  return command
    .argument('<in>', 'safetensors file, or checkpoint folder with model.safetensors.index.json')
    .argument('<out>', 'file or folder to write')
    .option('--part <i/n>', 'do the i-th of n parts of the shards, for job arrays')
    .option('--workers <n>', 'worker threads; default: one a core')
    .option('--force', 'write over what another run with other options left')
    .addOption(new Option('--json', 'print one JSON object'));
}

/** Adds the commands that work on safetensors files and checkpoints. */
export function addFileCommands(
  program: Command,
  io: Io,
  finish: (code: number) => void,
  examples: (lines: readonly string[]) => string,
): void {
  program
    .command('inspect')
    .description('what is in a file or checkpoint, and what FP8 would do to it')
    .argument('<path>', 'safetensors file or checkpoint folder')
    .option('--schemes <names...>', 'scheme presets to try')
    .option('--sample <n>', 'elements looked at in each tensor, about; 0 for all')
    .option('--workers <n>', 'worker threads; default: one a core')
    .addOption(new Option('--json', 'print one JSON object'))
    .addHelpText('before', examples(['inspect model.safetensors', 'inspect model-folder --sample 0 --json']))
    .action(async (path, options) =>
      finish(await (await import('./inspect.ts')).inspectCommand({ path, ...options }, io)),
    );
  addConversion(program.command('quantize').description('quantize the weights of a file or checkpoint, streamed'))
    .requiredOption('--scheme <preset>', 'scheme preset; `fp8lab spec presets` lists them')
    .option('--include <glob...>', 'tensors to quantize, instead of the default choice')
    .option('--exclude <glob...>', 'tensors to leave as they are')
    .option('--verify', 'read the result back and hold it against the reference')
    .addHelpText(
      'before',
      examples([
        'quantize model-bf16 model-fp8 --scheme weight-128x128',
        'quantize model-bf16 model-fp8 --scheme weight-128x128-pow2 --part 2/8 --verify',
        'quantize model.safetensors model-mxfp4.safetensors --scheme mxfp4 --include "*.experts.*"',
      ]),
    )
    .action(async (input, output, options) =>
      finish(await (await import('./quantize.ts')).quantizeCommand({ input, output, ...options }, io)),
    );
  addConversion(
    program.command('dequantize').description('turn the quantized weights of a file or checkpoint back to bf16'),
  )
    .addHelpText('before', examples(['dequantize DeepSeek-V3 DeepSeek-V3-bf16']))
    .action(async (input, output, options) =>
      finish(await (await import('./dequantize.ts')).dequantizeCommand({ input, output, ...options }, io)),
    );
}
