import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { drawRouting } from '../../src/moe/generate.ts';
import { uniformPlacement } from '../../src/moe/placement.ts';
import { routingOf } from '../../src/moe/routing.ts';
import { play } from '../../src/simulate/engine.ts';
import { hardwareOf, parseHardware } from '../../src/simulate/hardware.ts';
import { kernelTimes } from '../../src/simulate/kernels.ts';
import { copyBytes, linkRates } from '../../src/simulate/links.ts';
import { deepseekV3, type ModelShape } from '../../src/simulate/model.ts';
import { hardwareNames } from '../../src/simulate/names.ts';
import { deepseekScenario } from '../../src/simulate/published.ts';
import { prepare, type Scenario } from '../../src/simulate/scenario.ts';
import { simulate } from '../../src/simulate/simulate.ts';
import { sweep } from '../../src/simulate/sweep.ts';
import { simulateTraining } from '../../src/simulate/training.ts';
import { assignLayer, checkConserved, layerWork } from '../../src/simulate/wire.ts';
import { cpuMilliseconds } from '../helpers/cpu-time.ts';

/** A model of a few layers and experts, so that a case takes milliseconds. */
const small: ModelShape = { ...deepseekV3, layers: 5, denseLayers: 1, experts: 32, groups: 4, groupLimit: 2, topK: 4 };
const scenario = (change: Partial<Scenario> = {}): Scenario =>
  deepseekScenario({ model: small, nodes: 2, tokensPerGpu: 256, context: 1024, ...change });

