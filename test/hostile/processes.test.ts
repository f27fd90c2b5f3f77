import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { indexName } from '../../src/checkpoint/checkpoint.ts';
import { smallModel, writeCheckpoint, writeLargeShard } from '../helpers/checkpoint.ts';
import { cliFile, fp8lab, start } from '../helpers/command.ts';
import { ensureBuilt } from '../helpers/dist.ts';
import { temporaryFolder } from '../helpers/folder.ts';

const node = process.execPath;

/** A checkpoint of six shards of 45 MB: long enough to be caught in the middle. */
async function large(folder: string): Promise<string> {
  const input = join(folder, 'in');
  mkdirSync(input);
  const map: Record<string, string> = {};
  for (let i = 1; i <= 6; i++) {
    const name = `model-0000${i}-of-00006.safetensors`;
    for (const tensor of await writeLargeShard(join(input, name), `model.layers.${i}`, 45, i)) map[tensor] = name;
  }
  writeFileSync(join(input, indexName), JSON.stringify({ metadata: {}, weight_map: map }));
  writeFileSync(join(input, 'config.json'), '{}');
  return input;
}

/** Names of the files that a user sees. */
const visibleNames = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => !name.startsWith('.'))
    .sort();

/** Content of the files that a user sees. */
function visible(folder: string): Record<string, Buffer> {
  return Object.fromEntries(visibleNames(folder).map((name) => [name, readFileSync(join(folder, name))]));
}

const partials = (folder: string): string[] => readdirSync(folder).filter((name) => name.endsWith('.partial'));

async function until(condition: () => boolean): Promise<void> {
  // What was seen once may be gone at a second look.
  let seen = condition();
  for (let i = 0; i < 6000 && !seen; i++) {
    await sleep(5);
    seen = condition();
  }
  expect(seen).toBe(true);
}

const quantizeArgs = (input: string, output: string): string[] => [
  'quantize',
  input,
  output,
  '--scheme',
  'weight-128x128',
];

const shared = mkdtempSync(join(tmpdir(), 'fp8lab-processes-'));
/** A large checkpoint. */
let input: string;
beforeAll(async () => {
  await ensureBuilt('node');
  input = await large(shared);
});
afterAll(() => rmSync(shared, { recursive: true, force: true }));

/** What an undisturbed run makes of it. */
async function undisturbed(): Promise<string> {
  const calm = join(shared, 'calm');
  if (!existsSync(calm)) expect(await fp8lab(...quantizeArgs(input, calm))).toMatchObject({ code: 0, signal: null });
  return calm;
}

