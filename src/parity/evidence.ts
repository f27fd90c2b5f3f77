import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import type { RunResult } from '../backends/backend.ts';
import { Fp8labError, inputError } from '../errors.ts';
import type { Tier } from '../kernels/kernel.ts';
import { canonicalJson, specIdentity } from '../specs/canonical.ts';
import type { LoadedSpec } from '../specs/load.ts';
import { packCodes } from '../tensors/packing.ts';
import { dtypeBits, type Tensor, type Tensors } from '../tensors/tensor.ts';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256 in hexadecimal');

const digestSchema = z.strictObject({
  dtype: z.enum(Object.keys(dtypeBits) as [keyof typeof dtypeBits]),
  shape: z.array(z.int().nonnegative()).readonly(),
  sha256,
});

const evidenceSchema = z.strictObject({
  schemaVersion: z.literal(1),
  fp8lab: z.string(),
  recordedAt: z.iso.datetime(),
  spec: z.strictObject({ label: z.string(), kernel: z.string(), identity: sha256 }),
  tier: z.enum(['exact', 'fast']),
  backend: z.strictObject({
    backend: z.string(),
    runtime: z.string(),
    adapter: z.string(),
    software: z.boolean(),
    details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  }),
  times: z.strictObject({ total: z.number(), inputs: z.number(), kernel: z.number(), compile: z.number().optional() }),
  tensors: z.record(z.string(), digestSchema),
  checksum: sha256,
});

/** dtype, shape and SHA-256 of a tensor's bytes as a safetensors file holds them. */
export type TensorDigest = z.infer<typeof digestSchema>;

/**
 * What one run of one spec gave on one machine: the digests of its results, enough for anyone's later run to be held against it without that
 * machine. `checksum` is the SHA-256 of the rest as canonical JSON: it finds damage and careless edits; it is no signature.
 */
export type Evidence = z.infer<typeof evidenceSchema>;

/** A result held against recorded evidence. */
export interface EvidenceComparison {
  readonly equal: boolean;
  /** What differs, a line each. */
  readonly problems: readonly string[];
}

async function sha256Of(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Digest of a tensor: dtype, shape, and SHA-256 of its packed little-endian bytes. */
export async function digestTensor({ dtype, shape, codes }: Tensor): Promise<TensorDigest> {
  return { dtype, shape: [...shape], sha256: await sha256Of(packCodes(codes, dtype)) };
}

/** Digests of named tensors. */
export async function digestTensors(tensors: Tensors): Promise<Record<string, TensorDigest>> {
  const entries = Object.entries(tensors).map(async ([name, tensor]) => [name, await digestTensor(tensor)] as const);
  return Object.fromEntries(await Promise.all(entries));
}

async function checksumOf(evidence: Omit<Evidence, 'checksum'>): Promise<string> {
  return sha256Of(new TextEncoder().encode(canonicalJson(evidence)));
}

/** Evidence of a run. `version` is fp8lab's own; `recordedAt` defaults to now. */
export async function makeEvidence(
  { label, spec }: Pick<LoadedSpec, 'label' | 'spec'>,
  result: RunResult,
  { tier = 'exact', version, recordedAt = new Date() }: { tier?: Tier; version: string; recordedAt?: Date },
): Promise<Evidence> {
  const body: Omit<Evidence, 'checksum'> = {
    schemaVersion: 1,
    fp8lab: version,
    recordedAt: recordedAt.toISOString(),
    spec: { label, kernel: spec.kernel, identity: await specIdentity(spec) },
    tier,
    backend: { ...result.identity, details: { ...result.identity.details } },
    times: { ...result.times },
    tensors: await digestTensors(result.tensors),
  };
  return { ...body, checksum: await checksumOf(body) };
}

/** Path of a piece of evidence below its folder: `gemm/dsv3-q-a.native-cuda.json`. */
export function evidencePath(evidence: Pick<Evidence, 'spec' | 'backend' | 'tier'>): string {
  const safe = (text: string): string => text.replace(/[^A-Za-z0-9._/-]/g, '-').replace(/\.\.+/g, '.');
  const name = safe(evidence.spec.label).replace(/^\/+/, '');
  return `${name}.${safe(evidence.backend.backend).replaceAll('/', '-')}${evidence.tier === 'fast' ? '.fast' : ''}.json`;
}

/** Writes evidence below a folder and returns the file's path; a reader never sees half a file. */
export async function writeEvidence(folder: string, evidence: Evidence): Promise<string> {
  const path = join(folder, evidencePath(evidence));
  const partial = `${path}.${randomUUID()}.part`;
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(partial, `${JSON.stringify(evidence, null, 2)}\n`);
    await rename(partial, path);
  } catch (cause) {
    await rm(partial, { force: true }).catch(() => {});
    throw new Fp8labError(`evidence cannot be written: ${(cause as Error).message}`, {
      kind: 'environment',
      code: 'cannot-write',
      where: path,
      fix: 'name a folder that can be written to, on a disk with room',
      cause,
    });
  }
  return path;
}

