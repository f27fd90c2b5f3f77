// Runs every one of the 2^32 f32 bit patterns through an e4m3 or e5m2 encoder (saturate, nearest-even) or a pinned function (exp, sigmoid, log1p,
// softplus, sqrt), and holds it against the record in specs/vectors/exhaustive-NAME.json: 256 digests, each the SHA-256 of the 2^24 codes (of
// functions: f32 bits, little-endian) of patterns that share their top byte, in pattern order.
//
//   node scripts/exhaustive.mjs                                the reference, both formats
//   node scripts/exhaustive.mjs --of e4m3 --backend table      one format, the table that whole arrays go through
//   node scripts/exhaustive.mjs --of sigmoid --backend native  a function in C++, with its largest error against the C library's
//   node scripts/exhaustive.mjs --backend host                 the CUDA toolkit's headers on the host
//   node scripts/exhaustive.mjs --backend webgpu:deno --workers 1   the WGSL encoder (webgpu:node, webgpu:chromium too; npm run build first)
//   node scripts/exhaustive.mjs --chunks 58-68,127             some top bytes only
//   node scripts/exhaustive.mjs --backend reference --record   writes the record
//
// Backends: scripts/lib/pattern-encoders.mjs. Exit code 1 where a digest differs, 3 where the machine lacks what the backend needs.
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { SingleBar } from 'cli-progress';
import { createPatternEncoder, formatNames, functionNames, nativeDigests } from './lib/pattern-encoders.mjs';
import { inProject } from './lib/project.mjs';

const CHUNKS = 256;

const { values: options } = parseArgs({
  options: {
    of: { type: 'string' },
    backend: { type: 'string', default: 'reference' },
    chunks: { type: 'string', default: '0-255' },
    workers: { type: 'string', default: '2' },
    record: { type: 'boolean', default: false },
  },
});

/** Chunk numbers of a list such as `0,58-68`. */
function parseChunks(text) {
  const chunks = text.split(',').flatMap((part) => {
    const [first, last = first] = part.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
  const isChunk = (chunk) => Number.isInteger(chunk) && chunk >= 0 && chunk < CHUNKS;
  if (chunks.length === 0 || !chunks.every(isChunk)) throw new Error(`--chunks ${text}: numbers from 0 to 255`);
  return chunks;
}

/** One worker's share: it takes the next chunk until none is left. */
function runWorker(name, queue, onDigest) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./lib/exhaustive-worker.mjs', import.meta.url), {
      workerData: { name, backend: options.backend },
    });
    const next = () => worker.postMessage(queue.length > 0 ? queue.shift() : 'done');
    worker.on('error', reject);
    worker.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a worker ended with code ${code}`))));
    worker.on('message', (message) => {
      if (message.digest !== undefined) onDigest(message.chunk, message.digest);
      next();
    });
  });
}

/** The same from the native runner, chunk by chunk. */
async function digestsOfNative(name, chunks) {
  const digests = new Map();
  let worst = { largestErrorUlp: -1 };
  for (const chunk of chunks) {
    const result = await nativeDigests(name, chunk, chunk);
    digests.set(chunk, result.digests[0]);
    if (result.largestErrorUlp > worst.largestErrorUlp) worst = result;
  }
  if (worst.largestErrorUlp >= 0) {
    console.log(
      `${name}: at most ${worst.largestErrorUlp.toFixed(4)} ULP from the true value, at 0x${worst.atPattern.toString(16)}`,
    );
  }
  return digests;
}

async function digestsOf(name, chunks) {
  if (options.backend === 'native') return digestsOfNative(name, chunks);
  // Made once here first: what the machine lacks is told before workers start.
  await (await createPatternEncoder(options.backend, name)).close();
  const digests = new Map();
  const bar = new SingleBar({
    format: `${name} {bar} {value}/{total} chunks, {eta_formatted} left`,
    noTTYOutput: false,
  });
  bar.start(chunks.length, 0);
  const queue = [...chunks];
  const onDigest = (chunk, digest) => {
    digests.set(chunk, digest);
    bar.update(digests.size);
  };
  const workers = Math.min(Number(options.workers), chunks.length);
  try {
    await Promise.all(Array.from({ length: workers }, () => runWorker(name, queue, onDigest)));
  } finally {
    bar.stop();
  }
  return digests;
}

const recordOf = (name) => inProject('specs/vectors', `exhaustive-${name}.json`);

/** What a record says beside its digests. */
const about = (name) =>
  functionNames.includes(name)
    ? {
        about:
          'SHA-256 of the results of f32 patterns chunk * 2^24 + 0, 1, ..., f32 bits, little-endian; chunks 0 to 255',
        function: name,
      }
    : {
        about: 'SHA-256 of the 2^24 codes of f32 patterns chunk * 2^24 + 0, 1, ..., one byte a code; chunks 0 to 255',
        format: name,
        rounding: 'nearest-even',
        overflow: 'saturate',
      };

function record(name, digests) {
  const content = { ...about(name), digests: Array.from({ length: CHUNKS }, (_, chunk) => digests.get(chunk)) };
  writeFileSync(recordOf(name), `${JSON.stringify(content, null, 1)}\n`);
}

/** Chunks whose digest is not the recorded one. */
function differingChunks(name, digests) {
  const recorded = JSON.parse(readFileSync(recordOf(name), 'utf8')).digests;
  return [...digests].filter(([chunk, digest]) => recorded[chunk] !== digest).map(([chunk]) => chunk);
}

async function run(name) {
  const chunks = parseChunks(options.chunks);
  const start = performance.now();
  const digests = await digestsOf(name, chunks);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  if (options.record) record(name, digests);
  const differing = differingChunks(name, digests);
  const verdict = differing.length === 0 ? 'as recorded' : `different in chunks ${differing.join(', ')}`;
  console.log(`${name} ${options.backend}: ${chunks.length} of ${CHUNKS} chunks in ${seconds} s, ${verdict}`);
  if (differing.length > 0) process.exitCode = 1;
}

try {
  if (options.record && options.chunks !== '0-255') throw new Error('--record needs all chunks');
  for (const name of options.of === undefined ? formatNames : [options.of]) await run(name);
} catch (error) {
  console.error(`exhaustive: ${error.message}`);
  process.exitCode = error.isMissing ? 3 : 2;
}
