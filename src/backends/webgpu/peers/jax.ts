import type { Peer } from './peer.ts';

/** An array of jax-js: used up by what takes it, but for its `ref`. */
interface JaxArray {
  readonly ref: JaxArray;
  reshape(shape: readonly number[]): JaxArray;
  data(): Promise<Float32Array>;
  dispose(): void;
}

/** The little that is used of jax-js. */
interface Jax {
  init(device: string): Promise<readonly string[]>;
  defaultDevice(device: string): unknown;
  blockUntilReady(values: readonly JaxArray[]): Promise<unknown>;
  readonly numpy: { array(values: Float32Array): JaxArray; dot(a: JaxArray, b: JaxArray): JaxArray };
}

/** jax-js: generated kernels, compiled at the first run. */
export async function openJax(folder: string): Promise<Peer> {
  const jax = (await import(/* @vite-ignore */ `${folder}/dist/index.js`)) as Jax;
  await jax.init('webgpu');
  jax.defaultDevice('webgpu');
  return {
    async product(a, b, size) {
      const [x, y] = [a, b].map((values) => jax.numpy.array(values).reshape([size, size])) as [JaxArray, JaxArray];
      let last: JaxArray | undefined;
      return {
        async run() {
          last?.dispose();
          last = jax.numpy.dot(x.ref, y.ref);
          await jax.blockUntilReady([last.ref]);
        },
        read: async () => last!.ref.data(),
      };
    },
  };
}
