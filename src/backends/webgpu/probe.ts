import { Fp8labError } from '../../errors.ts';
import { createGpu, type OwnedGpu } from './device.ts';
import type { Gpu, GpuWords } from './gpu.ts';
import { arithmeticGroups } from './probe/arithmetic.ts';
import { generateLanes, listedLanes } from './probe/inputs.ts';
import { integerGroups } from './probe/integers.ts';
import type { Group, Row } from './probe/row.ts';
import { specialGroups } from './probe/specials.ts';
import { describeOperation, judge } from './probe/verdict.ts';

/** One line of the adapter numerics card. */
export interface ProbeLine {
  readonly group: string;
  /** The WGSL expression. */
  readonly operation: string;
  /** What the adapter does: the name of a meaning, or how far off the first one it is. */
  readonly verdict: string;
  /** True where that is what IEEE 754, or integer arithmetic, says. */
  readonly ideal: boolean;
  readonly samples: number;
  /** Samples whose bits differ from the first meaning. */
  readonly differing: number;
  /** Largest distance from the first meaning in units in the last place; 0 where all agree, null where it has none. */
  readonly worstUlp: number | null;
}

/** What this adapter's arithmetic really does. */
export interface ProbeCard {
  readonly samples: number;
  readonly lines: readonly ProbeLine[];
}

const groups: readonly Group[] = [...arithmeticGroups, ...specialGroups, ...integerGroups];

/** Functions are measured by their worst case: they get every sample. For the other groups a share settles the question. */
const samplesOf = (group: Group, samples: number) =>
  group.name === 'functions' ? samples : Math.min(samples, 2 ** 16);

/** Number of operations the probe asks about. */
export const probeOperations = groups.reduce((sum, group) => sum + group.rows.length, 0);

const asWord: Readonly<Record<Row['type'], (wgsl: string) => string>> = {
  f32: (wgsl) => `bitcast<u32>(f32(${wgsl}))`,
  i32: (wgsl) => `bitcast<u32>(i32(${wgsl}))`,
  u32: (wgsl) => `u32(${wgsl})`,
  bool: (wgsl) => `select(0u, 1u, ${wgsl})`,
};

/** The function `apply` of a group: one case a row, chosen at run time so that no operation is folded away. */
export function groupShader(group: Group): string {
  const cases = group.rows.map((row, at) => `    case ${at}u: { return ${asWord[row.type](row.wgsl)}; }`);
  return `#include "probe/frame.wgsl"

fn apply(operation: u32, p: u32, q: u32, r: u32) -> u32 {
  let x = bitcast<f32>(p);
  let y = bitcast<f32>(q);
  let z = bitcast<f32>(r);
  switch (operation) {
${cases.join('\n')}
    default: { return 0u; }
  }
}
`;
}

interface Lanes {
  readonly words: readonly [Uint32Array, Uint32Array, Uint32Array];
  readonly buffers: readonly GpuWords[];
}

/** Uploads each kind of input once. */
function laneCache(gpu: Gpu, samples: number): (row: Row) => Lanes {
  const cache = new Map<Row['inputs'], Lanes>();
  return ({ inputs }) => {
    let lanes = cache.get(inputs);
    if (lanes === undefined) {
      const words = typeof inputs === 'string' ? generateLanes(inputs, samples) : listedLanes(inputs);
      lanes = { words, buffers: words.map((lane) => gpu.upload(lane)) };
      cache.set(inputs, lanes);
    }
    return lanes;
  };
}

async function askRow(gpu: Gpu, shader: string, at: number, { words, buffers }: Lanes): Promise<Uint32Array> {
  const count = words[0].length;
  const result = gpu.allocate(count);
  gpu.dispatch({
    shader,
    entryPoint: 'main',
    uniforms: [at, count],
    buffers: [
      ...buffers.map((buffer) => ({ buffer, access: 'read' as const })),
      { buffer: result, access: 'read_write' as const },
    ],
    threads: count,
  });
  try {
    return await gpu.read(result);
  } finally {
    gpu.release(result);
  }
}

function notOffered(group: Group, reason: string): ProbeLine[] {
  return group.rows.map((row) => ({
    group: group.name,
    operation: describeOperation(row),
    verdict: `not offered: ${reason}`,
    ideal: false,
    samples: 0,
    differing: 0,
    worstUlp: null,
  }));
}

async function askGroup(gpu: OwnedGpu, group: Group, samples: number): Promise<ProbeLine[]> {
  const lanesOf = laneCache(gpu, samples);
  const lines: ProbeLine[] = [];
  try {
    for (const [at, row] of group.rows.entries()) {
      const lanes = lanesOf(row);
      const got = await askRow(gpu, 'probe/group', at, lanes);
      lines.push({ group: group.name, operation: describeOperation(row), ...judge(row, lanes.words, got) });
    }
    return lines;
  } catch (error) {
    if (!(error instanceof Fp8labError) || error.code !== 'shader-compile') throw error;
    return notOffered(group, 'this runtime does not compile it');
  }
}

/**
 * Asks the adapter what its arithmetic does. `samples` for each operation with generated inputs. Groups are compiled apart, so that one
 * with a language feature that is missing costs only itself.
 */
export async function probeAdapter(device: GPUDevice, samples: number): Promise<ProbeCard> {
  const lines: ProbeLine[] = [];
  for (const group of groups) {
    const gpu = createGpu(device, { shaders: { 'probe/group': groupShader(group) } });
    try {
      lines.push(...(await askGroup(gpu, group, samplesOf(group, samples))));
    } finally {
      await gpu.destroyRun();
    }
  }
  return { samples, lines };
}
