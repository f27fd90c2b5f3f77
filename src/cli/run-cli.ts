import { Command, CommanderError, Option } from 'commander';
import { exitCodes, Fp8labError } from '../errors.ts';
import { addFileCommands } from './file-commands.ts';
import type { Io } from './io.ts';
import { addMoeCommands } from './moe-commands.ts';
import { portNumber, positiveNumber, timeLimit, wholeNumber } from './options.ts';
import { parsePart } from './part.ts';
import { collectShader } from './shaders.ts';
import { addSimulateCommands } from './simulate-commands.ts';
import { packageVersion } from './version.ts';

/** What a command says when it is done: its exit code. */
type Finish = (code: number) => void;

const adapter = () =>
  new Option('--adapter <choice>', 'which WebGPU adapter: a GPU where there is one, or a CPU that plays one')
    .choices(['auto', 'hardware', 'software'])
    .default('auto');
const tier = () =>
  new Option('--tier <tier>', 'exact: the same bits everywhere; fast: plain f32 on the GPU')
    .choices(['exact', 'fast'])
    .default('exact');
const json = () => new Option('--json', 'print one JSON object');
const shader = () =>
  new Option(
    '--shader <file>',
    'WGSL in place of the shipped shader of its name; [PATH=]FILE, may be given again; WebGPU backends alone take it',
  ).argParser(collectShader);
const timeout = (seconds: number) =>
  new Option('--timeout <seconds>', 'give a run up after this long').argParser(timeLimit('--timeout')).default(seconds);

const variant = () =>
  new Option(
    '--variant <family=name>',
    "take this variant of the fast tier's shaders, not the one that a trial finds fastest",
  );

/** Help that begins with examples. */
function examples(lines: readonly string[]): string {
  return `Examples:\n${lines.map((line) => `  $ fp8lab ${line}\n`).join('')}`;
}

function addParity(program: Command, io: Io, finish: Finish): void {
  program
    .command('parity')
    .description('run specs on every backend and hold the results against the reference, bit for bit')
    .argument(
      '[spec...]',
      'spec files, folders, shipped names, or kernels (all their shipped specs); default: all shipped specs',
    )
    .option('--backends <list>', 'comma-separated; default: all that this machine can run')
    .addOption(adapter())
    .addOption(tier())
    .addOption(variant())
    .addOption(shader())
    .option('--report <file>', 'write a self-contained HTML page')
    .option('--record <folder>', 'write the digests of the results as evidence')
    .option('--against <folder>', 'hold the results against recorded evidence')
    .option('--part <i/n>', 'do the i-th of n parts, for job arrays', parsePart)
    .option('--large', 'run the full-size specs too')
    .addOption(timeout(300))
    .addOption(json())
    .addHelpText(
      'before',
      examples([
        'parity --report parity.html',
        'parity gemm/dsv3-moe-gate-up --backends webgpu:node,webgpu:deno',
        'parity gate moe-layer',
        'parity my-kernel.json --tier fast --json',
        'parity quantize/mxfp8 --shader quantize_lines.wgsl --backends webgpu:node',
      ]),
    )
    .action(async (names, options) => finish(await (await import('./parity.ts')).parityCommand(names, options, io)));
}

function addRun(program: Command, io: Io, finish: Finish): void {
  program
    .command('run')
    .description('run one spec on one backend')
    .argument('<spec>', 'spec file or shipped name')
    .option(
      '--backend <name>',
      'reference, webgpu:node, webgpu:deno, webgpu:chromium, native:host, native:cuda; default: reference, with --shader webgpu:node',
    )
    .addOption(adapter())
    .addOption(tier())
    .addOption(variant())
    .addOption(shader())
    .option('--inputs <file>', 'take the inputs from this safetensors file')
    .option('--out <file>', 'write the results to this safetensors file')
    .addOption(timeout(600))
    .addOption(json())
    .addHelpText(
      'before',
      examples([
        'run gemm/dsv3-q-a --backend webgpu:node --out d.safetensors',
        'run my-spec.json --inputs captured.safetensors',
        'run quantize/mxfp8 --shader kernels/quantize_lines=mine.wgsl',
      ]),
    )
    .action(async (name, options) => finish(await (await import('./run.ts')).runCommand(name, options, io)));
}

