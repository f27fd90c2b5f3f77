import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createServer } from 'vite';
import { describe, expect, it } from 'vitest';
import { findDeno, findVulkanDrivers } from '../src/backends/machine.ts';
import { nativeBinary } from '../src/backends/native.ts';
import { launch } from './e2e/browser.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));

const mpiModule = join(dirname(nativeBinary()), 'fp8lab-mpi.so');

async function output(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const { stdout } = await run(command, args, { cwd: root, env: { ...process.env, ...env }, timeout: 280_000 });
  return stdout;
}

describe('the examples', () => {
  it('quantize.mjs shows what promotion is for', async () => {
    const text = await output(process.execPath, ['examples/node/quantize.mjs']);
    expect(text).toContain('1x128 tiles: 16384 codes, 128 scales');
    const loss = Number(/loses ([\d.]+) %/.exec(text)?.[1]);
    expect(loss).toBeGreaterThan(3);
    expect(loss).toBeLessThan(15);
  }, 120_000);

  it('check.mjs finds the kernel whose scales are combined in another order', async () => {
    const text = await output(process.execPath, ['examples/own-kernel/check.mjs']);
    expect(text).toMatch(/^[1-9]\d* of 192 elements differ\nd: .*first at/);
  }, 120_000);

  const layerBits =
    /^experts of token 0: \d, \d, 8\nforward: y, .*: 0 of \d+ elements differ\nbackward: dx, .*: 0 of \d+/;

  it("the layer has the reference's bits on Node's device, forward and backward", async () => {
    expect(await output(process.execPath, ['examples/moe/node.mjs'])).toMatch(layerBits);
  }, 300_000);

  it("the layer has the reference's bits on Deno's device, forward and backward", async () => {
    const deno = findDeno();
    expect(deno).toBeDefined();
    const driver = findVulkanDrivers().find(({ software }) => software);
    const env = driver ? { VK_DRIVER_FILES: driver.icd } : {};
    expect(await output(deno!.path, ['run', '-A', 'examples/deno/moe-layer.ts'], env)).toMatch(layerBits);
  }, 300_000);

  it("the layer has the reference's bits in a page", async () => {
    const server = await createServer({ root, logLevel: 'error', server: { host: '127.0.0.1', port: 0 } });
    const browser = await launch('with');
    try {
      await server.listen();
      const page = await browser.newPage();
      await page.goto(`${server.resolvedUrls?.local[0]}examples/moe/index.html`);
      await page.waitForFunction("!outcome.textContent.startsWith('Running')", { timeout: 280_000 });
      expect(await page.$eval('#outcome', ({ textContent }) => textContent)).toMatch(layerBits);
    } finally {
      await browser.close();
      await server.close();
    }
  }, 300_000);

  it.runIf(spawnSync('mpirun', ['--version']).error === undefined && existsSync(mpiModule))(
    'the layer has the same bits on MPI ranks as in one process',
    async () => {
      const text = await output(process.execPath, ['examples/mpirun/layer.mjs', '4']);
      expect(text).toContain('4 ranks and 1 process: the same bits');
    },
    120_000,
  );

  it("webgpu.ts gives the reference's bits on Deno's device", async () => {
    const deno = findDeno();
    expect(deno).toBeDefined();
    const driver = findVulkanDrivers().find(({ software }) => software);
    const env = driver ? { VK_DRIVER_FILES: driver.icd } : {};
    expect(await output(deno!.path, ['run', '-A', 'examples/deno/webgpu.ts'], env)).toContain(
      '0 of 512 elements differ',
    );
  }, 120_000);
});
