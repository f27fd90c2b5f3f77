import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sweepProfiles } from '../../../src/backends/webgpu/browser.ts';
import { buildTestRunner, type TestRunner } from '../../helpers/runner.ts';

/** A program that starts a backend, prints its runner's process id, and lets the GPU spin. */
const program = (library: string, name: string, runnerFile: string) => `
import { createWebGpuBackend } from '${pathToFileURL(library).href}';
const backend = createWebGpuBackend('${name}', { adapter: 'auto', runnerFile: '${runnerFile}' });
const { pid } = await backend.start();
console.log(pid);
await backend.request('spin', {});
`;

/** Processes of a process group that still run; zombies are only waiting for their parent. */
function running(group: number): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => {
      try {
        const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
        return fields[0] !== 'Z' && (Number(fields[2]) === group || pid === group);
      } catch {
        return false;
      }
    });
}

async function until(condition: () => boolean, limit = 10_000): Promise<boolean> {
  for (const end = Date.now() + limit; Date.now() < end; await wait(50)) if (condition()) return true;
  return condition();
}

const profilesOf = (pid: number) => readdirSync(tmpdir()).filter((name) => name.startsWith(`fp8lab-chromium-${pid}-`));

let runner: TestRunner;
let folder: string;
beforeAll(async () => {
  runner = await buildTestRunner();
  // Inside the checkout, so that the program finds Puppeteer.
  folder = mkdtempSync(join(process.cwd(), 'node_modules', '.fp8lab-orphans-'));
  await build({
    configFile: false,
    logLevel: 'warn',
    build: {
      outDir: folder,
      ssr: 'src/backends/webgpu/backend.ts',
      rolldownOptions: { output: { entryFileNames: 'backend.js' } },
    },
  });
});
afterAll(() => {
  runner.remove();
  rmSync(folder, { recursive: true });
});

describe.runIf(process.platform === 'linux').each(['webgpu:node', 'webgpu:deno', 'webgpu:chromium'])('%s', (name) => {
  it.each(['SIGINT', 'SIGKILL'] as const)('leaves no runner when its parent ends by %s', async (signal) => {
    const file = join(folder, 'program.mjs');
    writeFileSync(file, program(join(folder, 'backend.js'), name, runner.file));
    const parent = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    parent.stdout.on('data', (text) => {
      output += text;
    });
    expect(await until(() => output.includes('\n'), 30_000)).toBe(true);
    const pid = Number(output);
    expect(existsSync(`/proc/${pid}`)).toBe(true);
    await wait(500);
    parent.kill(signal);
    // A runner in this test's own process group is looked for by its id, a browser by the group it leads.
    expect(await until(() => running(pid).length === 0)).toBe(true);
    sweepProfiles();
    expect(profilesOf(parent.pid!)).toEqual([]);
  });
});
