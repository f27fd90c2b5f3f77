import type { Peer, PeerRun } from './peer.ts';

interface TfTensor {
  data(): Promise<Float32Array>;
  dispose(): void;
}

/** The little that is used of TensorFlow.js. */
interface Tf {
  env(): { set(flag: string, value: boolean): void };
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  backend(): { readonly device: GPUDevice; submitQueue(): void; endComputePassEncoder?(): void };
  tensor(values: Float32Array, shape: readonly number[]): TfTensor;
  matMul(a: TfTensor, b: TfTensor): TfTensor;
  topk(x: TfTensor, k: number): { readonly values: TfTensor; readonly indices: TfTensor };
}

/** Its files are scripts that put themselves on the global. */
function loadScript(address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = address;
    script.onload = () => resolve();
    script.onerror = () => reject(new Error(`${address} does not load`));
    document.head.append(script);
  });
}

/** tfjs-backend-webgpu: it collects passes and submits them later, so every run submits its own. */
export async function openTfjs(core: string, folder: string): Promise<Peer> {
  await loadScript(`${core}/dist/tf-core.min.js`);
  await loadScript(`${folder}/dist/tf-backend-webgpu.min.js`);
  const tf = (globalThis as unknown as { tf: Tf }).tf;
  // Else it computes what is small on the CPU.
  tf.env().set('WEBGPU_CPU_FORWARD', false);
  if (!(await tf.setBackend('webgpu'))) throw new Error('tfjs finds no WebGPU');
  await tf.ready();

  /** `compute` gives the tensor to read, and what is to be freed before the next run. */
  function repeated(compute: () => readonly [TfTensor, ...TfTensor[]]): PeerRun {
    let last: readonly TfTensor[] = [];
    return {
      async run() {
        for (const tensor of last) tensor.dispose();
        last = compute();
        const backend = tf.backend();
        backend.endComputePassEncoder?.();
        backend.submitQueue();
        await backend.device.queue.onSubmittedWorkDone();
      },
      read: () => last[0]!.data(),
    };
  }

  return {
    async product(a, b, size) {
      const [x, y] = [a, b].map((values) => tf.tensor(values, [size, size])) as [TfTensor, TfTensor];
      return repeated(() => [tf.matMul(x, y)]);
    },
    async largest(values, rows, columns, count) {
      const x = tf.tensor(values, [rows, columns]);
      return repeated(() => {
        const { values: top, indices } = tf.topk(x, count);
        return [top, indices];
      });
    },
  };
}
