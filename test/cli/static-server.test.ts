import { mkdirSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { serveFolder } from '../../src/cli/static-server.ts';
import { temporaryFolder } from '../helpers/folder.ts';

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** A raw request: `fetch` would tidy the path and set the host itself. */
function ask(address: string, path: string, host?: string, method = 'GET'): Promise<Answer> {
  const { hostname, port, host: own } = new URL(address);
  return new Promise((done, fail) => {
    const sent = request({ hostname, port, path, method, headers: { host: host ?? own } }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('end', () =>
        done({ status: response.statusCode!, type: response.headers['content-type'] ?? '', body }),
      );
    });
    sent.on('error', fail).end();
  });
}

async function served(): Promise<string> {
  const above = temporaryFolder();
  const folder = join(above, 'page');
  mkdirSync(join(folder, 'assets'), { recursive: true });
  writeFileSync(join(above, 'secret.txt'), 'secret');
  mkdirSync(join(above, 'page-two'));
  writeFileSync(join(above, 'page-two', 'secret.txt'), 'secret');
  writeFileSync(join(folder, 'index.html'), '<p>page');
  writeFileSync(join(folder, 'assets', 'a.js'), 'export {}');
  const server = await serveFolder(folder, 0);
  onTestFinished(() => server.close());
  return server.address;
}

describe('the server of the page', () => {
  it('gives the page and its files with their types', async () => {
    const address = await served();
    expect(address).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
    expect(await ask(address, '/')).toEqual({ status: 200, type: 'text/html; charset=utf-8', body: '<p>page' });
    expect(await ask(address, '/assets/a.js?v=1')).toMatchObject({ status: 200, type: 'text/javascript' });
    expect(await ask(address, '/', undefined, 'HEAD')).toMatchObject({ status: 200, body: '' });
  });

  it.each([
    '/../secret.txt',
    '/%2e%2e/secret.txt',
    '/..%2fsecret.txt',
    '/../page-two/secret.txt',
    '/%',
    '/assets',
    '/no',
  ])('does not give %s', async (path) => {
    expect(await ask(await served(), path)).toMatchObject({ status: 404, body: '' });
  });

  it('answers neither a foreign name nor a write', async () => {
    const address = await served();
    expect((await ask(address, '/', 'evil.example')).status).toBe(403);
    expect((await ask(address, '/', undefined, 'POST')).status).toBe(405);
  });

  it('a port in use is told as such', async () => {
    const address = await served();
    await expect(serveFolder('.', Number(new URL(address).port))).rejects.toMatchObject({
      kind: 'environment',
      code: 'port-taken',
    });
  });
});