function addBench(program: Command, io: Io, finish: Finish): void {
  program
    .command('bench')
    .description(
      'time specs on WebGPU, dispatch by dispatch, as shares of what the adapter reaches; results are verified first',
    )
    .argument('[spec...]', 'spec files or shipped names; default: a product and the three quantizers')
    .option('--backends <list>', 'comma-separated; default: all WebGPU runtimes of this machine')
    .addOption(adapter())
    .addOption(tier())
    .addOption(
      new Option('--samples <n>', 'batches timed of each dispatch')
        .argParser(wholeNumber('--samples', 10000))
        .default(5),
    )
    .addOption(
      new Option('--batch <ms>', 'a batch lasts at least this long').argParser(positiveNumber('--batch')).default(50),
    )
    .addOption(variant())
    .option('--every-variant', "time the fast tier's variants of each spec against each other, in the same rounds")
    .option('--against <list>', 'other libraries on the same page of Chromium, comma-separated: ort, jax-js, tfjs')
    .option('--sweep <extents=values...>', 'vary extents of the shape: m,n,k=128..1024 doubles, tokens=64,1000 lists')
    .option('--out <folder>', 'write CSV, and charts as SVG and PNG, there')
    .addOption(json())
    .addHelpText(
      'before',
      examples([
        'bench',
        'bench gemm/bench-1024 --tier fast --backends webgpu:chromium',
        'bench gemm/bench-1024 --tier fast --sweep m,n,k=128..1024 --out scaling',
        'bench quantize/bench-1024x7168 --every-variant',
        'bench --against ort,jax-js,tfjs',
        'bench --json',
      ]),
    )
    .action(async (names, options) => finish(await (await import('./bench.ts')).benchCommand(names, options, io)));
}

function addCompare(program: Command, io: Io, finish: Finish): void {
  program
    .command('compare')
    .description('hold the tensors of one file against those of another: bits, ULPs, SQNR, the worst elements')
    .argument('<a>', 'safetensors file with what is expected')
    .argument('<b>', 'safetensors file to hold against it')
    .addOption(json())
    .addHelpText('before', examples(['compare expected.safetensors mine.safetensors']))
    .action(async (a, b, options) => finish(await (await import('./compare.ts')).compareCommand(a, b, options, io)));
}

function addTrace(program: Command, io: Io, finish: Finish): void {
  program
    .command('trace')
    .description('work one element of a result out by hand: every operation, every bit that is cut')
    .argument('<spec>', 'spec file or shipped name')
    .requiredOption('--element <i,j>', 'coordinates of the element')
    .option('--tensor <name>', "result tensor; default: the spec's first")
    .option('--terms', 'show every product of every sum')
    .option('--report <file>', 'write a page with a picture of the bits of each sum')
    .option('--inputs <file>', 'take the inputs from this safetensors file')
    .addOption(json())
    .addHelpText(
      'before',
      examples([
        'trace gemm/dsv3-q-a --element 0,3 --report element.html',
        'trace quantize/mxfp4 --element 2,40 --tensor scales',
      ]),
    )
    .action(async (name, options) => finish(await (await import('./trace.ts')).traceCommand(name, options, io)));
}

function addDiagnose(program: Command, io: Io, finish: Finish): void {
  program
    .command('diagnose')
    .description('find out what a kernel really computed: which rule reproduces its result, bit for bit')
    .argument('<spec>', 'spec file or shipped name: what it should have computed')
    .requiredOption('--actual <file>', 'safetensors file with the result of the kernel')
    .option('--inputs <file>', 'the inputs that the kernel was given, where the spec does not generate them')
    .option('--separate <file>', 'write inputs that part the rules which these inputs do not')
    .addOption(
      new Option('--budget <seconds>', 'time for the search').argParser(positiveNumber('--budget')).default(15),
    )
    .addOption(json())
    .addHelpText(
      'before',
      examples([
        'diagnose gemm/dsv3-q-a --actual mine.safetensors',
        'diagnose my-spec.json --inputs captured.safetensors --actual captured.safetensors',
        'diagnose quantize/recipe-deepgemm --actual mine.safetensors --json',
      ]),
    )
    .action(async (name, options) => finish(await (await import('./diagnose.ts')).diagnoseCommand(name, options, io)));
}

