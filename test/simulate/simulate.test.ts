import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { drawRouting } from '../../src/moe/generate.ts';
import { uniformPlacement } from '../../src/moe/placement.ts';
import { hardwareOf, parseHardware } from '../../src/simulate/hardware.ts';
import { kernelTimes } from '../../src/simulate/kernels.ts';
import { deepseekV3, type ModelShape } from '../../src/simulate/model.ts';
import { hardwareNames } from '../../src/simulate/names.ts';
import { copyBytes } from '../../src/simulate/program.ts';
import { deepseekScenario } from '../../src/simulate/published.ts';
import { prepare, type Scenario } from '../../src/simulate/scenario.ts';
import { simulate } from '../../src/simulate/simulate.ts';
import { sweep } from '../../src/simulate/sweep.ts';
import { assignLayer, checkConserved, layerWork } from '../../src/simulate/wire.ts';
import { cpuMilliseconds } from '../helpers/cpu-time.ts';

/** A model of a few layers and experts, so that a case takes milliseconds. */
const small: ModelShape = { ...deepseekV3, layers: 5, denseLayers: 1, experts: 32, groups: 4, groupLimit: 2, topK: 4 };
const scenario = (change: Partial<Scenario> = {}): Scenario =>
  deepseekScenario({ model: small, nodes: 2, tokensPerGpu: 256, context: 1024, ...change });

const cases = fc.record({
  phase: fc.constantFrom('prefill' as const, 'decode' as const),
  overlap: fc.constantFrom('two' as const, 'none' as const),
  commSms: fc.integer({ min: 1, max: 60 }),
  tokensPerGpu: fc.integer({ min: 1, max: 150 }).map((half) => 2 * half),
  nodes: fc.constantFrom(1, 2, 4),
  skew: fc.double({ min: 0, max: 1, noNaN: true }),
  seed: fc.nat(100),
  launch: fc.constantFrom('ibgda' as const, 'proxy' as const),
});

const sum = (values: ArrayLike<number>): number => Array.from(values).reduce((total, value) => total + value, 0);

