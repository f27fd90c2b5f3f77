import { randomBytes, timingSafeEqual } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, resolve, sep } from 'node:path';

/** Milliseconds a page's question for work is held open before "none yet". */
const holdPoll = 20_000;

/** Frames to and from a page, over HTTP on 127.0.0.1. */
export interface Loopback {
  /** Address of the page; it holds a random token, without which the server answers nothing. */
  readonly address: string;
  send(bytes: Uint8Array<ArrayBuffer>): void;
  onChunk(handler: (chunk: Uint8Array) => void): void;
  close(): void;
}

const page = `<!doctype html><meta charset="utf-8"><title>fp8lab runner</title><link rel="icon" href="data:,">
<script type="module" src="runner.js"></script>`;

const policy = "default-src 'none'; script-src 'self'; connect-src 'self'; img-src data:";

/** Other libraries bring WebAssembly, and code that they make. */
const foreignPolicy = `default-src 'none'; script-src 'self' 'unsafe-eval' blob:; worker-src 'self' blob:; connect-src 'self' data: blob:; img-src data:`;

const headers = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };

function reply(
  response: ServerResponse,
  status: number,
  type = 'text/plain',
  body: string | Uint8Array = '',
  allowed = policy,
): void {
  response.writeHead(status, { ...headers, 'content-security-policy': allowed, 'content-type': type });
  response.end(body);
}

/** Packages whose files a page may load, by name: their folders. */
export type Packages = Readonly<Record<string, string>>;

const packageTypes: Readonly<Record<string, string>> = {
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
};

/** The file that `packages/NAME/FILE` names, in that package and nowhere beside it. */
function packageFile(path: string, packages: Packages): string | undefined {
  const name = Object.keys(packages).find((known) => path.startsWith(`packages/${known}/`));
  if (name === undefined || packageTypes[extname(path)] === undefined) return undefined;
  const folder = resolve(packages[name]!);
  const file = resolve(folder, path.slice(`packages/${name}/`.length));
  return file.startsWith(folder + sep) && existsSync(file) ? file : undefined;
}

/** The path after the token, or undefined where the token, the host or the form is wrong. */
function checkedPath(request: IncomingMessage, token: string, host: string): string | undefined {
  // A foreign page could reach this port under a name of its own (DNS rebinding): only the address itself is answered.
  if (request.headers.host !== host) return undefined;
  const [, given = '', ...rest] = (request.url ?? '').split('?')[0]!.split('/');
  const [a, b] = [Buffer.from(given), Buffer.from(token)];
  return a.length === b.length && timingSafeEqual(a, b) ? rest.join('/') : undefined;
}

/** Hands frames to whoever polls for them. */
class Outbox {
  private readonly frames: Uint8Array[] = [];
  private poll: ServerResponse | undefined;
  private timer: NodeJS.Timeout | undefined;

  add(frame: Uint8Array): void {
    this.frames.push(frame);
    this.flush();
  }

  wait(response: ServerResponse): void {
    this.poll = response;
    this.timer = setTimeout(() => this.answer(204), holdPoll);
    this.flush();
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  private flush(): void {
    if (this.poll !== undefined && this.frames.length > 0) this.answer(200, this.frames.shift());
  }

  private answer(status: number, body?: Uint8Array): void {
    clearTimeout(this.timer);
    const poll = this.poll;
    this.poll = undefined;
    if (poll !== undefined) reply(poll, status, 'application/octet-stream', body);
  }
}

function listen(server: Server): Promise<AddressInfo> {
  return new Promise((done, fail) => {
    server.on('error', fail);
    server.listen(0, '127.0.0.1', () => done(server.address() as AddressInfo));
  });
}

/** Serves the runner at a free port of 127.0.0.1, and files of packages if any are given. `query` becomes the page's arguments. */
export async function openLoopback(runnerFile: string, query: string, packages: Packages = {}): Promise<Loopback> {
  const allowed = Object.keys(packages).length > 0 ? foreignPolicy : policy;
  const token = randomBytes(24).toString('hex');
  const outbox = new Outbox();
  let take: (chunk: Uint8Array) => void = () => {};
  let host = '';
  const server = createServer((request, response) => {
    const path = checkedPath(request, token, host);
    const route = path === undefined ? '' : `${request.method} /${path}`;
    if (route === 'GET /') reply(response, 200, 'text/html', page, allowed);
    else if (route === 'GET /runner.js') reply(response, 200, 'text/javascript', readFileSync(runnerFile));
    else if (route === 'GET /next') outbox.wait(response);
    else if (route === 'POST /reply') {
      request.on('data', (chunk: Uint8Array) => take(chunk));
      request.on('end', () => reply(response, 204));
    } else {
      const file = route.startsWith('GET /packages/') ? packageFile(path!, packages) : undefined;
      if (file === undefined) reply(response, 404);
      else reply(response, 200, packageTypes[extname(file)], readFileSync(file), foreignPolicy);
    }
  });
  const { port } = await listen(server);
  host = `127.0.0.1:${port}`;
  return {
    address: `http://${host}/${token}/?${query}`,
    send: (bytes) => outbox.add(bytes),
    onChunk: (handler) => {
      take = handler;
    },
    close() {
      outbox.stop();
      server.close();
      server.closeAllConnections();
    },
  };
}
