import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../backends/machine.ts';
import { exitCodes, Fp8labError } from '../errors.ts';
import type { Io } from './io.ts';
import { serveFolder } from './static-server.ts';

/** Options of `fp8lab playground`. */
export interface PlaygroundOptions {
  readonly port?: number;
}

/** Serves the built page on loopback until Ctrl-C. */
export async function playgroundCommand(options: PlaygroundOptions, io: Io): Promise<number> {
  const outDir = join(packageRoot(), 'dist', 'page');
  if (!existsSync(join(outDir, 'index.html'))) {
    throw new Fp8labError('the page is not built', {
      kind: 'environment',
      code: 'not-built',
      where: outDir,
      fix: 'npm run build',
    });
  }
  const server = await serveFolder(outDir, options.port ?? 0);
  io.stdout(`${server.address}\n`);
  io.stderr('Ctrl-C ends it\n');
  await new Promise<void>((resolve) => {
    if (io.signal.aborted) resolve();
    else io.signal.addEventListener('abort', () => resolve());
  });
  await server.close();
  return exitCodes.ok;
}