describe('quantize as a process', () => {
  it('killed again and again, it is completed by running it again, to the bytes of an undisturbed run', async () => {
    const [calm, rough] = [await undisturbed(), join(temporaryFolder(), 'rough')];
    for (const shards of [0, 1, 3]) {
      const { child, outcome } = start(node, [cliFile, ...quantizeArgs(input, rough)]);
      await until(() => existsSync(rough) && partials(rough).length > 0 && visibleNames(rough).length >= shards);
      child.kill('SIGKILL');
      expect(await outcome).toMatchObject({ signal: 'SIGKILL' });
      // Whatever has a name is whole.
      for (const [name, bytes] of Object.entries(visible(rough))) {
        expect(Buffer.compare(bytes, readFileSync(join(calm, name)))).toBe(0);
      }
      expect(existsSync(join(rough, 'config.json'))).toBe(false);
    }
    const last = await fp8lab(...quantizeArgs(input, rough), '--json');
    expect(last).toMatchObject({ code: 0 });
    const states = JSON.parse(last.out).shards.map(({ state }: { state: string }) => state);
    expect(states.filter((state: string) => state === 'kept').length).toBeGreaterThan(0);
    expect(JSON.parse(last.out).workers).toBeGreaterThan(0);
    const [wanted, got] = [visible(calm), visible(rough)];
    expect(Object.keys(got)).toEqual(Object.keys(wanted));
    for (const name of Object.keys(wanted)) expect(Buffer.compare(got[name]!, wanted[name]!)).toBe(0);
    expect(partials(rough)).toEqual([]);
  });

  it('its memory stays far below the size of what it converts', async (context) => {
    if (!existsSync('/proc/self/status')) return context.skip('reads /proc');
    const { child, outcome } = start(node, [cliFile, ...quantizeArgs(input, join(temporaryFolder(), 'out'))]);
    let peak = 0;
    while (child.exitCode === null && child.signalCode === null) {
      const status = readStatus(child.pid!);
      peak = Math.max(peak, Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1024);
      await sleep(20);
    }
    expect(await outcome).toMatchObject({ code: 0 });
    expect(peak).toBeGreaterThan(30);
    expect(peak).toBeLessThan(400);
  });

  it('two runs at once on one output end in a whole checkpoint', async () => {
    const [calm, both] = [await undisturbed(), join(temporaryFolder(), 'both')];
    const runs = [1, 2].map(() => fp8lab(...quantizeArgs(input, both)));
    const codes = (await Promise.all(runs)).map(({ code }) => code);
    expect(codes).toContain(0);
    expect(await fp8lab(...quantizeArgs(input, both))).toMatchObject({ code: 0 });
    const [wanted, got] = [visible(calm), visible(both)];
    expect(Object.keys(got)).toEqual(Object.keys(wanted));
    for (const name of Object.keys(wanted)) expect(Buffer.compare(got[name]!, wanted[name]!)).toBe(0);
  });

  it('Ctrl-C removes the file in the making and exits with 130', async () => {
    const output = join(temporaryFolder(), 'out');
    const { child, outcome } = start(node, [cliFile, ...quantizeArgs(input, output)]);
    await until(() => existsSync(output) && partials(output).length > 0);
    child.kill('SIGINT');
    const { code, err } = await outcome;
    expect(err).toContain('interrupted');
    expect(code).toBe(130);
    expect(partials(output)).toEqual([]);
  });

  it('a file size limit gives one clear error and leaves no part', async () => {
    const output = join(temporaryFolder(), 'out');
    // A shard's output has 34 MB; the limit is in KiB. The signal is ignored, as for a full disk there is none.
    const script = `trap '' XFSZ; ulimit -f 10000; exec "$@"`;
    const args = ['-c', script, 'bash', node, cliFile, ...quantizeArgs(input, output)];
    const { code, err } = await start('bash', args).outcome;
    expect(code).toBe(3);
    expect(err).toContain('a file may not grow this large here');
    expect(err).not.toContain('.partial');
    expect(readdirSync(output)).toEqual([]);
  });

  it('an unreadable shard is told as bad input, a read-only folder as a matter of the machine', async (context) => {
    const asUser = process.getuid?.() === 0 ? userCommand() : [];
    if (asUser === undefined) return context.skip('needs setpriv to give up root');
    const folder = temporaryFolder();
    chmodSync(folder, 0o755);
    const input = join(folder, 'in');
    await writeCheckpoint(input, smallModel());
    const run = (output: string) => {
      const [program, ...args] = [...asUser, node, cliFile, ...quantizeArgs(input, output)];
      return start(program!, args).outcome;
    };
    mkdirSync(join(folder, 'fixed'));
    chmodSync(join(folder, 'fixed'), 0o555);
    const refused = await run(join(folder, 'fixed'));
    expect(refused).toMatchObject({ code: 3 });
    expect(refused.err).toContain('permission denied');
    expect(refused.err).toContain(join(folder, 'fixed'));
    chmodSync(join(input, 'model-00001-of-00002.safetensors'), 0);
    const unreadable = await run(join(folder, 'fixed'));
    expect(unreadable).toMatchObject({ code: 4 });
    expect(unreadable.err).toContain('permission denied');
  });

  it('a full disk gives one clear error, leaves no part, and what was complete is gone on from', async (context) => {
    const output = join(temporaryFolder(), 'disk');
    mkdirSync(output);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=56m', 'tmpfs', output], { stdio: 'ignore' });
    } catch {
      return context.skip('needs the right to mount a small disk');
    }
    onTestFinished(() => {
      execFileSync('umount', ['-l', output]);
    });
    const { code, err } = await fp8lab(...quantizeArgs(input, output));
    expect(code).toBe(3);
    expect(err).toContain('the disk is full');
    expect(partials(output)).toEqual([]);
    expect(Object.keys(visible(output))).toHaveLength(2);
    execFileSync('mount', ['-o', 'remount,size=300m', output]);
    const again = await fp8lab(...quantizeArgs(input, output), '--json');
    expect(again.code).toBe(0);
    expect(JSON.parse(again.out).shards.map(({ state }: { state: string }) => state)).toEqual([
      'kept',
      'kept',
      'written',
      'written',
      'written',
      'written',
    ]);
  });
});

/** What the system tells of a process; empty once it is gone. */
function readStatus(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return '';
  }
}

/** The words before a command that run it without root's rights; undefined where there are none. */
function userCommand(): string[] | undefined {
  const words = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
  try {
    execFileSync(words[0]!, [...words.slice(1), node, '-e', `fs.accessSync(${JSON.stringify(cliFile)})`], {
      stdio: 'ignore',
    });
    return words;
  } catch {
    return undefined;
  }
}