describe('simulating a step', () => {
  it('conserves rows and bytes, keeps to SMs and links, and stays above every lower bound', () => {
    fc.assert(
      fc.property(cases, (change) => {
        const given = scenario(change);
        const { result, program, workload } = simulate(given);
        const { bytes } = program;
        expect(sum(bytes.ibSent)).toBeCloseTo(sum(bytes.ibReceived), 3);
        expect(sum(bytes.nvlinkSent)).toBeCloseTo(sum(bytes.nvlinkReceived), 3);
        const micros = given.overlap === 'two' ? 2 : 1;
        const rows = (given.tokensPerGpu / micros) * given.nodes * 8 * small.topK;
        for (const work of workload.layers) expect(sum(work.rows)).toBeCloseTo(rows, 6);
        const { utilization, bounds, seconds } = result;
        expect(utilization.computeSms + (given.overlap === 'two' ? utilization.commSms : 0)).toBeLessThanOrEqual(132);
        for (const share of [utilization.computeBusiest, utilization.commMean, utilization.ib, utilization.nvlink]) {
          expect(share).toBeGreaterThanOrEqual(0);
          expect(share).toBeLessThanOrEqual(1 + 1e-9);
        }
        for (const bound of Object.values(bounds)) expect(seconds).toBeGreaterThanOrEqual(bound * (1 - 1e-9));
        expect(sum(result.criticalPath.map(([, time]) => time))).toBeCloseTo(seconds, 9);
        expect(result.tokensPerSecondPerNode * seconds).toBeCloseTo(given.tokensPerGpu * 8, 3);
      }),
      { numRuns: 60 },
    );
  });

  it('is the same every time', () => {
    expect(simulate(scenario({ skew: 0.5 })).result).toEqual(simulate(scenario({ skew: 0.5 })).result);
  });

  it('counts bytes from routing decisions to the byte, where those are given', () => {
    const routing = drawRouting(new Float64Array(32).fill(1), { tokens: 16 * 128, topK: 4, seed: 3 });
    const given = scenario({ overlap: 'none', tokensPerGpu: 128, routings: [routing] });
    const { program, workload } = simulate(given);
    // By hand: a token crosses once for each foreign node that holds one of its experts; its own is that of its GPU.
    let crossings = 0;
    for (let token = 0; token < routing.tokens; token++) {
      const home = Math.floor(token / 128) >> 3;
      const nodes = new Set(Array.from(routing.topkIdx.subarray(token * 4, token * 4 + 4), (expert) => expert >> 4));
      if (nodes.has(1 - home)) crossings++;
    }
    expect(sum(workload.layers[0]!.ibSent)).toBe(crossings);
    const { dispatch, combine } = copyBytes(given);
    expect(dispatch).toBe(7168 + 56 * 4);
    expect(sum(program.bytes.ibSent)).toBe(crossings * 4 * (dispatch + combine));
  });

  it('hides the all-to-all with two micro-batches, in prefill and in decode', () => {
    for (const phase of ['prefill', 'decode'] as const) {
      const base = { phase, nodes: 4, tokensPerGpu: phase === 'prefill' ? 4096 : 1024 };
      const two = simulate(scenario({ ...base, overlap: 'two' })).result;
      const none = simulate(scenario({ ...base, overlap: 'none' })).result;
      expect(two.seconds).toBeLessThan(none.seconds);
      expect(two.utilization.computeMean).toBeGreaterThan(none.utilization.computeMean);
    }
  });

  it('names the links where SMs for communication are few, and computing where they are many', () => {
    const [few, , many] = sweep(scenario({ tokensPerGpu: 8192 }), 'comm-sms', [2, 20, 60]);
    expect(['dispatch', 'combine']).toContain(few!.result.bottleneck);
    expect(['experts', 'attention']).toContain(many!.result.bottleneck);
  });

  it('waits longer for a CPU that posts the messages', () => {
    const seconds = (launch: 'ibgda' | 'proxy'): number =>
      simulate(scenario({ phase: 'decode', launch })).result.seconds;
    expect(seconds('proxy')).toBeGreaterThan(seconds('ibgda'));
  });

  it('sends less with a lower node limit, and never more', () => {
    const rows = sweep(scenario({ nodes: 4 }), 'group-limit', [1, 2, 3, 4]);
    const ib = rows.map(({ result }) => result.bytes.ib);
    expect(ib).toEqual([...ib].sort((a, b) => a - b));
    expect(ib[0]).toBeLessThan(ib[3]!);
  });

  it('gains from duplicates where loads are skewed, from the optimum more, and loses what planning takes', () => {
    const skewed = { skew: 1, tokensPerGpu: 4096 };
    const none = simulate(scenario(skewed)).result;
    const duplicates = simulate(scenario({ ...skewed, redundant: 16 })).result;
    const dynamic = { ...skewed, redundant: 32, active: 3 };
    const optimum = simulate(scenario(dynamic)).result;
    expect(duplicates.imbalance).toBeLessThan(none.imbalance);
    expect(duplicates.seconds).toBeLessThan(none.seconds);
    expect(optimum.imbalance).toBeLessThan(duplicates.imbalance);
    const planned = simulate(scenario({ ...dynamic, overlap: 'none', planSeconds: 1e-3 })).result;
    const fused = simulate(scenario({ ...dynamic, overlap: 'none' })).result;
    expect(planned.seconds - fused.seconds).toBeCloseTo(4e-3, 9);
  });

  it('keeps each GPU within its active experts under dynamic redundancy', () => {
    const { layers } = prepare(scenario({ skew: 1, redundant: 32, active: 3 }));
    for (const { activeExperts } of layers) expect(Math.max(...activeExperts)).toBeLessThanOrEqual(3);
  });

  it('takes 320 GPUs of 61 layers in under 20 s, and time in proportion to layers', () => {
    const big = deepseekScenario({ phase: 'decode', nodes: 40, tokensPerGpu: 128, redundant: 64 });
    expect(cpuMilliseconds(1, () => void simulate(big))).toBeLessThan(20_000);
    const work = prepare(big);
    const layersOf = (layers: number): number =>
      cpuMilliseconds(2, () => void simulate({ ...big, model: { ...deepseekV3, layers } }, work));
    const [short, long] = [layersOf(18), layersOf(63)];
    // Four times the MoE layers; garbage collection and warming up leave room either way.
    expect(long / short).toBeLessThan(8);
  }, 240_000);

  it.each([
    [{ commSms: 132 }, /132 SMs for communication leave none of 132/],
    [{ commSms: 0 }, /commSms is 0/],
    [{ nodes: 0 }, /nodes is 0/],
    [{ tokensPerGpu: 127 }, /127 tokens a GPU do not divide by 2 micro-batches/],
    [{ redundant: -1 }, /redundant experts is -1/],
    [{ redundant: 5 }, /32 experts and 5 duplicates do not divide by 16 GPUs/],
    [{ context: 0.5 }, /context is 0.5/],
    [{ planSeconds: Number.NaN }, /planSeconds is NaN/],
    [{ skew: 9 }, /skew is 9/],
    [{ groupLimit: 0 }, /groupLimit is 0/],
    [{ redundant: 32, active: 1 }, /32 experts with tokens are held by 16 GPUs only, which may activate 1 each: 16/],
  ])('refuses %j with the numbers', (change, message) => {
    expect(() => simulate(scenario(change))).toThrow(message);
  });

  it('refuses a placement of another model, and one that leaves an expert out', () => {
    const cluster = { nodes: 2, gpus: 16 };
    expect(() => simulate(scenario({ placement: uniformPlacement(1, 64, cluster) }))).toThrow(
      /64 experts on 16 GPUs, the model has 32/,
    );
    const lacking = { cluster, experts: 32, slotsPerGpu: 2, physicalToLogical: [new Array<number>(32).fill(0)] };
    expect(() => simulate(scenario({ placement: lacking }))).toThrow(/31 of 32 experts of layer 0 are not placed/);
  });
});

