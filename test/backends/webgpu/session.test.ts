import { afterEach, expect, it, vi } from 'vitest';
import { createSession } from '../../../src/backends/webgpu/session.ts';

afterEach(() => vi.unstubAllGlobals());

/** An adapter of which no device can be had. */
const stingy = {
  requestAdapter: async () => ({
    info: { vendor: 'acme', architecture: 'one', device: '', description: '', isFallbackAdapter: false },
    features: new Set<string>(),
    limits: {},
    requestDevice: async () => {
      throw new DOMException('the GPU process is gone', 'OperationError');
    },
  }),
} as unknown as GPU;

it.each([
  ['localhost and https', true, 'there is no WebGPU here', /Chrome 121/],
  ['plain http from another machine', false, 'pages by plain http have no WebGPU', /https/],
])('a page by %s is told why it has no WebGPU', async (_, secure, message, fix) => {
  vi.stubGlobal('isSecureContext', secure);
  const session = createSession({ gpu: undefined, runtime: 'Mozilla/5.0', adapter: 'auto' });
  await expect(session.open()).rejects.toMatchObject({ code: 'no-webgpu', message, fix: expect.stringMatching(fix) });
});

it('an adapter that gives no device is told with the reason', async () => {
  const session = createSession({ gpu: stingy, runtime: 'any', adapter: 'auto' });
  await expect(session.open()).rejects.toMatchObject({
    kind: 'environment',
    code: 'no-device',
    message: expect.stringMatching(/gives no device: the GPU process is gone/),
  });
});
