// A worker of scripts/exhaustive.mjs: encodes the chunks it is sent and answers with their digests.
import { createHash } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import { createPatternEncoder } from './pattern-encoders.mjs';

const CHUNK = 2 ** 24;

const encoder = await createPatternEncoder(workerData.backend, workerData.name);
parentPort.on('message', async (chunk) => {
  if (chunk === 'done') {
    await encoder.close();
    parentPort.close();
    return;
  }
  const codes = await encoder.encode(chunk * CHUNK, CHUNK);
  if (codes.length !== CHUNK) throw new Error(`${workerData.backend} gave ${codes.length} codes for ${CHUNK} patterns`);
  parentPort.postMessage({
    chunk,
    digest: createHash('sha256')
      .update(new Uint8Array(codes.buffer, codes.byteOffset, codes.byteLength))
      .digest('hex'),
  });
});
parentPort.postMessage({ ready: true });
