import { describeError } from '../../backends/sent-error.ts';
import type { Call, Jobs, Reply } from './rpc.ts';

/** What answers each job of a worker; `tell` sends progress. */
export type Handlers<J extends Jobs> = {
  readonly [K in keyof J]: (
    input: J[K]['input'],
    tell: (progress: J[K]['progress']) => void,
  ) => J[K]['output'] | Promise<J[K]['output']>;
};

/**
 * Answers a page's calls in this worker. Jobs run in the order they were asked for, but for those named in `atOnce`: these do not wait for
 * what is under way.
 */
export function serve<J extends Jobs>(handlers: Handlers<J>, atOnce: readonly (keyof J)[] = []): void {
  const send = (reply: Reply) => postMessage(reply);
  let queue: Promise<void> = Promise.resolve();
  const answer = async ({ id, job, input }: Call) => {
    try {
      const value = await handlers[job as keyof J](input, (progress) =>
        send({ id, kind: 'progress', value: progress }),
      );
      send({ id, kind: 'done', value });
    } catch (error) {
      send({ id, kind: 'failed', error: describeError(error) });
    }
  };
  addEventListener('message', ({ data }: MessageEvent<Call>) => {
    if (atOnce.includes(data.job)) void answer(data);
    else queue = queue.then(() => answer(data));
  });
}
