import { drawRouting } from '../moe/generate.ts';
import { uniformPlacement } from '../moe/placement.ts';
import { hardwareOf } from './hardware.ts';
import { kernelTimes } from './kernels.ts';
import { commLatency, commSeconds, copyBytes, linkRates } from './links.ts';
import { deepseekV3 } from './model.ts';
import { modeOf, type Scenario } from './scenario.ts';
import { simulate } from './simulate.ts';
import { simulateTraining, type TrainingRun } from './training.ts';
import { assignLayer, layerWork } from './wire.ts';

/** A figure that somebody measured and published, and what the simulation says. */
export interface Comparison {
  readonly what: string;
  readonly unit: string;
  readonly published: number;
  readonly simulated: number;
  /** (simulated - published) / published. */
  readonly error: number;
  readonly source: string;
}

const legacy = 'DeepEP docs/legacy.md, H800';
const trace = 'deepseek-ai/profile-data, train.json, H800, 112 SMs beside a running all-to-all';

function compare(what: string, unit: string, published: number, simulated: number, source: string): Comparison {
  return { what, unit, published, simulated, error: simulated / published - 1, source };
}

/** A step on H800 nodes as DeepSeek runs it. */
export function deepseekScenario(change: Partial<Scenario>): Scenario {
  return {
    hardware: hardwareOf('h800'),
    model: deepseekV3,
    phase: 'prefill',
    nodes: 4,
    tokensPerGpu: 16_384,
    context: 4096,
    overlap: 'two',
    commSms: 20,
    launch: 'ibgda',
    redundant: 0,
    planSeconds: 0,
    skew: 0,
    drift: 0,
    seed: 1,
    ...change,
  };
}

/** One all-to-all by itself, experts spread evenly and chosen alike: seconds there and back, and tokens as DeepEP's tests count them. */
function allToAll(
  gpus: number,
  tokens: number,
  mode: 'normal' | 'low-latency',
  change: Partial<Scenario> = {},
): { dispatch: number; combine: number; copies: number; bytes: { dispatch: number; combine: number } } {
  const nodes = gpus / 8;
  const phase = mode === 'normal' ? 'prefill' : 'decode';
  const scenario = deepseekScenario({ nodes, phase, overlap: 'none', ...change });
  const cluster = { nodes, gpus };
  const each = Math.min(tokens, 128);
  // The tests of normal mode let a token choose from four nodes at most, those of low-latency mode from all.
  const groups = mode === 'normal' ? { groups: nodes, groupLimit: Math.min(nodes, 4) } : {};
  const routing = drawRouting(new Float64Array(256).fill(1), { tokens: gpus * each, topK: 8, seed: 1, ...groups });
  const placement = uniformPlacement(1, 256, cluster);
  const assignment = assignLayer(routing, placement, 0, undefined);
  const work = layerWork(routing, assignment, placement, modeOf(scenario), tokens / each);
  const bytes = copyBytes(scenario);
  const rates = linkRates(scenario);
  const seconds = (size: number): number => commLatency(scenario) + Math.max(...commSeconds(work, size, rates).own);
  const visits = mode === 'normal' ? countVisits(routing.topkIdx, nodes === 1 ? 32 : 256 / nodes) : 8;
  return { dispatch: seconds(bytes.dispatch), combine: seconds(bytes.combine), copies: visits * tokens, bytes };
}

/** Mean number of GPUs (in one node) or nodes that a token's experts are on, its own counted: what DeepEP's tests divide by. */
function countVisits(topkIdx: Int32Array, expertsEach: number): number {
  let visits = 0;
  for (let token = 0; token < topkIdx.length; token += 8) {
    visits += new Set(Array.from(topkIdx.subarray(token, token + 8), (expert) => Math.floor(expert / expertsEach)))
      .size;
  }
  return visits / (topkIdx.length / 8);
}

/** DeepEP's normal kernels: 4,096 tokens of 7,168, FP8 there and BF16 back. */
export function normalBandwidths(): Comparison[] {
  const published = { 8: [153, 158], 16: [43, 43], 32: [58, 57], 64: [51, 50] } as const;
  return Object.entries(published).flatMap(([ep, [dispatch, combine]]) => {
    const { bytes, copies, ...seconds } = allToAll(Number(ep), 4096, 'normal');
    const rate = (way: 'dispatch' | 'combine'): number => (copies * bytes[way]) / seconds[way] / 1e9;
    return [
      compare(`EP${ep} dispatch`, 'GB/s', dispatch, rate('dispatch'), legacy),
      compare(`EP${ep} combine`, 'GB/s', combine, rate('combine'), legacy),
    ];
  });
}

const second = 'DeepEP README, second version';

