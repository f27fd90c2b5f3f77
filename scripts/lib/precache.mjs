import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Name of the service worker in the page's folder: it lies beside index.html, so that its scope is the folder. */
export const serviceWorkerName = 'service-worker.js';

const digestOf = (algorithm, data, encoding) => createHash(algorithm).update(data).digest(encoding);

/** Addresses of a built page's files, relative to its folder, with what their bytes must hash to; index.html goes by the folder's own. */
function filesOf(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== serviceWorkerName)
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => {
      const address = path.slice(folder.length + 1).replaceAll('\\', '/');
      return [address === 'index.html' ? './' : address, `sha256-${digestOf('sha256', readFileSync(path), 'base64')}`];
    })
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

/**
 * Tells the service worker of a built page what it keeps: every file that lies in the folder, and a version that follows from their bytes.
 * Whatever an earlier call told it is replaced.
 */
export function stampServiceWorker(folder) {
  const path = join(folder, serviceWorkerName);
  const files = filesOf(folder);
  const version = digestOf('sha256', JSON.stringify(files), 'hex').slice(0, 16);
  const code = readFileSync(path, 'utf8').replace(/^const fp8labBuild = .*\n/, '');
  writeFileSync(path, `const fp8labBuild = ${JSON.stringify({ version, files })};\n${code}`);
  return { version, files };
}
