import { existsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Backend } from '../backends/backend.ts';
import { whatNativeLacks } from '../backends/native.ts';
import { createBackend } from '../backends/registry.ts';
import { makeBundle } from '../bundle/bundle.ts';
import { exitCodes, Fp8labError } from '../errors.ts';
import { requireWritable } from '../tensors/files.ts';
import type { Io } from './io.ts';
import { startProgress } from './progress.ts';
import { chooseSpecs } from './specs.ts';
import { packageVersion } from './version.ts';

/** Options of `fp8lab bundle`. */
export interface BundleCommandOptions {
  readonly large?: boolean;
  /** False with --no-node. */
  readonly node: boolean;
  /** False with --no-reference. */
  readonly reference: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
}

function refuseTarget(out: string, force: boolean): void {
  const refuse = (message: string, code: string, fix: string): never => {
    throw new Fp8labError(message, { kind: 'usage', code, where: out, fix });
  };
  if (!/\.(tar\.gz|tgz)$/.test(out)) refuse('a bundle is a .tar.gz', 'bad-name', 'name it so: fp8lab-bundle.tar.gz');
  if (!existsSync(dirname(resolve(out)))) refuse('its folder is not there', 'missing-folder', 'make the folder first');
  if (!existsSync(out)) return;
  if (statSync(out).isDirectory()) refuse('there is a folder of this name', 'is-a-folder', 'name a file');
  if (!force) refuse('there is a file of this name', 'exists', 'name another, or write over it with --force');
}

/** The native path where it is built: it is far faster, and parity holds it to the reference's bits. */
function digestBackend(io: Io): Backend {
  return createBackend(whatNativeLacks('native:host', { env: io.env }) === undefined ? 'native:host' : 'reference', {
    env: io.env,
  });
}

/** `fp8lab bundle`: one archive for a machine without internet. */
export async function bundleCommand(
  out: string,
  names: readonly string[],
  options: BundleCommandOptions,
  io: Io,
): Promise<number> {
  refuseTarget(out, options.force ?? false);
  await requireWritable(out);
  const specs = await chooseSpecs(names, options.large ?? false);
  const backend = options.reference ? digestBackend(io) : undefined;
  const progress = startProgress(io, 'bundle', specs.length);
  try {
    const bundle = await makeBundle({
      out,
      version: packageVersion(),
      specs,
      backend,
      node: options.node,
      env: io.env,
      signal: io.signal,
      onStep: (step, done) => progress.update(done, step),
    });
    if (options.json)
      io.stdout(
        `${JSON.stringify({ schemaVersion: 1, ...bundle, specs: specs.length, reference: backend?.name ?? null })}\n`,
      );
    else {
      io.stdout(
        `${bundle.file}\n${(bundle.bytes / 1e6).toFixed(1)} MB, ${bundle.files} files, ${specs.length} specs\nSHA-256 ${bundle.sha256}\n\n` +
          `On the other machine: tar xzf ${out.split('/').at(-1)} && ${out
            .split('/')
            .at(-1)!
            .replace(/\.(tar\.gz|tgz)$/, '')}/run\n`,
      );
    }
    return exitCodes.ok;
  } finally {
    progress.stop();
    await backend?.close();
  }
}
