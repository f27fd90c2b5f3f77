import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, resolve, sep } from 'node:path';
import { Fp8labError } from '../errors.ts';

/** A folder served on 127.0.0.1. */
export interface StaticServer {
  /** `http://127.0.0.1:PORT/`. */
  readonly address: string;
  close(): Promise<void>;
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.wgsl': 'text/plain; charset=utf-8',
  '.md': 'text/plain; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
};

/** The file that a request names, if it lies in the folder. */
function fileOf(request: IncomingMessage, folder: string): string | undefined {
  const path = (request.url ?? '/').split(/[?#]/)[0]!;
  try {
    const file = resolve(folder, `.${decodeURIComponent(path.endsWith('/') ? `${path}index.html` : path)}`);
    return file.startsWith(folder + sep) ? file : undefined;
  } catch {
    return undefined;
  }
}

function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-type': 'text/plain' }).end();
}

async function answer(request: IncomingMessage, response: ServerResponse, folder: string, host: string): Promise<void> {
  // A foreign page could reach this port under a name of its own (DNS rebinding): only this machine's names are answered.
  if (![host, host.replace('127.0.0.1', 'localhost')].includes(request.headers.host ?? ''))
    return refuse(response, 403);
  if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(response, 405);
  const file = fileOf(request, folder);
  const found = file === undefined ? undefined : await stat(file).catch(() => undefined);
  if (file === undefined || !found?.isFile()) return refuse(response, 404);
  response.writeHead(200, {
    'content-type': types[extname(file)] ?? 'application/octet-stream',
    'content-length': found.size,
    'cache-control': 'no-cache',
    'x-content-type-options': 'nosniff',
  });
  if (request.method === 'HEAD') response.end();
  else
    createReadStream(file)
      .on('error', () => response.destroy())
      .pipe(response);
}

/** Serves the files of a folder, to this machine alone. Port 0 takes any free one. Throws `port-taken`. */
export async function serveFolder(folder: string, port: number): Promise<StaticServer> {
  const root = resolve(folder);
  let host = '';
  const server = createServer((request, response) => void answer(request, response, root, host));
  await new Promise<void>((done, fail) => {
    server.on('error', (cause) => fail(portTaken(port, cause)));
    server.listen(port, '127.0.0.1', done);
  });
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    address: `http://${host}/`,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

function portTaken(port: number, cause: Error): Fp8labError {
  return new Fp8labError(`port ${port} cannot be used: ${cause.message}`, {
    kind: 'environment',
    code: 'port-taken',
    where: '--port',
    fix: 'name another port, or none',
    cause,
  });
}
