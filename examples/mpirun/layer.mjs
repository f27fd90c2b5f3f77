// A mixture-of-experts layer over MPI ranks, held against the same layer in one process: `node examples/mpirun/layer.mjs 4`.
// Every rank has its tokens and its experts; FP8 rows go out, bf16 rows come back.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadSpecs, nativeBinary } from 'fp8lab/node';

const ranks = process.argv[2] ?? '4';
const folder = mkdtempSync(join(tmpdir(), 'fp8lab-mpirun-'));
try {
  const [{ spec }] = await loadSpecs(['moe-layer/dsv3'], fileURLToPath(new URL('../../specs', import.meta.url)));
  const file = join(folder, 'layer.json');
  writeFileSync(file, JSON.stringify(spec));
  const json = (program, args) => JSON.parse(execFileSync(program, args, { encoding: 'utf8' }));
  const whole = json(nativeBinary(), ['run', file, '--digest']);
  // More ranks than cores, and root in a container, need a word each.
  const words = ['--oversubscribe', ...(process.getuid?.() === 0 ? ['--allow-run-as-root'] : [])];
  const shared = json('mpirun', [...words, '-np', ranks, nativeBinary(), 'moe', file, '--digest']);
  const links = shared.bytes.dispatch.map((row) => row.map((bytes) => String(bytes).padStart(6)).join(''));
  console.log(`bytes from each rank to each:\n${links.join('\n')}`);
  const same = ['y', 'topk_idx', 'topk_weights'].every(
    (name) => shared.tensors[name].sha256 === whole.tensors[name].sha256,
  );
  console.log(`${shared.ranks} ranks and 1 process: ${same ? 'the same bits' : 'different bits'}`);
  if (!same) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
