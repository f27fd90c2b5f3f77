import { expect, it } from 'vitest';
import { encodeFrame, FrameReader } from '../../../src/backends/webgpu/protocol.ts';
import { type Jobs, serve } from '../../../src/backends/webgpu/serve.ts';

it('answers in order, and goes on after a job that fails and after an answer that cannot be sent', async () => {
  const jobs: Jobs = {
    fails: async () => Promise.reject(new Error('no')),
    unsendable: async () => ({ value: 1n }),
    works: async () => ({ value: 'done' }),
  };
  const reader = new FrameReader();
  const answers: unknown[] = [];
  await new Promise<void>((all) => {
    const kinds = ['fails', 'unsendable', 'works'];
    async function* incoming() {
      for (const [id, kind] of kinds.entries()) yield encodeFrame({ header: { id, kind, params: {} }, tensors: {} });
    }
    const write = (frame: Uint8Array): void => {
      answers.push(...reader.push(frame).map(({ header }) => header));
      if (answers.length === kinds.length) all();
    };
    void serve({ runtime: 'a test', gpu: undefined, adapter: 'auto' }, { incoming: incoming(), write }, jobs);
  });
  expect(answers).toMatchObject([
    { id: 0, error: { message: 'no' } },
    { id: 1, error: { message: expect.stringContaining('BigInt') } },
    { id: 2, value: 'done' },
  ]);
});