describe('links', () => {
  it('carry what is sent, whatever the routing and the way', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('normal' as const, 'low-latency' as const),
        fc.nat(1000),
        fc.integer({ min: 1, max: 60 }),
        (mode, seed, tokens) => {
          const placement = uniformPlacement(1, 32, { nodes: 2, gpus: 8 });
          const routing = drawRouting(new Float64Array(32).fill(1), { tokens, topK: 4, seed });
          const work = layerWork(routing, assignLayer(routing, placement, 0, undefined), placement, mode, 1);
          checkConserved(work);
          expect(sum(work.ibSent)).toBe(sum(work.ibReceived));
          expect(sum(work.nvlinkSent)).toBe(sum(work.nvlinkReceived));
          expect(sum(work.rows)).toBe(tokens * 4);
          // Deduplicated traffic is never more than a message for each row.
          if (mode === 'normal') expect(sum(work.ibSent)).toBeLessThanOrEqual(tokens * 4);
        },
      ),
    );
  });
});

describe('node types', () => {
  it.each(hardwareNames)('%s: every figure has a source', (name) => {
    const visit = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return;
      if ('value' in value) expect((value as { source?: string }).source?.length).toBeGreaterThan(5);
      Object.values(value).forEach(visit);
    };
    visit(hardwareOf(name));
  });

  it('are faster with more SMs until memory is the limit', () => {
    const on = (sms: number): number => kernelTimes(hardwareOf('h800'), deepseekV3, sms).gemm(4096, 7168, 16_384);
    expect(on(66) / on(132)).toBeCloseTo(2, 1);
    const narrow = (sms: number): number => kernelTimes(hardwareOf('h800'), deepseekV3, sms).gemm(64, 7168, 16_384);
    expect(narrow(100)).toBe(narrow(132));
  });

  const h800 = hardwareOf('h800');
  it.each([
    [{ ...h800, ibGBs: { value: 0, source: 'x' } }, /ibGBs.value/],
    [{ ...h800, sms: -4 }, /sms/],
    [
      { ...h800, efficiency: { ...h800.efficiency, ib: { value: 1.5, source: 'x' } } },
      /efficiency.ib: a share of at most 1/,
    ],
    [{ ...h800, colour: 'red' }, /colour/],
    [{ ...h800, hbmGBs: { value: 3350 } }, /hbmGBs.source/],
    [null, /the profile/],
  ])('refuse %#', (profile, message) => {
    expect(() => parseHardware(profile, 'mine.json')).toThrow(message);
  });

  it('of an unknown name are refused with the known ones', () => {
    expect(() => hardwareOf('a100')).toThrow(/no node type "a100"/);
  });
});