function addSpec(program: Command, io: Io, finish: Finish): void {
  const spec = program
    .command('spec')
    .description('show specs: resolved, listed, their presets and schema')
    .addHelpText('before', examples(['spec list', 'spec resolve gemm/dsv3-wgrad', 'spec presets', 'spec schema']));
  spec
    .command('resolve')
    .description('print a spec with every field filled, and its identity')
    .argument('<spec>', 'spec file or shipped name')
    .addOption(json())
    .addHelpText('before', examples(['spec resolve gemm/dsv3-wgrad', 'spec resolve my-spec.json --json']))
    .action(async (name, options) => finish(await (await import('./spec.ts')).specResolveCommand(name, options, io)));
  spec
    .command('list')
    .description('list the shipped specs')
    .addOption(json())
    .addHelpText('before', examples(['spec list', 'spec list --json']))
    .action(async (options) => finish(await (await import('./spec.ts')).specListCommand(options, io)));
  spec
    .command('presets')
    .description('list the schemes, arithmetics and tensor-core models that have names')
    .addOption(json())
    .addHelpText('before', examples(['spec presets', 'spec presets --json']))
    .action(async (options) => finish(await (await import('./spec.ts')).specPresetsCommand(options, io)));
  spec
    .command('export')
    .description('write specs resolved, a file each')
    .argument('<folder>', 'where to')
    .argument(
      '[spec...]',
      'spec files, folders, shipped names, or kernels (all their shipped specs); default: all shipped specs',
    )
    .option('--large', 'the full-size specs too')
    .addOption(json())
    .addHelpText('before', examples(['spec export resolved', 'spec export resolved gemm/dsv3-q-a --json']))
    .action(async (folder, names, options) =>
      finish(await (await import('./spec.ts')).specExportCommand(folder, names, options, io)),
    );
  spec
    .command('schema')
    .description('print the JSON Schema of specs')
    .addHelpText('before', examples(['spec schema > fp8lab.schema.json']))
    .action(async () => finish(await (await import('./spec.ts')).specSchemaCommand(io)));
}

/** Options of a study are the study's own: what follows the name is read by src/cli/study.ts, its help too. */
function addStudy(program: Command, io: Io, finish: Finish): void {
  program
    .command('study')
    .description("the paper's experiments: tables, CSV, plots; `fp8lab study -h` lists them")
    .argument('[arguments...]', 'name of the study and its options')
    .usage('<name> [options]')
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (argv) => finish(await (await import('./study.ts')).studyCommand(argv, io)));
}

function addMachine(program: Command, io: Io, finish: Finish): void {
  program
    .command('doctor')
    .description('what this machine has, what is missing, and the command that mends it')
    .addOption(adapter())
    .addOption(json())
    .addHelpText('before', examples(['doctor', 'doctor --json']))
    .action(async (options) => finish(await (await import('./doctor.ts')).doctorCommand(options, io)));
  program
    .command('probe')
    .description("what an adapter's float arithmetic really does: the adapter numerics card")
    .addOption(
      new Option('--backend <name>', 'where to run it')
        .choices(['webgpu:node', 'webgpu:deno', 'webgpu:chromium'])
        .default('webgpu:node'),
    )
    .addOption(adapter())
    .addOption(new Option('--samples <n>', 'samples of each function').argParser(wholeNumber('--samples', 2 ** 24)))
    .option('--only-deviations', 'only what differs from IEEE 754')
    .addOption(json())
    .addHelpText('before', examples(['probe', 'probe --backend webgpu:deno --only-deviations']))
    .action(async (options) => finish(await (await import('./probe.ts')).probeCommand(options, io)));
  program
    .command('bundle')
    .description('one archive with all that a machine without internet needs to build, run and measure the native path')
    .argument('<out>', 'the archive to write, a .tar.gz')
    .argument(
      '[spec...]',
      'spec files, folders, shipped names, or kernels (all their shipped specs); default: all shipped specs',
    )
    .option('--large', 'the full-size specs too')
    .option('--no-node', 'leave Node and Dawn out: native path only')
    .option('--no-reference', 'leave out the digests that results are held against there')
    .option('--force', 'write over a file of this name')
    .addOption(json())
    .addHelpText('before', examples(['bundle fp8lab-bundle.tar.gz', 'bundle small.tar.gz gemm/dsv3-q-a --no-node']))
    .action(async (out, names, options) =>
      finish(await (await import('./bundle.ts')).bundleCommand(out, names, options, io)),
    );
  program
    .command('playground')
    .description('serve the page on this machine')
    .addOption(new Option('--port <n>', 'port; default: any free one').argParser(portNumber))
    .addHelpText('before', examples(['playground']))
    .action(async (options) => finish(await (await import('./playground.ts')).playgroundCommand(options, io)));
}

