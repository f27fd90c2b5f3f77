import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createWebGpuBackend } from '../../../src/backends/webgpu/backend.ts';
import { linkShader, shaderSources } from '../../../src/backends/webgpu/link.ts';
import { generateLanes, listedLanes } from '../../../src/backends/webgpu/probe/inputs.ts';
import type { Row } from '../../../src/backends/webgpu/probe/row.ts';
import { describeOperation, judge } from '../../../src/backends/webgpu/probe/verdict.ts';
import { groupShader, type ProbeCard, probeOperations } from '../../../src/backends/webgpu/probe.ts';
import { formatProbe, type ProbeReport } from '../../../src/cli/probe.ts';
import { ensureBuilt } from '../../helpers/dist.ts';

const one = 0x3f800000;
const nan = 0x7fc00000;

const addition: Row = {
  wgsl: 'x + y',
  type: 'f32',
  inputs: 'wide',
  answers: [
    ['kept', (x, y) => Math.fround(x + y)],
    ['always one', () => 1],
  ],
};

describe('a verdict', () => {
  const lanes = listedLanes([
    [one, one],
    [one, 0],
  ]);

  it('names the meaning that explains every sample, the first if it does', () => {
    expect(judge(addition, lanes, Uint32Array.of(0x40000000, one))).toMatchObject({
      verdict: 'kept',
      ideal: true,
      worstUlp: 0,
    });
    expect(judge(addition, lanes, Uint32Array.of(one, one))).toMatchObject({
      verdict: 'always one',
      ideal: false,
      differing: 1,
    });
  });

  it('measures the distance where no meaning explains the results', () => {
    const verdict = judge(addition, lanes, Uint32Array.of(0x40000003, one));
    expect(verdict).toMatchObject({ verdict: 'up to 3 ULP off, 50 % differ', ideal: false, worstUlp: 3 });
  });

  it('takes any NaN for NaN, and tells zeros of different sign apart', () => {
    const row: Row = { ...addition, answers: [['x', (x) => x]] };
    expect(judge(row, listedLanes([[nan]]), Uint32Array.of(0xffffffff)).ideal).toBe(true);
    expect(judge(row, listedLanes([[0]]), Uint32Array.of(0x80000000)).ideal).toBe(false);
  });

  it('is given with the values of the variables where there is one sample', () => {
    expect(describeOperation({ ...addition, inputs: [[nan, 0x80000000]] })).toBe('x + y with x = NaN, y = -0');
    expect(describeOperation({ ...addition, wgsl: 'max(x, 1.0)', inputs: [[one]] })).toBe('max(x, 1.0) with x = 1');
    expect(describeOperation(addition)).toBe('x + y');
  });
});

describe('the probe', () => {
  it('draws the same inputs each time, inside the bounds of their kind', () => {
    expect(generateLanes('wide', 64)).toEqual(generateLanes('wide', 64));
    const [bits] = generateLanes('subnormal', 4096);
    expect(bits.every((word) => (word & 0x7f800000) === 0)).toBe(true);
    const values = new Float32Array(generateLanes('unit', 4096)[0].buffer);
    expect(values.every((value) => value >= -1 && value <= 1)).toBe(true);
  });

  it('links a case for each row', () => {
    const group = { name: 'g', rows: [addition, { ...addition, type: 'bool' as const, wgsl: 'x < y' }] };
    const sources = { ...shaderSources, 'probe/group': groupShader(group) };
    const { code } = linkShader('probe/group', { WORKGROUP_SIZE: 64 }, sources);
    expect(code).toContain('case 0u: { return bitcast<u32>(f32(x + y)); }');
    expect(code).toContain('case 1u: { return select(0u, 1u, x < y); }');
  });
});

describe.each(['webgpu:node', 'webgpu:deno'] as const)('on %s', (name) => {
  const backend = createWebGpuBackend(name, { adapter: 'auto' });
  let card: ProbeCard;
  beforeAll(async () => {
    await ensureBuilt('runner');
    card = (await backend.request<ProbeCard>('probe', { samples: 1024 })).value;
  });
  afterAll(() => backend.close());

  const line = (operation: string) => card.lines.find((candidate) => candidate.operation.startsWith(operation))!;

  it('every operation gets a verdict', () => {
    expect(card.lines).toHaveLength(probeOperations);
    expect(probeOperations).toBeGreaterThanOrEqual(200);
    expect(card.lines.filter(({ verdict }) => verdict === '')).toEqual([]);
  });

  it('integers are exact: the exact tier stands on them', () => {
    const integers = card.lines.filter(({ group }) => group === 'integers');
    expect(integers.length).toBeGreaterThan(30);
    expect(integers.filter(({ ideal }) => !ideal)).toEqual([]);
  });

  it('finite e4m3 codes decode exactly through f16', () => {
    expect(line('256.0 * unpack2x16float')).toMatchObject({ ideal: true, samples: 254 });
  });

  it('the card prints as text, its deviations alone where asked', () => {
    const identity = { backend: name, runtime: 'r', adapter: 'a', software: true, details: {} };
    const report: ProbeReport = { schemaVersion: 1, identity, ...card };
    expect(formatProbe(report)).toContain('x + y');
    expect(formatProbe(report, true).split('\n').length).toBeLessThan(formatProbe(report).split('\n').length);
    expect(formatProbe(report)).toMatch(/\d+ of \d+ operations as IEEE 754/);
  });
});
