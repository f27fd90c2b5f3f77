import { exitCodes } from '../errors.ts';
import { type Io, wantsColour } from './io.ts';
import { runCli } from './run-cli.ts';

const interrupt = new AbortController();

/** The first Ctrl-C ends the work in order; a second one ends the process. */
function onSignal(): void {
  if (interrupt.signal.aborted) process.exit(exitCodes.interrupted);
  interrupt.abort();
}

/** Signals are heard from when a command first asks for them: one that never does computes in one go, and ends at once as any program does. */
let listening = false;
function listen(): AbortSignal {
  if (!listening) for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, onSignal);
  listening = true;
  return interrupt.signal;
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // A reader that goes away (| head) is no error of ours.
  if (error.code === 'EPIPE') process.exit(exitCodes.ok);
  process.stderr.write(`error: ${error.message}\nwhere: standard output\nfix: give it a place with room\n`);
  process.exit(exitCodes.environment);
});
// Who does not want to hear messages still gets the exit code.
process.stderr.on('error', () => {});

const io: Io = {
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
  isTTY: process.stderr.isTTY === true,
  colour: wantsColour(process.env, process.stdout.isTTY === true),
  env: process.env,
  get signal() {
    return listen();
  },
};

const { code } = await runCli(process.argv.slice(2), io);
process.exitCode = interrupt.signal.aborted ? exitCodes.interrupted : code;