function buildProgram(io: Io, finish: Finish): Command {
  const program = new Command('fp8lab')
    .description('FP8 kernels of the DeepSeek-V3 family: one spec, the same bits everywhere, and a proof of it.')
    .version(packageVersion(), '-V, --version')
    .showHelpAfterError('fix: run the command with -h for its options')
    .addHelpText(
      'before',
      examples(['parity --report parity.html', 'quantize model-bf16 model-fp8 --scheme weight-128x128', 'doctor']),
    )
    .addHelpText(
      'after',
      '\nExit codes: 0 ok, 1 a check failed, 2 usage, 3 environment, 4 bad input, 5 time limit or device lost, 130 interrupted.',
    )
    .exitOverride()
    .enablePositionalOptions()
    .configureOutput({ writeOut: (text) => io.stdout(text), writeErr: (text) => io.stderr(text) });
  for (const add of [addParity, addRun, addBench, addCompare, addDiagnose, addTrace, addSpec]) add(program, io, finish);
  addStudy(program, io, finish);
  addFileCommands(program, io, finish, examples);
  addMoeCommands(program, io, finish, examples);
  addSimulateCommands(program, io, finish, examples);
  addMachine(program, io, finish);
  // A subcommand made before exitOverride was set keeps process.exit otherwise.
  const settle = (command: Command): void => {
    command.exitOverride().copyInheritedSettings(command.parent ?? command);
    command.commands.forEach(settle);
  };
  program.commands.forEach(settle);
  // Its help is that of the studies, which it passes on as any other option.
  program.commands.find((command) => command.name() === 'study')?.helpOption(false);
  return program;
}

/** Tells an error in three lines, or as JSON on stdout. */
export function tellError(error: unknown, asJson: boolean, io: Io): number {
  if (io.signal.aborted || (error instanceof Fp8labError && error.kind === 'interrupted')) {
    io.stderr('interrupted\n');
    return exitCodes.interrupted;
  }
  if (!(error instanceof Fp8labError)) {
    io.stderr(
      `error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\nfix: this is a bug; report it with the command\n`,
    );
    return exitCodes.device;
  }
  if (asJson) io.stdout(`${JSON.stringify({ schemaVersion: 1, error: error.toJSON() })}\n`);
  else io.stderr(`error: ${error.message}\nwhere: ${error.where}\nfix: ${error.fix}\n`);
  return error.exitCode;
}

function usageError(error: CommanderError, argv: readonly string[]): Fp8labError {
  return new Fp8labError(error.message.replace(/^error: /, '').replace(/\s+/g, ' '), {
    kind: 'usage',
    code: error.code.replace(/^commander\./, '').replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
    where: argv[0] ?? 'fp8lab',
    fix: 'run the command with -h for its options',
  });
}

/** Runs the command line on arguments (without node and script). Never exits the process; gives the exit code. */
export async function runCli(argv: readonly string[], io: Io): Promise<{ code: number }> {
  let code: number = exitCodes.ok;
  const program = buildProgram(io, (finished) => {
    code = finished;
  });
  try {
    if (argv.length === 0) {
      program.outputHelp();
      return { code: exitCodes.usage };
    }
    await program.parseAsync([...argv], { from: 'user' });
    return { code };
  } catch (error) {
    const asJson = argv.includes('--json');
    if (!(error instanceof CommanderError)) return { code: tellError(error, asJson, io) };
    if (error.exitCode === 0) return { code: exitCodes.ok };
    // Commander has told it on stderr; a reader of JSON gets it as an object too.
    if (asJson) tellError(usageError(error, argv), true, io);
    return { code: exitCodes.usage };
  }
}
