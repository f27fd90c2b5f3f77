import type { Peer } from './peer.ts';

/** The little that is used of onnxruntime-web. */
interface Ort {
  readonly env: {
    readonly wasm: { wasmPaths: string; numThreads: number };
    readonly webgpu: { device: Promise<GPUDevice> };
  };
  readonly InferenceSession: {
    create(model: Uint8Array, options: object): Promise<{ run(feeds: object, fetches: object): Promise<unknown> }>;
  };
  readonly Tensor: { fromGpuBuffer(buffer: GPUBuffer, options: object): unknown };
}

/** onnxruntime-web's WebGPU execution provider: a session of one MatMul, feeds and fetches in buffers of its own device. */
export async function openOrt(folder: string): Promise<Peer> {
  const ort = (await import(/* @vite-ignore */ `${folder}/dist/ort.webgpu.min.mjs`)) as Ort;
  ort.env.wasm.wasmPaths = `${folder}/dist/`;
  ort.env.wasm.numThreads = 1;
  return {
    async product(a, b, size) {
      const session = await ort.InferenceSession.create(matMulModel(size), {
        executionProviders: ['webgpu'],
        preferredOutputLocation: 'gpu-buffer',
      });
      const device = await ort.env.webgpu.device;
      const buffers = [a, b, undefined].map((values) => resident(device, values, 4 * size * size));
      const [A, B, C] = buffers.map((buffer) =>
        ort.Tensor.fromGpuBuffer(buffer, { dataType: 'float32', dims: [size, size] }),
      );
      return {
        async run() {
          await session.run({ A, B }, { C });
          await device.queue.onSubmittedWorkDone();
        },
        read: () => readBack(device, buffers[2]!, 4 * size * size),
      };
    },
  };
}

/** A buffer as the provider wants them; STORAGE, COPY_SRC and COPY_DST of the standard. */
function resident(device: GPUDevice, values: Float32Array<ArrayBuffer> | undefined, size: number): GPUBuffer {
  const buffer = device.createBuffer({ size, usage: 0x80 | 0x4 | 0x8 });
  if (values !== undefined) device.queue.writeBuffer(buffer, 0, values);
  return buffer;
}

async function readBack(device: GPUDevice, source: GPUBuffer, size: number): Promise<Float32Array> {
  const staging = device.createBuffer({ size, usage: 0x1 | 0x8 });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(source, 0, staging, 0, size);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(1);
  const values = new Float32Array(staging.getMappedRange().slice(0));
  staging.destroy();
  return values;
}

const textEncoder = new TextEncoder();

/** A protobuf field with a number: key, varint. */
const number = (field: number, value: number): number[] => [...varint(field << 3), ...varint(value)];

/** A protobuf field with bytes: key, length, bytes. */
const bytes = (field: number, content: readonly number[]): number[] => [
  ...varint((field << 3) | 2),
  ...varint(content.length),
  ...content,
];

const text = (field: number, content: string): number[] => bytes(field, [...textEncoder.encode(content)]);

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)];
}

/** An ONNX model of one node: C = MatMul(A, B), all f32 [size, size]. Fields as onnx.proto numbers them. */
function matMulModel(size: number): Uint8Array {
  const dimension = bytes(1, number(1, size));
  const shape = bytes(2, [...dimension, ...dimension]);
  const type = bytes(2, bytes(1, [...number(1, 1), ...shape]));
  const value = (name: string): number[] => [...text(1, name), ...type];
  const node = bytes(1, [...text(1, 'A'), ...text(1, 'B'), ...text(2, 'C'), ...text(4, 'MatMul')]);
  const graph = [
    ...node,
    ...text(2, 'product'),
    ...bytes(11, value('A')),
    ...bytes(11, value('B')),
    ...bytes(12, value('C')),
  ];
  return new Uint8Array([...number(1, 8), ...bytes(7, graph), ...bytes(8, number(2, 13))]);
}
