import { exitCodes } from '../errors.ts';
import { type Io, wantsColour } from './io.ts';
import { runCli } from './run-cli.ts';

const interrupt = new AbortController();

/** The first Ctrl-C ends the work in order; a second one ends the process. */
function onSignal(): void {
  if (interrupt.signal.aborted) process.exit(exitCodes.interrupted);
  interrupt.abort();
}
process.on('SIGINT', onSignal);
process.on('SIGTERM', onSignal);
// A reader that goes away (| head) is no error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCodes.ok);
  throw error;
});

const io: Io = {
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
  isTTY: process.stderr.isTTY === true,
  colour: wantsColour(process.env, process.stdout.isTTY === true),
  env: process.env,
  signal: interrupt.signal,
};

const { code } = await runCli(process.argv.slice(2), io);
process.exitCode = interrupt.signal.aborted ? exitCodes.interrupted : code;
