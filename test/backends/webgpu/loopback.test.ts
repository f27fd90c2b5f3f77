import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Loopback, openLoopback } from '../../../src/backends/webgpu/loopback.ts';

let folder: string;
let loopback: Loopback;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fp8lab-loopback-'));
  writeFileSync(join(folder, 'runner.js'), '// runner');
  loopback = await openLoopback(join(folder, 'runner.js'), '--adapter=auto');
});
afterEach(() => {
  loopback.close();
  rmSync(folder, { recursive: true });
});

const at = (path: string) => new URL(path, loopback.address);

describe('the loopback server', () => {
  it('listens on 127.0.0.1 and serves the page and the runner under its token', async () => {
    expect(at('').hostname).toBe('127.0.0.1');
    expect(at('').pathname).toMatch(/^\/[0-9a-f]{48}\/$/);
    expect(await (await fetch(loopback.address)).text()).toContain('runner.js');
    expect(await (await fetch(at('runner.js'))).text()).toBe('// runner');
  });

  it('answers nothing without the token', async () => {
    const { origin } = at('');
    for (const path of ['/', '/runner.js', '/next', `/${'0'.repeat(48)}/next`, '/../../etc/passwd']) {
      expect((await fetch(origin + path)).status).toBe(404);
    }
  });

  it('answers nothing under a foreign host name, token or not', async () => {
    const { port, pathname } = at('');
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const options = { host: '127.0.0.1', port, path: pathname, headers: { host: `evil.example:${port}` } };
      request(options, (response) => resolve(response.resume().statusCode))
        .on('error', reject)
        .end();
    });
    expect(status).toBe(404);
  });

  it('hands out frames in order, to a poll that waits and to one that comes later', async () => {
    const waiting = fetch(at('next'));
    loopback.send(Uint8Array.of(1));
    loopback.send(Uint8Array.of(2));
    expect(new Uint8Array(await (await waiting).arrayBuffer())).toEqual(Uint8Array.of(1));
    expect(new Uint8Array(await (await fetch(at('next'))).arrayBuffer())).toEqual(Uint8Array.of(2));
  });

  it('serves files of the packages that a page is given, with their types, and nothing beside them', async () => {
    const inside = join(folder, 'package');
    mkdirSync(inside);
    writeFileSync(join(inside, 'a.mjs'), '// a');
    writeFileSync(join(inside, 'secret.txt'), 'secret');
    const page = await openLoopback(join(folder, 'runner.js'), '', { '@of/some': inside });
    try {
      const get = (path: string) => fetch(new URL(path, page.address));
      const found = await get('packages/@of/some/a.mjs');
      expect(await found.text()).toBe('// a');
      expect(found.headers.get('content-type')).toBe('text/javascript');
      const others = ['packages/@of/some/secret.txt', 'packages/@of/some/%2e%2e/runner.js', 'packages/@of/other/a.mjs'];
      const raw = 'packages/@of/some/..%2frunner.js';
      for (const path of [...others, raw]) expect((await get(path)).status, path).toBe(404);
      expect((await fetch(at('packages/@of/some/a.mjs'))).status).toBe(404);
    } finally {
      page.close();
    }
  });

  it('passes on what is posted', async () => {
    const chunks: Uint8Array[] = [];
    loopback.onChunk((chunk) => chunks.push(chunk));
    await fetch(at('reply'), { method: 'POST', body: Uint8Array.of(5, 6) });
    expect(Buffer.concat(chunks)).toEqual(Buffer.from([5, 6]));
  });
});