const cases = fc.record({
  phase: fc.constantFrom('prefill' as const, 'decode' as const, 'training' as const),
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
        const halves = given.overlap === 'two' && given.phase !== 'training' ? 2 : 1;
        const rows = (given.tokensPerGpu / halves) * given.nodes * 8 * small.topK;
        for (const work of workload.layers) expect(sum(work.rows)).toBeCloseTo(rows, 6);
        const { utilization, bounds, seconds } = result;
        expect(utilization.computeSms + (given.overlap === 'two' ? utilization.commSms : 0)).toBeLessThanOrEqual(132);
        const ports = Object.values(utilization.links).flatMap(({ mean, busiest }) => [mean, busiest]);
        for (const share of [utilization.computeBusiest, utilization.commMean, ...ports]) {
          expect(share).toBeGreaterThanOrEqual(0);
          expect(share).toBeLessThanOrEqual(1 + 1e-9);
        }
        for (const bound of Object.values(bounds)) expect(seconds).toBeGreaterThanOrEqual(bound * (1 - 1e-9));
        expect(sum(result.criticalPath.map(([, time]) => time))).toBeCloseTo(seconds, 9);
        expect(result.tokensPerSecondPerNode * seconds).toBeCloseTo(given.tokensPerGpu * 8, 3);
      }),
      { numRuns: 40 },
    );
  });

  it('moves no more through a port in any stretch of time than the port can carry', () => {
    fc.assert(
      fc.property(cases, (change) => {
        const given = scenario(change);
        const { program, graph, timeline, workload } = simulate(given);
        const rates = linkRates(given);
        const bytes = copyBytes(given);
        // Every all-to-all of a GPU lies alone on its stream: what it carries must fit into its stretch, at each of the four ports.
        for (const [gpu, stream] of program.comm.entries()) {
          let free = 0;
          const done = { dispatch: [0, 0], combine: [0, 0] };
          graph.kind.forEach((kind, task) => {
            if (graph.stream[task] !== stream || (kind !== 'dispatch' && kind !== 'combine')) return;
            expect(timeline.start[task]).toBeGreaterThanOrEqual(free);
            free = timeline.end[task]!;
            if (graph.duration[task] === 0) return;
            const turn = done[kind][graph.micro[task]!]!++;
            const forward = given.phase !== 'training' || graph.micro[task] === 0;
            const layer = forward ? turn : 3 - turn;
            const work = workload.layers[layer % workload.layers.length]!;
            const time = (timeline.end[task]! - timeline.start[task]!) * (1 + 1e-9);
            for (const link of ['ib', 'nvlink'] as const) {
              for (const way of ['Sent', 'Received'] as const)
                expect((work[`${link}${way}`][gpu]! * bytes[kind]) / rates[link]).toBeLessThanOrEqual(time);
            }
          });
          expect(done.dispatch[0]).toBe(4);
        }
      }),
      { numRuns: 8 },
    );
  });

  it('makes all that crosses a port share it: where every token goes to one GPU, its port decides', () => {
    const to = Int32Array.from({ length: 16 * 64 * 2 }, (_, at) => at % 2);
    const routing = routingOf(to, 2, 32);
    const model = { ...small, topK: 2 };
    const given = scenario({ model, overlap: 'none', tokensPerGpu: 64, routings: [routing] });
    const { graph, timeline, program, workload } = simulate(given);
    // Experts 0 and 1 live on GPU 0: 8 x 64 tokens of the other node cross IB, each to its GPU of the same index; 7 of 8 go on over NVLink.
    expect(workload.layers[0]!.nvlinkReceived[0]).toBe(7 * 64 + 7 * 64);
    expect(sum(workload.layers[0]!.ibReceived)).toBe(8 * 64);
    const dispatch = graph.kind.findIndex(
      (kind, task) => kind === 'dispatch' && graph.stream[task] === program.comm[0] && graph.duration[task]! > 0,
    );
    const port = (14 * 64 * copyBytes(given).dispatch) / linkRates(given).nvlink;
    expect(timeline.end[dispatch]! - timeline.start[dispatch]!).toBeCloseTo(port + 40e-6, 9);
  });

  it('names as the bottleneck the kind whose speeding up shortens the step most', () => {
    for (const change of [
      { commSms: 6 },
      { commSms: 60 },
      { phase: 'decode' as const },
      { overlap: 'none' as const },
    ]) {
      const { graph, timeline, result } = simulate(scenario({ tokensPerGpu: 8192, ...change }));
      const faster = (kind: string): number => {
        const scale = (task: number): number => (graph.kind[task] === kind ? 1 - 1e-6 : 1);
        const duration = graph.duration.map((time, task) => time * scale(task));
        const tail = graph.tail.map((time, task) => time * scale(task));
        return timeline.makespan - play({ ...graph, duration, tail }).makespan;
      };
      const kinds = Array.from(new Set(graph.kind));
      const best = kinds.reduce((top, kind) => (faster(kind) > faster(top) ? kind : top));
      expect(best).toBe(result.bottleneck);
      // What the chain says it takes is what is gained, to the millionth.
      expect(faster(best) * 1e6).toBeCloseTo(result.criticalPath[0]![1], 4);
    }
  });

  it('is the same every time', () => {
    const first = simulate(scenario({ skew: 0.5 })).result;
    // Many others in between: what was drawn before is not there any more.
    for (let seed = 2; seed < 12; seed++) prepare(scenario({ seed }));
    expect(simulate(scenario({ skew: 0.5 })).result).toEqual(first);
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
    const apart = { ...dynamic, overlap: 'none' as const };
    const step = (change: Partial<Scenario>): number => simulate(scenario({ ...apart, ...change })).result.seconds;
    const free = step({ planning: 'fused' });
    expect(step({ planning: 'fused', planSeconds: 1e-3 }) - free).toBeCloseTo(4e-3, 9);
    // By itself it also gathers 32 counts of 4 bytes from 15 others and launches a kernel, four layers long.
    const gather = 25e-6 + (4 * 32 * 15) / (50e9 * 0.9);
    expect(step({ planning: 'separate', planSeconds: 1e-3 }) - free).toBeCloseTo(4 * (1e-3 + 4e-6 + gather), 9);
  });

  it('computes less of prompts with a cached beginning, and takes longer for each token of them', () => {
    const seconds = (context: number, cached: number): number =>
      simulate(scenario({ tokensPerGpu: 4096, context, cached })).result.seconds;
    expect(seconds(1024, 3072)).toBeGreaterThan(seconds(1024, 0));
    expect(seconds(1024, 3072)).toBeLessThan(4 * seconds(4096, 0));
    const times = kernelTimes(hardwareOf('h800'), deepseekV3, 132);
    // All of a prompt is attended to whichever part of it is cached: two halves, the second after the first.
    expect(
      times.causalCore(2048, 2048) + times.prefillAttention(2048, 2048, 2048) - times.prefillAttention(2048, 2048, 0),
    ).toBeGreaterThan(0);
  });

  it('keeps a chunk of training above its parts, and hides its all-to-all', () => {
    const plan = { schedule: 'DualPipe', stages: 4, microBatches: 8 } as const;
    const train = (change: Partial<Scenario>) =>
      simulateTraining(scenario({ phase: 'training', tokensPerGpu: 2048, nodes: 4, ...change }), plan);
    const [two, none] = [train({}), train({ overlap: 'none' })];
    expect(two.pipeline.overlapped).toBeLessThan(none.pipeline.overlapped!);
    expect(none.pipeline.overlapped).toBeCloseTo(none.pipeline.forward + none.pipeline.backward, 12);
    expect(two.pipeline.overlapped).toBeGreaterThanOrEqual(two.pair.result.bounds.compute);
    expect(two.pipeline.weights).toBeLessThan(two.pipeline.backward);
    expect(two.seconds).toBeGreaterThan(4 * two.pipeline.overlapped! * 2);
    expect(two.tokensPerSecondPerGpu).toBeCloseTo((8 * 2048) / (4 * two.seconds), 6);
    expect(two.tokensPerSecondPerGpu).toBeGreaterThan(none.tokensPerSecondPerGpu);
  });

  it('keeps each GPU within its active experts under dynamic redundancy', () => {
    const { layers } = prepare(scenario({ skew: 1, redundant: 32, active: 3 }));
    for (const { activeExperts } of layers) expect(Math.max(...activeExperts)).toBeLessThanOrEqual(3);
  });

  it('takes 320 GPUs of 61 layers in under 20 s, and time in proportion to GPUs and layers', () => {
    const step = (nodes: number, layers: number): number => {
      const model = { ...deepseekV3, layers };
      return cpuMilliseconds(1, () => {
        simulate(deepseekScenario({ phase: 'decode', nodes, model, tokensPerGpu: 128, redundant: 64 }));
      });
    };
    const [fewer, big, deeper] = [step(20, 61), step(40, 61), step(40, 119)];
    expect(big).toBeLessThan(20_000);
    // Twice the GPUs, then twice the MoE layers; garbage collection and warming up leave room either way.
    expect(big / fewer).toBeLessThan(4);
    expect(deeper / big).toBeLessThan(4);
  }, 240_000);

  it.each([
    [{ commSms: 132 }, /132 SMs for communication leave none of 132/],
    [{ commSms: 0 }, /commSms is 0/],
    [{ nodes: 0 }, /nodes is 0/],
    [{ tokensPerGpu: 127 }, /127 tokens a GPU do not divide by 2 micro-batches/],
    [{ redundant: -1 }, /redundant experts is -1/],
    [{ redundant: 1e9 }, /more than one of each on each of 16 GPUs/],
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
    [{ ...h800, fp8Tflops: { value: 1000, source: 'x' } }, /reaches 1009 TFLOPS, above the peak of 1000/],
    [
      { ...h800, clockMHz: { ...h800.clockMHz, load: { value: 2000, source: 'x' } } },
      /clockMHz: the clock under load is above that of the peaks/,
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
