import { expect, it } from 'vitest';
import { type Call, type Reply, WorkerClient } from '../../src/playground/services/rpc.ts';

type EchoJobs = { readonly echo: { readonly input: string; readonly output: string; readonly progress: string } };

/** A worker that answers when the test says so. */
class WorkerByHand {
  readonly calls: Call[] = [];
  ended = false;
  #listen: (event: { data: Reply }) => void = () => {};
  addEventListener(type: string, listener: (event: { data: Reply }) => void): void {
    if (type === 'message') this.#listen = listener;
  }
  postMessage(call: Call): void {
    this.calls.push(call);
  }
  terminate(): void {
    this.ended = true;
  }
  answer(): void {
    for (const { id, input } of this.calls) this.#listen({ data: { id, kind: 'done', value: input } });
  }
}

function client() {
  const workers: WorkerByHand[] = [];
  const made = new WorkerClient<EchoJobs>('echo', () => {
    workers.push(new WorkerByHand());
    return workers.at(-1) as unknown as Worker;
  });
  return { workers, made };
}

it('calls that share a worker with one that is called off are asked of the next worker', async () => {
  const { workers, made } = client();
  const stop = new AbortController();
  const gone = [1, 2].map((n) => made.call('echo', `gone ${n}`, { signal: stop.signal }));
  const stays = ['a', 'b'].map((text) => made.call('echo', text, { signal: new AbortController().signal }));
  stop.abort();
  for (const each of gone) await expect(each).rejects.toMatchObject({ kind: 'interrupted' });
  // Two calls of one signal end one worker, not two.
  expect(workers.map(({ ended }) => ended)).toEqual([true, false]);
  expect(workers[1]!.calls.map(({ input }) => input)).toEqual(['a', 'b']);
  workers[1]!.answer();
  expect(await Promise.all(stays)).toEqual(['a', 'b']);
});

it('no worker is started for nothing once all calls are called off', async () => {
  const { workers, made } = client();
  const stop = new AbortController();
  const call = made.call('echo', 'gone', { signal: stop.signal });
  stop.abort();
  await expect(call).rejects.toMatchObject({ kind: 'interrupted' });
  expect(workers).toHaveLength(1);
});
