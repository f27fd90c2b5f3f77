/** A product of two f32 matrices [size, size], or the largest of each row, by another library on its own device, operands resident. */
export interface PeerRun {
  /** Does it once: resolves when the device is idle again. */
  run(): Promise<void>;
  /** The result of the last time, as f32. */
  read(): Promise<Float32Array>;
}

/** Another library that computes on WebGPU. */
export interface Peer {
  /** f32 [size, size] times f32 [size, size]. */
  product(a: Float32Array<ArrayBuffer>, b: Float32Array<ArrayBuffer>, size: number): Promise<PeerRun>;
  /** The `count` largest of every row of f32 [rows, columns]; where the library has it. */
  largest?(x: Float32Array<ArrayBuffer>, rows: number, columns: number, count: number): Promise<PeerRun>;
}

/** The libraries that can be measured against: the packages that each is made of. */
export const peerPackages = {
  ort: ['onnxruntime-web'],
  'jax-js': ['@jax-js/jax'],
  tfjs: ['@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-webgpu'],
} as const satisfies Readonly<Record<string, readonly string[]>>;

/** One of {@link peerPackages}. */
export type PeerName = keyof typeof peerPackages;