/** Reads one piece of evidence from its text; truncated, altered or foreign files are refused. `where` names the file. */
export async function parseEvidence(text: string, where: string): Promise<Evidence> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    const fix = 'restore the file from where it was recorded, or record it anew';
    throw inputError(
      `not valid JSON, perhaps cut short: ${(cause as Error).message}`,
      'bad-evidence',
      where,
      fix,
      cause,
    );
  }
  const version = (json as { schemaVersion?: unknown } | null)?.schemaVersion;
  if (version !== 1) {
    const fix = 'use the fp8lab that recorded it, or record it anew with this one';
    throw inputError(
      `schemaVersion is ${JSON.stringify(version)}, this fp8lab reads 1`,
      'evidence-version',
      where,
      fix,
    );
  }
  const parsed = evidenceSchema.safeParse(json);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!;
    const fix = 'name a folder written by `fp8lab parity --record`';
    throw inputError(`${path.join('.') || 'evidence'}: ${message}`, 'bad-evidence', where, fix);
  }
  const { checksum, ...body } = parsed.data;
  if ((await checksumOf(body)) !== checksum) {
    const fix = 'restore the file from where it was recorded, or record it anew';
    throw inputError('the content does not match its checksum: it was altered', 'evidence-altered', where, fix);
  }
  return parsed.data;
}

/** Reads all evidence below a folder, in the order of paths. An empty or missing folder is refused, as is any file that is not whole. */
export async function readEvidence(folder: string): Promise<Evidence[]> {
  const names = await readdir(folder, { recursive: true }).catch((cause: Error) => {
    throw inputError(
      `evidence cannot be read: ${cause.message}`,
      'no-evidence',
      folder,
      'name a folder of evidence',
      cause,
    );
  });
  const files = names.filter((name) => name.endsWith('.json')).sort();
  if (files.length === 0) {
    const fix = 'name a folder written by `fp8lab parity --record`';
    throw inputError('the folder holds no evidence', 'no-evidence', folder, fix);
  }
  const evidence: Evidence[] = [];
  for (const name of files) {
    const path = join(folder, name);
    evidence.push(await parseEvidence(await readFile(path, 'utf8'), path));
  }
  return evidence;
}

/** Evidence of the same computation: equal spec identity and tier, whatever the spec's name was. */
export async function matchingEvidence(
  evidence: readonly Evidence[],
  { spec }: Pick<LoadedSpec, 'spec'>,
  tier: Tier = 'exact',
): Promise<Evidence[]> {
  const identity = await specIdentity(spec);
  return evidence.filter((piece) => piece.spec.identity === identity && piece.tier === tier);
}

/** Holds results against evidence of the same spec, digest by digest. */
export async function holdAgainst(evidence: Evidence, tensors: Tensors): Promise<EvidenceComparison> {
  const actual = await digestTensors(tensors);
  const problems: string[] = [];
  for (const [name, recorded] of Object.entries(evidence.tensors)) {
    const found = actual[name];
    if (found === undefined) problems.push(`${name}: recorded, but not among the results`);
    else problems.push(...digestProblems(name, recorded, found));
  }
  for (const name of Object.keys(actual)) {
    if (!Object.hasOwn(evidence.tensors, name)) problems.push(`${name}: among the results, but not recorded`);
  }
  return { equal: problems.length === 0, problems };
}

function digestProblems(name: string, recorded: TensorDigest, found: TensorDigest): string[] {
  if (recorded.dtype !== found.dtype) return [`${name}: dtype is ${found.dtype}, recorded ${recorded.dtype}`];
  const [shape, wanted] = [found.shape, recorded.shape].map((extents) => `[${extents.join(', ')}]`);
  if (shape !== wanted) return [`${name}: shape is ${shape}, recorded ${wanted}`];
  if (recorded.sha256 === found.sha256) return [];
  return [`${name}: bytes differ: SHA-256 ${found.sha256.slice(0, 12)}, recorded ${recorded.sha256.slice(0, 12)}`];
}
