import { describe, expect, it } from 'vitest';
import { decodeFrame, encodeFrame } from '../../../src/backends/webgpu/protocol.ts';
import { NotBegunError, RunnerLink } from '../../../src/backends/webgpu/runner-link.ts';

const later = (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds));

/** A link whose runner is this test: what it was asked, and ways to answer and to die. */
function runner() {
  const asked: { id: number; kind: string }[] = [];
  let hear: (chunk: Uint8Array) => void = () => {};
  let end: (how: string) => void = () => {};
  const closed = new Promise<string>((resolve) => {
    end = resolve;
  });
  const link = new RunnerLink('a test', {
    pid: 0,
    closed,
    send: (frame) => void asked.push(decodeFrame(frame).header as { id: number; kind: string }),
    onChunk: (handler) => {
      hear = handler;
    },
    kill: async () => end('was killed'),
  });
  const answer = (at: number, header: object) =>
    hear(encodeFrame({ header: { id: asked[at]!.id, ...header }, tensors: {} }));
  return { link, asked, answer, crash: () => end('crashed') };
}

/** What each of several requests came to: its value, or the code of its error. */
const outcomes = async (requests: readonly Promise<{ value: unknown }>[]) =>
  (await Promise.allSettled(requests)).map((it) => (it.status === 'fulfilled' ? it.value.value : it.reason.code));

const refusal = (kind: string) => ({ error: { kind, code: 'x', message: 'x', where: 'x', fix: 'x' } });

describe('a link to a runner', () => {
  it('sends a request while an earlier one is at work, and hands each its answer', async () => {
    const { link, asked, answer } = runner();
    const requests = ['a', 'b', 'c'].map((kind) => link.request(kind, {}));
    expect(asked.map(({ kind }) => kind)).toEqual(['a', 'b', 'c']);
    for (const at of [0, 1, 2]) answer(at, { value: at });
    expect(await outcomes(requests)).toEqual([0, 1, 2]);
  });

  it('counts the time of a request from when the runner comes to it', async () => {
    const { link, answer } = runner();
    const requests = [link.request('long', {}), link.request('short', {}, {}, { timeout: 300 })];
    await later(450);
    answer(0, { value: 'done' });
    await later(50);
    answer(1, { value: 'in time' });
    expect(await outcomes(requests)).toEqual(['done', 'in time']);
    const { milliseconds } = await requests[1]!;
    expect(milliseconds).toBeGreaterThan(40);
    expect(milliseconds).toBeLessThan(300);
  });

  it('ends at the time limit of the request at work; those behind were not begun', async () => {
    const { link } = runner();
    const requests = [link.request('spin', {}, {}, { timeout: 20 }), link.request('behind', {}, {}, { timeout: 20 })];
    expect(await outcomes(requests)).toEqual(['time-limit', 'not-begun']);
    await expect(requests[1]).rejects.toBeInstanceOf(NotBegunError);
    expect(link.dead).toBe(true);
  });

  it('fails the request at work alone where the runner dies or its device fails', async () => {
    const died = runner();
    const requests = ['a', 'b', 'c'].map((kind) => died.link.request(kind, {}));
    died.answer(0, { value: 'first' });
    died.crash();
    expect(await outcomes(requests)).toEqual(['first', 'runner-died', 'not-begun']);

    const { link, answer } = runner();
    const others = ['a', 'b'].map((kind) => link.request(kind, {}));
    answer(0, refusal('device'));
    expect(await outcomes(others)).toEqual(['x', 'not-begun']);
  });

  it('goes on after an error that is the request’s own', async () => {
    const { link, answer } = runner();
    const requests = ['a', 'b'].map((kind) => link.request(kind, {}));
    answer(0, refusal('input'));
    answer(1, { value: 'second' });
    expect(await outcomes(requests)).toEqual(['x', 'second']);
  });

  it('fails everything where it is closed, and takes an abort that came while the request waited', async () => {
    const closed = runner();
    const requests = ['a', 'b'].map((kind) => closed.link.request(kind, {}));
    await closed.link.close();
    expect(await outcomes(requests)).toEqual(['runner-died', 'runner-died']);

    const { link, answer } = runner();
    const controller = new AbortController();
    const others = [link.request('a', {}), link.request('b', {}, {}, { signal: controller.signal })];
    controller.abort();
    answer(0, { value: 'first' });
    expect(await outcomes(others)).toEqual(['first', 'interrupted']);
  });
});
