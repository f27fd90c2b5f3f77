import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'puppeteer';
import { Fp8labError } from '../../errors.ts';
import { openLoopback, type Packages } from './loopback.ts';
import { onProcessExit, type Transport } from './transport.ts';

/** How a browser is started as a runner. */
export interface BrowserLaunch {
  /** The browser's executable. */
  readonly executable: string;
  /** Flags on top of those every start gets. */
  readonly flags: readonly string[];
  readonly runnerFile: string;
  /** The runner's arguments, as the page's query. */
  readonly query: string;
  /** Packages that the page may load files of. */
  readonly packages?: Packages;
}

/**
 * Flags of every start. Chromium's own services look for hosts of Google's at each start: a runner needs none of them. The GPU watchdog
 * would end a software adapter that is only slow; fp8lab has its own clock.
 */
export const commonFlags: readonly string[] = [
  '--disable-gpu-watchdog',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-default-apps',
  '--disable-extensions',
  '--disable-quic',
  '--no-first-run',
  '--no-default-browser-check',
  '--mute-audio',
];

/** Chromium refuses to sandbox for root; containers often run as root. */
export function sandboxFlags(): string[] {
  return process.getuid?.() === 0 ? ['--no-sandbox'] : [];
}

const profilePrefix = 'fp8lab-chromium-';

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Removes profiles whose fp8lab process is gone: one that was killed with SIGKILL could not do it itself. */
export function sweepProfiles(folder = tmpdir()): string[] {
  const stale = readdirSync(folder).filter((name) => {
    const pid = name.startsWith(profilePrefix) ? Number.parseInt(name.slice(profilePrefix.length), 10) : Number.NaN;
    return Number.isInteger(pid) && !isAlive(pid);
  });
  for (const name of stale) removeProfile(join(folder, name));
  return stale;
}

function removeProfile(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  } catch {
    // A helper process of the browser may write for a moment longer; the next start sweeps what is left.
  }
}

/** Ends the browser with all its helpers. Puppeteer starts it as the leader of a process group of its own. */
function killTree(pid: number): void {
  if (process.platform === 'win32') {
    spawnSync('taskkill', ['/pid', String(pid), '/T', '/F'], { stdio: 'ignore' });
    return;
  }
  for (const target of [-pid, pid]) {
    try {
      process.kill(target, 'SIGKILL');
    } catch {
      // Gone already.
    }
  }
}

function launchFailed(executable: string, cause: unknown): Fp8labError {
  const reason = cause instanceof Error ? cause.message.split('\n').slice(0, 3).join(' ') : String(cause);
  return new Fp8labError(`the browser ${executable} does not start: ${reason}`, {
    kind: 'environment',
    code: 'browser-start',
    where: executable,
    fix: 'run `fp8lab doctor`, or set CHROME_PATH to another Chromium or Chrome',
    cause,
  });
}

async function startBrowser(launch: BrowserLaunch, profile: string): Promise<Browser> {
  // Loaded here, so that the library works without Puppeteer as long as no browser is asked for.
  const { launch: start } = await import('puppeteer');
  return start({
    executablePath: launch.executable,
    headless: true,
    // The browser ends when this pipe closes, whatever became of fp8lab.
    pipe: true,
    userDataDir: profile,
    args: [...commonFlags, ...sandboxFlags(), ...launch.flags],
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
    timeout: 60_000,
    protocolTimeout: 0,
  });
}

/** Opens the runner's page; what goes wrong in it is told through `say`. */
async function openPage(browser: Browser, address: string, say: (text: string) => void): Promise<void> {
  const [page] = await browser.pages();
  if (page === undefined) throw new Error('the browser opened no page');
  page.on('pageerror', (error) => say(`page error: ${error instanceof Error ? error.message : String(error)}`));
  page.on('error', (error) => say(`the page crashed: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') say(message.text());
  });
  await page.goto(address, { waitUntil: 'load', timeout: 60_000 });
}

/** Starts a browser whose page is the runner. Throws `browser-start` where it cannot be started. */
export async function launchBrowser(launch: BrowserLaunch): Promise<Transport> {
  sweepProfiles();
  const profile = mkdtempSync(join(tmpdir(), `${profilePrefix}${process.pid}-`));
  const loopback = await openLoopback(launch.runnerFile, launch.query, launch.packages);
  const messages: string[] = [];
  let browser: Browser | undefined;
  const end = () => {
    const pid = browser?.process()?.pid;
    if (pid !== undefined) killTree(pid);
    loopback.close();
    removeProfile(profile);
  };
  const forget = onProcessExit(end);
  try {
    browser = await startBrowser(launch, profile);
    const transport = asTransport(browser, loopback, messages, end);
    transport.closed.then(forget);
    await openPage(browser, loopback.address, (text) => messages.push(text));
    return transport;
  } catch (error) {
    end();
    forget();
    throw launchFailed(launch.executable, error);
  }
}

function asTransport(
  browser: Browser,
  loopback: Awaited<ReturnType<typeof openLoopback>>,
  messages: readonly string[],
  end: () => void,
): Transport {
  const child = browser.process();
  const closed = new Promise<string>((resolve) => {
    const gone = () => resolve(['lost its browser', ...messages.slice(-3)].join('; '));
    if (child === null || child.exitCode !== null || child.signalCode !== null) gone();
    else child.once('exit', gone);
    // A browser that no longer talks may still run: only its end counts.
    browser.once('disconnected', end);
  }).then((how) => {
    end();
    return how;
  });
  return {
    pid: child?.pid ?? -1,
    closed,
    send: loopback.send,
    onChunk: loopback.onChunk,
    async kill() {
      end();
      await closed;
    },
  };
}
