import { spawn, spawnSync } from 'node:child_process';
import { afterAll, describe, expect, it } from 'vitest';
import { nativeBinary } from '../../src/backends/native.ts';
import { createNativeServer } from '../../src/backends/native-server.ts';
import { runReference } from '../../src/backends/reference.ts';
import { decodeFrame, encodeFrame, FrameReader, type Message } from '../../src/backends/webgpu/protocol.ts';
import { kernelOf } from '../../src/kernels/index.ts';
import { materializeInputs } from '../../src/kernels/inputs.ts';
import { loadFile } from '../../src/specs/load.ts';
import { resolveSpec } from '../../src/specs/resolve.ts';
import type { ResolvedSpec } from '../../src/specs/types.ts';
import { bytesOf, requireNative } from './support.ts';

const names = [
  'gemm/edge-ragged',
  'gemm/mxfp4',
  'gemm/nvfp4',
  'quantize/e5m6-token',
  'quantize/edge-bits-f32',
  'dequantize/activation-f16',
  'requantize/edge-ragged',
];

async function shipped(name: string): Promise<ResolvedSpec> {
  const { spec } = await loadFile(new URL(`../../specs/${name}.json`, import.meta.url).pathname);
  return spec;
}

describe.runIf(requireNative())('native server: one process for many specs', () => {
  const server = createNativeServer('native:host', { threads: 2 });
  afterAll(() => server.close());

  it.each(names)('%s: the bytes of the reference, inputs generated or sent', async (name) => {
    const spec = await shipped(name);
    const expected = bytesOf(runReference(spec).tensors);
    expect(bytesOf((await server.run(spec)).tensors)).toEqual(expected);
    const inputs = materializeInputs(kernelOf(spec).inputs(spec));
    expect(bytesOf((await server.run(spec, { inputs })).tensors)).toEqual(expected);
  });

  it('answers what was asked at once, each with its own', async () => {
    const all = await Promise.all(names.map(shipped));
    const answers = await Promise.all(all.map((spec) => server.run(spec)));
    answers.forEach(({ spec, tensors }, i) => {
      expect(spec).toBe(all[i]!.name);
      expect(bytesOf(tensors)).toEqual(bytesOf(runReference(all[i]!).tensors));
    });
  });

  it('tells what is wrong with a run and goes on', async () => {
    const spec = await shipped('quantize/edge-one-element');
    const x = { dtype: 'BF16', shape: [3, 3], codes: new Uint16Array(9) } as const;
    await expect(server.run(spec, { inputs: { x } })).rejects.toMatchObject({ kind: 'input', code: 'wrong-shape' });
    expect(bytesOf((await server.run(spec)).tensors)).toEqual(bytesOf(runReference(spec).tensors));
  });

  it.each(['unpermute/edge-ragged', 'combine/reduce-node', 'combine/edge-bits'])(
    '%s: every negative row is none',
    async (name) => {
      const spec = await shipped(name);
      const inputs = materializeInputs(kernelOf(spec).inputs(spec));
      const codes = inputs.slot_to_row!.codes.map((row, i) => (i % 3 === 0 ? 0x80000000 + i : row));
      const given = { ...inputs, slot_to_row: { ...inputs.slot_to_row!, codes } };
      expect(bytesOf((await server.run(spec, { inputs: given })).tensors)).toEqual(
        bytesOf(runReference(spec, given).tensors),
      );
    },
  );

  it('ends with the stream of its requests', async () => {
    const child = spawn(nativeBinary(), ['serve'], { stdio: ['pipe', 'pipe', 'ignore'] });
    const reader = new FrameReader();
    const messages: Message[] = [];
    child.stdout.on('data', (chunk) => messages.push(...reader.push(chunk)));
    const spec = await shipped('gemm/edge-k1');
    child.stdin.end(encodeFrame({ header: { id: 7, kind: 'run', params: { spec } }, tensors: {} }));
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(0);
    expect(messages.map(({ header }) => header.id)).toEqual([7]);
    expect(bytesOf(messages[0]!.tensors)).toEqual(bytesOf(runReference(spec).tensors));
  });

  const empty = encodeFrame({ header: { id: 1, kind: 'run', params: {} }, tensors: {} });
  const tensor = (entry: object): Uint8Array => {
    const spare = encodeFrame({ header: {}, tensors: { x: { dtype: 'F32', shape: [2], codes: new Uint32Array(2) } } });
    const text = JSON.stringify({
      id: 1,
      tensors: [{ name: 'x', dtype: 'F32', shape: [2], offset: 0, lane: 4, length: 2, ...entry }],
    });
    const header = new TextEncoder().encode(text.padEnd(Math.ceil(text.length / 8) * 8));
    const frame = new Uint8Array(16 + header.length + 8);
    frame.set(spare.subarray(0, 16));
    new DataView(frame.buffer).setUint32(4, header.length, true);
    frame.set(header, 16);
    return frame;
  };

  it.each([
    ['no frame', new TextEncoder().encode('this is not a frame at all')],
    ['half a prefix', empty.subarray(0, 9)],
    ['half a header', empty.subarray(0, 30)],
    ['a header of 4 GB', Uint8Array.from([...empty.subarray(0, 4), 255, 255, 255, 255, ...empty.subarray(8)])],
    ['an unknown dtype', tensor({ dtype: 'F33' })],
    ['a shape that is not its length', tensor({ shape: [3] })],
    ['extents that overflow', tensor({ shape: [2 ** 31, 2 ** 31, 4], length: 0 })],
    ['a length past the frame', tensor({ shape: [2 ** 30], length: 2 ** 30 })],
    ['a wrong lane', tensor({ lane: 1 })],
    ['an offset elsewhere', tensor({ offset: 8 })],
    ['a payload past its tensors', tensor({ shape: [0], length: 0 })],
  ])('%s ends it with one message and code 4', (_, input) => {
    const { status, stderr, stdout } = spawnSync(nativeBinary(), ['serve'], { input });
    expect(status).toBe(4);
    expect(stdout).toHaveLength(0);
    expect(JSON.parse(stderr.toString())).toMatchObject({ code: 'protocol', where: 'stdin' });
  });

  it.each([
    ['no spec', { kind: 'run', params: {} }],
    ['another request', { kind: 'probe', params: {} }],
    ['a spec that is none', { kind: 'run', params: { spec: { fp8lab: 1 } } }],
    ['no id and no kind', {}],
  ])('%s is an answer, not an end', (_, header) => {
    const spec = resolveSpec({
      fp8lab: 1,
      kernel: 'quantize',
      name: 'next',
      shape: { rows: 1, columns: 8 },
      x: { input: { generate: 'normal', seed: 1 } },
      scheme: 'mxfp8',
    });
    const frames = [
      encodeFrame({ header, tensors: {} }),
      encodeFrame({ header: { id: 2, kind: 'run', params: { spec } }, tensors: {} }),
    ];
    const { status, stdout } = spawnSync(nativeBinary(), ['serve'], { input: Buffer.concat(frames) });
    expect(status).toBe(0);
    const [first, second] = new FrameReader().push(new Uint8Array(stdout));
    expect(first!.header.error).toMatchObject({ kind: 'input', message: expect.any(String), fix: expect.any(String) });
    expect(second!.header).toMatchObject({ id: 2, value: { kernel: expect.any(Number) } });
    expect(decodeFrame(encodeFrame(second!))).toEqual(second);
  });
});
