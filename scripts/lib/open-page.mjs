// The built page of the playground in a headless browser, for scripts that look at it.
import puppeteer from 'puppeteer';
import { preview } from 'vite';
import { build } from '../build.mjs';
import { inProject } from './project.mjs';

/** Builds and serves the page, starts a browser with the machine's adapter, and gives both to `work`; ends both after it. */
export async function withPage(work) {
  await build(['page', 'node']);
  const { findBrowsers, inspectMachine } = await import('../../dist/machine.js');
  const server = await preview({
    configFile: false,
    logLevel: 'silent',
    build: { outDir: inProject('dist/page') },
    preview: { host: '127.0.0.1', port: 0 },
  });
  const adapter = inspectMachine().gpuDevices.length > 0 ? [] : ['--use-webgpu-adapter=swiftshader'];
  const browser = await puppeteer.launch({
    executablePath: findBrowsers()[0]?.path,
    args: [
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      '--enable-unsafe-webgpu',
      '--disable-gpu-watchdog',
      ...adapter,
    ],
  });
  try {
    await work(browser, server.resolvedUrls.local[0]);
  } finally {
    await browser.close();
    await server.close();
  }
}
