import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { BackendIdentity } from '../backends/backend.ts';
import { packageRoot } from '../backends/machine.ts';
import { createWebGpuBackend } from '../backends/webgpu/backend.ts';
import type { AgainstRequest, AgainstTimes } from '../backends/webgpu/peers/against.ts';
import { type PeerName, peerPackages } from '../backends/webgpu/peers/peer.ts';
import type { Spread } from '../backends/webgpu/timing.ts';
import { exitCodes, Fp8labError } from '../errors.ts';
import type { VariantChoices } from '../kernels/variants.ts';
import { type LoadedSpec, loadSpecs } from '../specs/load.ts';
import { againstCharts, againstColumns, againstRows } from './bench-against-rows.ts';
import {
  type BenchCommandOptions,
  describeIdentity,
  expectedResults,
  limit,
  milliseconds,
  verify,
} from './bench-parts.ts';
import { type Io, notifier } from './io.ts';
import { specFolder } from './specs.ts';
import { checkFolder, writeStudy } from './study/output.ts';
import { table } from './table.ts';
import { packageVersion } from './version.ts';

/** A package that is installed: where, and which version. */
interface Installed {
  readonly folder: string;
  readonly version: string;
}

/** A spec beside its peers. */
interface AgainstEntry {
  readonly spec: string;
  readonly times: AgainstTimes;
}

/** Specs whose shapes the peers can do too. */
const defaultSpecs = ['gemm/bench-1024', 'gate/full-dsv3'];

const isPeer = (name: string): name is PeerName => Object.hasOwn(peerPackages, name);

/** Takes names from outside. Throws `unknown-peer` (kind `usage`). */
function parsePeers(list: string): PeerName[] {
  return list.split(',').map((part) => {
    const name = part.trim();
    if (isPeer(name)) return name;
    const fix = `choose among ${Object.keys(peerPackages).join(', ')}`;
    throw new Fp8labError(`there is no peer ${name}`, { kind: 'usage', code: 'unknown-peer', where: '--against', fix });
  });
}

/** A package beside fp8lab's own dependencies, or beside fp8lab itself. Throws `no-peer` (kind `environment`). */
function findPackage(name: string): Installed {
  const places = [join(packageRoot(), 'node_modules', name), join(dirname(packageRoot()), name)];
  const folder = places.find((place) => existsSync(join(place, 'package.json')));
  if (folder === undefined) {
    throw new Fp8labError(`${name} is not installed: it is no part of fp8lab, only measured against`, {
      kind: 'environment',
      code: 'no-peer',
      where: '--against',
      fix: `run \`npm install --no-save ${name}\` in ${packageRoot()}`,
    });
  }
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string };
  return { folder, version };
}

/** Whether peers can do what a spec does. */
function fits({ spec }: LoadedSpec, peers: readonly PeerName[]): PeerName[] {
  if (spec.kernel === 'gemm') {
    const { m, n, k } = spec.shape;
    return m === n && n === k ? [...peers] : [];
  }
  return spec.kernel === 'gate' ? peers.filter((name) => name === 'tfjs') : [];
}

const ratio = (peer: Spread, ours: Spread): string => `${(peer.median / ours.median).toFixed(2)} times ours`;

/** `fp8lab bench --against`: a spec's fast tier and other libraries' work of the same shape, in one page of Chromium, in turn. */
export async function benchAgainst(
  names: readonly string[],
  options: BenchCommandOptions & { readonly against: string },
  variants: VariantChoices,
  io: Io,
): Promise<number> {
  const peers = parsePeers(options.against);
  const installed = Object.fromEntries(
    peers.flatMap((peer) => peerPackages[peer].map((name) => [name, findPackage(name)] as const)),
  );
  const specs = await loadSpecs(names.length > 0 ? names : defaultSpecs, specFolder());
  const expected = await expectedResults(specs, io);
  const packages = Object.fromEntries(Object.entries(installed).map(([name, { folder }]) => [name, folder]));
  const adapter = options.adapter ?? 'auto';
  const leave = options.out === undefined ? undefined : await checkFolder(options.out, '--out');
  const backend = createWebGpuBackend('webgpu:chromium', {
    adapter,
    env: io.env,
    variants,
    packages,
    notify: notifier(io),
  });
  try {
    const patience = { timeout: limit, signal: io.signal };
    const { identity } = await backend.start(patience);
    const chosen = await backend.variants(
      specs.map(({ spec }) => spec),
      patience,
    );
    const entries: AgainstEntry[] = [];
    for (const loaded of specs) {
      const able = fits(loaded, peers);
      io.stderr(`${backend.name}: ${loaded.label} against ${able.join(', ') || 'nobody: no peer does this'}\n`);
      if (able.length === 0) continue;
      const request = { spec: loaded.spec, peers: able, rounds: options.samples ?? 5 } as AgainstRequest;
      const { value: times, tensors } = await backend.request<AgainstTimes>('against', request, {}, patience);
      verify(loaded, 'fast', backend.name, expected.get(loaded.label)!, tensors);
      entries.push({ spec: loaded.label, times });
    }
    const versions = Object.fromEntries(Object.entries(installed).map(([name, { version }]) => [name, version]));
    const files =
      options.out === undefined ? [] : await writeAgainst(options.out, names, options, versions, identity, entries, io);
    if (options.json)
      io.stdout(`${JSON.stringify({ schemaVersion: 1, identity, variants: chosen, versions, entries, files })}\n`);
    else {
      io.stdout(describeIdentity(identity));
      for (const { spec, times } of entries)
        io.stdout(`${spec} (fast), milliseconds, median of ${times.ours.samples}\n${timesTable(times)}`);
      io.stdout(files.map((file) => `wrote ${file}\n`).join(''));
    }
  } catch (error) {
    await leave?.();
    throw error;
  } finally {
    await backend.close();
  }
  return exitCodes.ok;
}

/** CSV and a chart of all entries. */
async function writeAgainst(
  folder: string,
  names: readonly string[],
  { against, samples = 5 }: BenchCommandOptions,
  versions: Readonly<Record<string, string>>,
  identity: BackendIdentity,
  entries: readonly AgainstEntry[],
  io: Io,
): Promise<readonly string[]> {
  const all = { ...versions, fp8lab: packageVersion() };
  const rows = entries.flatMap(({ spec, times }) => againstRows(spec, times, all));
  const record = {
    study: 'bench-against',
    command: ['fp8lab', 'bench', ...names, '--against', against].join(' '),
    version: packageVersion(),
    options: { samples },
    inputs: [],
    notes: [describeIdentity(identity).trim()],
  };
  const charts = againstCharts(rows, identity.adapter, identity.software);
  return writeStudy(folder, record, { name: 'bench-against', columns: againstColumns }, rows, charts, io);
}

function timesTable({ ours, peers }: AgainstTimes): string {
  const row = (name: string, time: Spread, note: string): string[] => [
    `  ${name}`,
    milliseconds(time.median),
    `${milliseconds(time.min)} to ${milliseconds(time.max)}`,
    note,
  ];
  return table([row('fp8lab', ours, ''), ...peers.map(({ name, time }) => row(name, time, ratio(time, ours)))]);
}