/** DeepEP's second version: 8,192 tokens. What of its SMs fill the links is in the node types; the wires are H100's and B200's. */
export function secondBandwidths(): Comparison[] {
  const rows = [
    ['H100', 16, 'h100', 20, 90, 81],
    ['H100', 32, 'h100', 20, 61, 61],
    ['B200, 64 SMs', 8, 'b200', 64, 726, 740],
    ['B200, 24 SMs', 8, 'b200', 24, 643, 675],
  ] as const;
  return rows.flatMap(([name, ep, hardware, commSms, dispatch, combine]) => {
    const { bytes, copies, ...seconds } = allToAll(ep, 8192, 'normal', { hardware: hardwareOf(hardware), commSms });
    const rate = (way: 'dispatch' | 'combine'): number => (copies * bytes[way]) / seconds[way] / 1e9;
    return [
      compare(`EP${ep} dispatch, ${name}`, 'GB/s', dispatch, rate('dispatch'), second),
      compare(`EP${ep} combine, ${name}`, 'GB/s', combine, rate('combine'), second),
    ];
  });
}

/** DeepEP's low-latency kernels: 128 tokens. */
export function lowLatencies(): Comparison[] {
  const published = {
    8: [77, 114],
    16: [118, 195],
    32: [155, 273],
    64: [173, 314],
    128: [192, 369],
    256: [194, 360],
  } as const;
  return Object.entries(published).flatMap(([ep, [dispatch, combine]]) => {
    const seconds = allToAll(Number(ep), 128, 'low-latency');
    return [
      compare(`EP${ep} low-latency dispatch`, 'us', dispatch, seconds.dispatch * 1e6, legacy),
      compare(`EP${ep} low-latency combine`, 'us', combine, seconds.combine * 1e6, legacy),
    ];
  });
}

/** Kernels of DeepSeek's own training profile: 4,096 tokens a GPU, EP64. */
export function profiledKernels(): Comparison[] {
  const times = kernelTimes(hardwareOf('h800'), deepseekV3, 112);
  const us = (what: string, published: number, seconds: number): Comparison =>
    compare(what, 'us', published, seconds * 1e6, trace);
  const rows = 31_104;
  return [
    us('query up-projection, 4096 x 24576 x 1536', 370, times.gemm(4096, 24_576, 1536)),
    us('key-value up-projection, 4096 x 32768 x 512', 244, times.gemm(4096, 32_768, 512)),
    us('output projection, 4096 x 7168 x 16384', 895, times.gemm(4096, 7168, 16_384)),
    us('core attention, one prompt of 4096', 1237, times.causalCore(4096, 4096)),
    us('shared expert, 4096 x 4096 x 7168', 255, times.gemm(4096, 4096, 7168)),
    us('shared expert, 4096 x 7168 x 2048', 132, times.gemm(4096, 7168, 2048)),
    us(`routed experts, ${rows} x 4096 x 7168`, 1739, times.gemm(rows, 4096, 7168, true)),
    us(`routed experts, ${rows} x 7168 x 2048`, 946, times.gemm(rows, 7168, 2048, true)),
  ];
}

/** All-to-alls of the same profile, beside running kernels. */
export function profiledAllToAll(): Comparison[] {
  const { dispatch, combine } = allToAll(64, 4096, 'normal', { overlap: 'two' });
  return [
    compare('dispatch beside attention, mean of four', 'us', 3405, dispatch * 1e6, trace),
    compare('combine, mean of eight', 'us', 6181, combine * 1e6, trace),
  ];
}

/** Those that run beside the experts' gemms; they miss, see docs/simulation.md. */
export function profiledDispatch(): Comparison[] {
  const { dispatch } = allToAll(64, 4096, 'normal', { overlap: 'two' });
  return [compare('dispatch beside the experts, mean of four', 'us', 4346, dispatch * 1e6, trace)];
}

/** DeepSeek's training: a stage of four MoE layers over 8 nodes, 16 stages, 15,360 sequences of 4,096 over 128 pipelines. */
export function trainingScenario(change: Partial<Scenario> = {}): Scenario {
  const model = { ...deepseekV3, layers: 4, denseLayers: 0 };
  return deepseekScenario({ phase: 'training', nodes: 8, tokensPerGpu: 4096, model, ...change });
}

/** DeepSeek's training step as simulated. */
export const simulatedTraining = (): TrainingRun =>
  simulateTraining(trainingScenario(), { schedule: 'DualPipe', stages: 16, microBatches: 120 });

/** Chunks of the training profile. */
export function profiledTraining({ pair }: TrainingRun = simulatedTraining()): Comparison[] {
  const { seconds, bounds } = pair.result;
  return [
    compare('forward and backward of four layers', 'ms', 128.5, seconds * 1e3, trace),
    compare('the same, computing alone', 'ms', 124.3, bounds.compute * 1e3, trace),
  ];
}

