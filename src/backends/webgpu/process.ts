import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { onProcessExit, type Transport } from './transport.ts';

/** Bytes of a runner's messages that are kept for the error that tells of its death. */
const keptStderr = 4096;

/** A program to start, with the variables that its environment gets on top of this one. */
export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

/** Lines that software drivers print on every start and that say nothing about a failure. */
const noise = /^error: XDG_RUNTIME_DIR is invalid or not set in the environment\.?$/;

function lastLines(text: string): string {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '' && !noise.test(line.trim()))
    .slice(-6)
    .join('\n');
}

function howItEnded(code: number | null, signal: NodeJS.Signals | null, stderr: string): string {
  const end = signal === null ? `ended with code ${code}` : `was ended by ${signal}`;
  const said = lastLines(stderr);
  return said === '' ? end : `${end}; its last words: ${said}`;
}

/** Starts a runner that reads frames from its standard input and writes them to its standard output. */
export function spawnTransport({ command, args, env }: Program): Transport {
  const child: Child = spawn(command, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
    windowsHide: true,
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-keptStderr);
  });
  // A runner that died leaves a broken pipe behind; `closed` tells of the death.
  child.stdin.on('error', () => {});
  const forget = onProcessExit(() => child.kill('SIGKILL'));
  const closed = new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(`could not be started: ${error.message}`));
    child.on('close', (code, signal) => resolve(howItEnded(code, signal, stderr)));
  });
  closed.then(forget);
  return {
    pid: child.pid ?? -1,
    closed,
    send: (bytes) => child.stdin.write(bytes),
    onChunk: (handler) => child.stdout.on('data', handler),
    async kill() {
      if (child.pid === undefined) return;
      child.kill('SIGKILL');
      await closed;
    },
  };
}
