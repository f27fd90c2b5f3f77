// Keeps the built page on this machine. The build writes a line in front of this file that says what belongs to it.

/** Version of the build, and its files: addresses relative to the page, and the hash of their bytes. */
declare const fp8labBuild: {
  readonly version: string;
  readonly files: readonly (readonly [address: string, integrity: string])[];
};

/** The parts of a service worker's surroundings that are used here: TypeScript's library for pages does not have them. */
interface Surroundings {
  readonly registration: ServiceWorkerRegistration;
  readonly clients: { claim(): Promise<void> };
  skipWaiting(): Promise<void>;
  addEventListener(type: 'install' | 'activate', listener: (event: LifeEvent) => void): void;
  addEventListener(type: 'fetch', listener: (event: FetchEvent) => void): void;
}

interface LifeEvent {
  waitUntil(work: Promise<unknown>): void;
}

interface FetchEvent extends LifeEvent {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

const worker = globalThis as unknown as Surroundings;
const scope = worker.registration.scope;

/** Caches of this page; a page in another folder of the same host has its own. */
const prefix = `fp8lab ${scope} `;
const cacheName = prefix + fp8labBuild.version;

/** Milliseconds that a server has for the page itself before the kept one is shown. */
const patience = 4000;

/** Keeps every file of the build. Bytes of another build are refused: the browser tries again at the next visit. */
async function keepAll(): Promise<void> {
  const cache = await caches.open(cacheName);
  const keep = async ([address, integrity]: readonly [string, string]) => {
    const url = new URL(address, scope).href;
    if ((await cache.match(url)) !== undefined) return;
    const response = await fetch(url, { integrity, cache: 'no-cache' });
    if (!response.ok) throw new Error(`${url}: ${response.status}`);
    await cache.put(url, response);
  };
  await Promise.all(fp8labBuild.files.map(keep));
}

const ownCaches = async (): Promise<string[]> => (await caches.keys()).filter((name) => name.startsWith(prefix));

/** Forgets all builds but this one and the one before, which another tab may still show. */
async function forgetOld(): Promise<void> {
  const others = (await ownCaches()).filter((name) => name !== cacheName);
  await Promise.all(others.slice(0, -1).map((name) => caches.delete(name)));
}

/** A kept file of this build or of the one before; their names hold a hash, so neither is mistaken for the other. */
async function kept(url: string): Promise<Response | undefined> {
  for (const name of (await ownCaches()).reverse()) {
    const response = await (await caches.open(name)).match(url);
    if (response !== undefined) return response;
  }
  return undefined;
}

const keptHome = async (): Promise<Response | undefined> => (await caches.open(cacheName)).match(scope);

/** The page itself: from its server, so that a newer build is never hidden by an older one; without a server, the kept one. */
async function home(event: FetchEvent): Promise<Response> {
  const given = fetch(event.request);
  given.catch(() => undefined);
  const late = new Promise<undefined>((done) => setTimeout(done, patience));
  const response = await Promise.race([given, late]).catch(() => undefined);
  if (response === undefined || response.status >= 500) return (await keptHome()) ?? given;
  event.waitUntil(leaveIfForeign(response.clone()));
  return response;
}

/** Where the address belongs to something else by now (another program on the same port), this worker goes. */
async function leaveIfForeign(response: Response): Promise<void> {
  if ((await response.text()) === (await (await keptHome())?.text())) return;
  const script = await fetch(new URL('service-worker.js', scope), { cache: 'no-store' }).catch(() => undefined);
  if (script === undefined || (script.ok && script.headers.get('content-type')?.includes('javascript'))) return;
  await worker.registration.unregister();
  await Promise.all((await ownCaches()).map((name) => caches.delete(name)));
}

worker.addEventListener('install', (event) => event.waitUntil(keepAll().then(() => worker.skipWaiting())));
worker.addEventListener('activate', (event) => event.waitUntil(forgetOld().then(() => worker.clients.claim())));
worker.addEventListener('fetch', (event) => {
  const { method, mode, url } = event.request;
  const address = url.replace(/[?#].*$/, '');
  if (method !== 'GET' || !address.startsWith(scope)) return;
  if (mode === 'navigate' && [scope, `${scope}index.html`].includes(address)) event.respondWith(home(event));
  else event.respondWith(kept(address).then((response) => response ?? fetch(event.request)));
});