/** The rate of DeepSeek-V3's pre-training; it misses, see docs/simulation.md. */
export function trained({ tokensPerSecondPerGpu }: TrainingRun = simulatedTraining()): Comparison[] {
  const published = Math.round(1e12 / (180e3 * 3600));
  const what = 'pre-training, 180,000 GPU hours a trillion tokens';
  return [compare(what, 'tokens/s a GPU', published, tokensPerSecondPerGpu, report)];
}

const report = 'DeepSeek-V3 report, table 1 and section 3.2, 2,048 H800';
const overview = 'DeepSeek-V3/R1 inference system overview, 28 February 2025, H800 nodes';
const lmsys = 'lmsys.org, 5 May 2025, SGLang on H100 nodes';
const served =
  "DeepSeek's profiles of prefill and decode (deepseek-ai/profile-data), as lmsys.org, 5 May 2025, counts them";

/** Output tokens a second of a node. */
export function servedDecode(): Comparison[] {
  const rate = (change: Partial<Scenario>): number =>
    simulate(deepseekScenario({ phase: 'decode', ...change })).result.tokensPerSecondPerNode;
  // 14,800 tokens/s of 8 GPUs at 20 to 22 tokens/s a request: 88 requests a GPU.
  const online = rate({ nodes: 18, tokensPerGpu: 88, context: 4989, redundant: 32 });
  const profile = rate({ nodes: 16, tokensPerGpu: 128, context: 4096 });
  const unit = 'tokens/s a node';
  return [
    compare('decode, EP144, 88 requests a GPU, cache 4,989', unit, 14_800, online, overview),
    compare('decode, EP128, 128 requests a GPU, cache 4,096', unit, 18_598, profile, served),
  ];
}

/** What two micro-batches gain over one, as SGLang measured it; and what it decodes with them. */
export function overlapGains(): Comparison[] {
  const rate = (change: Partial<Scenario>): number =>
    simulate(deepseekScenario({ hardware: hardwareOf('h100'), ...change })).result.tokensPerSecondPerNode;
  const gain = (change: Partial<Scenario>): number => rate(change) / rate({ ...change, overlap: 'none' });
  const decode = (tokensPerGpu: number): Partial<Scenario> => ({
    phase: 'decode',
    nodes: 9,
    redundant: 32,
    context: 2000,
    tokensPerGpu,
  });
  return [
    compare('two micro-batches, prefill, EP32, 8,192 tokens a GPU', 'times', 1.31, gain({ tokensPerGpu: 8192 }), lmsys),
    compare('two micro-batches, decode, EP72, 32 requests a GPU', 'times', 0.73, gain(decode(32)), lmsys),
    compare('two micro-batches, decode, EP72, 256 requests a GPU', 'times', 1.255, gain(decode(256)), lmsys),
    compare('decode, EP72, 256 requests a GPU, cache 2,000', 'tokens/s a node', 22_282, rate(decode(256)), lmsys),
  ];
}

/** Input tokens a second of a node, experts equally loaded. */
export function servedPrefill(): Comparison[] {
  const rate = (change: Partial<Scenario>): number => simulate(deepseekScenario(change)).result.tokensPerSecondPerNode;
  const unit = 'tokens/s a node';
  return [
    compare('prefill, EP32, prompts of 4,096', unit, 62_713, rate({ commSms: 24 }), served),
    compare('prefill, EP32, prompts of 4,096, SGLang', unit, 59_337, rate({ hardware: hardwareOf('h100') }), lmsys),
  ];
}

/** Input tokens a second of a node in service; they miss, see docs/simulation.md. */
export function averagePrefill(): Comparison[] {
  const skewed = { redundant: 32, skew: 0.4, drift: 0.1 };
  // 56.3 % of the tokens are cached. Caches of 4,989 in decode, 3.62 input tokens for one of output: prompts of 4,383, of which 2,468 are cached.
  const average = simulate(deepseekScenario({ ...skewed, context: 1915, cached: 2468 })).result;
  const h100 = simulate(deepseekScenario({ ...skewed, hardware: hardwareOf('h100'), context: 2000 })).result;
  const computed = Math.round(73_700 * (1 - 0.563));
  const unit = 'tokens/s a node';
  return [
    compare('prefill, EP32, computed tokens, mean of a day', unit, computed, average.tokensPerSecondPerNode, overview),
    compare('prefill, EP32, prompts of 2,000, SGLang', unit, 52_300, h100.tokensPerSecondPerNode, lmsys),
  ];
}
