import { kernelOf } from '../../../kernels/index.ts';
import { materializeInputs } from '../../../kernels/inputs.ts';
import { philoxWord } from '../../../numerics/philox.ts';
import type { GateSpec, GemmSpec } from '../../../specs/types.ts';
import type { Tensors } from '../../../tensors/tensor.ts';
import type { Session } from '../session.ts';
import { recorder, type Spread, spreadOf } from '../timing.ts';
import { openJax } from './jax.ts';
import { openOrt } from './ort.ts';
import type { Peer, PeerName, PeerRun } from './peer.ts';
import { openTfjs } from './tfjs.ts';

/** What is timed against whom. */
export interface AgainstRequest {
  /** A square gemm is held against f32 products, a gate against the largest of each row. */
  readonly spec: GemmSpec | GateSpec;
  readonly peers: readonly PeerName[];
  readonly rounds: number;
}

/** Milliseconds from an idle device to an idle device, each in turn in every round. */
export interface AgainstTimes {
  readonly ours: Spread;
  readonly peers: readonly { readonly name: PeerName; readonly time: Spread }[];
}

/** Dispatches that quantize a product's operands: the peers are given theirs, and so is the product. */
const quantizing: readonly string[] = [
  'amax',
  'tile_scales',
  'quantize',
  'quantize_scaled',
  'quantize_lines',
  'quantize_tiles_fast',
].map((name) => `kernels/${name}`);

/** Where the page finds a package's files. */
const folder = (name: string): string => new URL(`packages/${name}`, location.href).href;

const openers: Readonly<Record<PeerName, () => Promise<Peer>>> = {
  ort: () => openOrt(folder('onnxruntime-web')),
  'jax-js': () => openJax(folder('@jax-js/jax')),
  tfjs: () => openTfjs(folder('@tensorflow/tfjs-core'), folder('@tensorflow/tfjs-backend-webgpu')),
};

/** f32 in [-1, 1), the same everywhere. */
function random(count: number, seed: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: count }, (_, i) => (philoxWord(seed, i, 0) >>> 8) / 2 ** 23 - 1);
}

/** Times a spec's fast tier and other libraries' work of the same shape in this page, one after the other in every round. */
export async function timeAgainst(
  session: Session,
  { spec, peers, rounds }: AgainstRequest,
): Promise<{ times: AgainstTimes; tensors: Tensors }> {
  const kernel = kernelOf(spec);
  const { gpu } = await session.open('fast', kernel.families);
  try {
    const recording = recorder(gpu);
    const inputs = materializeInputs(kernel.inputs(spec as never), {});
    const tensors = await kernel.webgpu(recording.gpu, spec as never, inputs, 'fast');
    const dispatches = recording.dispatches.filter(({ shader }) => !quantizing.includes(shader));
    const runs = new Map<string, () => Promise<number>>([['ours', async () => (await gpu.time(dispatches, 1)).wall]]);
    for (const name of peers) runs.set(name, stopwatch(await preparePeer(await openers[name](), spec, name)));
    const times = new Map<string, number[]>([...runs.keys()].map((name) => [name, []]));
    for (let round = -1; round < rounds; round++) {
      // One unmeasured round: what a library puts off to its second run is not its speed.
      for (const [name, run] of runs) {
        const time = await run();
        if (round >= 0) times.get(name)!.push(time);
      }
    }
    const spread = (name: string): Spread => spreadOf(times.get(name)!);
    return { tensors, times: { ours: spread('ours'), peers: peers.map((name) => ({ name, time: spread(name) })) } };
  } finally {
    await gpu.destroyRun();
  }
}

const stopwatch = (run: PeerRun) => async (): Promise<number> => {
  const began = performance.now();
  await run.run();
  return performance.now() - began;
};

/** A peer's work of a spec's shape, done once and found right. */
async function preparePeer(peer: Peer, spec: GemmSpec | GateSpec, name: PeerName): Promise<PeerRun> {
  if (spec.kernel === 'gemm') {
    const size = spec.shape.m;
    const [a, b] = [random(size * size, 1), random(size * size, 2)];
    const run = await peer.product(a, b, size);
    await run.run();
    checkProduct(await run.read(), a, b, size, name);
    return run;
  }
  const { tokens, experts } = spec.shape;
  const { topk } = spec.gate;
  if (peer.largest === undefined) throw new Error(`${name} has no top-k here`);
  const x = random(tokens * experts, 3);
  const run = await peer.largest(x, tokens, experts, topk);
  await run.run();
  checkLargest(await run.read(), x, experts, topk, name);
  return run;
}

/** Some elements against sums in double precision. */
function checkProduct(c: Float32Array, a: Float32Array, b: Float32Array, size: number, name: string): void {
  for (let i = 0; i < 64; i++) {
    const [row, column] = [(i * 37) % size, (i * 101 + 7) % size];
    let sum = 0;
    for (let k = 0; k < size; k++) sum += a[row * size + k]! * b[k * size + column]!;
    if (!(Math.abs(c[row * size + column]! - sum) < 1e-4 * size)) throw wrong(name);
  }
}

/** Some rows against sorting. */
function checkLargest(top: Float32Array, x: Float32Array, columns: number, count: number, name: string): void {
  for (let row = 0; row < 64; row++) {
    const sorted = x.slice(row * columns, (row + 1) * columns).sort((p, q) => q - p);
    for (let i = 0; i < count; i++) if (top[row * count + i] !== sorted[i]) throw wrong(name);
  }
}

const wrong = (name: string): Error => new Error(`${name} computes something else`);
