/** Tokens of a layer that are to be spread over the replicas of their experts. */
export interface AssignmentProblem {
  /** [expert]: its tokens of this step, whole numbers. */
  readonly counts: ArrayLike<number>;
  /** [expert]: the GPUs that hold it, each once. */
  readonly hosts: readonly (readonly number[])[];
  readonly gpus: number;
  /** Experts a GPU may activate in a step (9 of 16 hosted in DeepSeek-V3, section 3.4.1). Default: all that it hosts. */
  readonly active?: number;
}

/**
 * Tokens of experts flowing to the GPUs that hold them: a bipartite network with a source before the experts (capacity: their tokens) and a sink
 * behind the GPUs (capacity: `limit`). It works on counts, not on tokens, so its size is the number of replicas.
 */
export interface Flow {
  readonly experts: number;
  readonly gpus: number;
  /** [edge]: its expert, its GPU. Edges of an expert are neighbours: `firstEdge[expert]` to `firstEdge[expert + 1]`. */
  readonly edgeExpert: Int32Array;
  readonly edgeGpu: Int32Array;
  readonly firstEdge: Int32Array;
  /** [GPU]: its edges. */
  readonly edgesOfGpu: readonly (readonly number[])[];
  /** [edge]: tokens on it. */
  readonly tokens: Float64Array;
  /** [GPU]: tokens that arrive. */
  readonly load: Float64Array;
  /** [expert]: tokens that are not assigned yet. */
  readonly left: Float64Array;
  /** [edge]: 0 where the edge may not be used. */
  readonly usable: Uint8Array;
}

/** A network with nothing assigned. @param counts tokens of each expert  @param hosts [expert]: the GPUs that hold it */
export function createFlow(counts: ArrayLike<number>, hosts: readonly (readonly number[])[], gpus: number): Flow {
  const experts = counts.length;
  const edges = hosts.reduce((sum, list) => sum + list.length, 0);
  const edgeExpert = new Int32Array(edges);
  const edgeGpu = new Int32Array(edges);
  const firstEdge = new Int32Array(experts + 1);
  const edgesOfGpu = Array.from({ length: gpus }, (): number[] => []);
  let edge = 0;
  hosts.forEach((list, expert) => {
    for (const gpu of list) {
      edgeExpert[edge] = expert;
      edgeGpu[edge] = gpu;
      edgesOfGpu[gpu]!.push(edge++);
    }
    firstEdge[expert + 1] = edge;
  });
  const tokens = new Float64Array(edges);
  const load = new Float64Array(gpus);
  const usable = new Uint8Array(edges).fill(1);
  return {
    experts,
    gpus,
    edgeExpert,
    edgeGpu,
    firstEdge,
    edgesOfGpu,
    tokens,
    load,
    left: Float64Array.from(counts),
    usable,
  };
}

/** What a search from the unassigned experts reached. */
export interface Reached {
  /** [expert], [GPU]: distance in edges, -1 where not reached. */
  readonly expertLevel: Int32Array;
  readonly gpuLevel: Int32Array;
  /** True where a GPU below its limit is among them. */
  readonly open: boolean;
}

/** Breadth-first search in the residual network: forward over usable edges, backward over edges with tokens. */
export function reach(flow: Flow, limit: number): Reached {
  const expertLevel = new Int32Array(flow.experts).fill(-1);
  const gpuLevel = new Int32Array(flow.gpus).fill(-1);
  let frontier: number[] = [];
  for (let expert = 0; expert < flow.experts; expert++) {
    if (flow.left[expert]! > 0) {
      expertLevel[expert] = 0;
      frontier.push(expert);
    }
  }
  let open = false;
  for (let level = 1; frontier.length > 0; level += 2) {
    const next: number[] = [];
    for (const expert of frontier) {
      for (let edge = flow.firstEdge[expert]!; edge < flow.firstEdge[expert + 1]!; edge++) {
        const gpu = flow.edgeGpu[edge]!;
        if (flow.usable[edge] === 0 || gpuLevel[gpu]! >= 0) continue;
        gpuLevel[gpu] = level;
        if (flow.load[gpu]! < limit) open = true;
        for (const back of flow.edgesOfGpu[gpu]!) {
          const other = flow.edgeExpert[back]!;
          if (flow.tokens[back]! === 0 || expertLevel[other]! >= 0) continue;
          expertLevel[other] = level + 1;
          next.push(other);
        }
      }
    }
    frontier = next;
  }
  return { expertLevel, gpuLevel, open };
}

/**
 * Assigns as many tokens as the limit allows (Dinic's maximum flow; whole numbers stay whole).
 * @returns undefined where all are assigned; else what the last search reached: the source side of a minimum cut
 */
export function saturate(flow: Flow, limit: number): Reached | undefined {
  for (;;) {
    if (flow.left.every((tokens) => tokens === 0)) return undefined;
    const levels = reach(flow, limit);
    if (!levels.open) return levels;
    const cursor = Int32Array.from(flow.firstEdge);
    for (let expert = 0; expert < flow.experts; expert++) {
      if (levels.expertLevel[expert] === 0)
        flow.left[expert]! -= push(flow, levels, cursor, expert, flow.left[expert]!, limit);
    }
  }
}

/** Sends up to `amount` tokens of an expert on, level by level; returns how many went. */
function push(flow: Flow, levels: Reached, cursor: Int32Array, expert: number, amount: number, limit: number): number {
  let sent = 0;
  for (; cursor[expert]! < flow.firstEdge[expert + 1]!; cursor[expert]!++) {
    const edge = cursor[expert]!;
    const gpu = flow.edgeGpu[edge]!;
    if (flow.usable[edge] === 0 || levels.gpuLevel[gpu] !== levels.expertLevel[expert]! + 1) continue;
    const went = deliver(flow, levels, cursor, gpu, amount - sent, limit);
    flow.tokens[edge]! += went;
    sent += went;
    if (sent === amount) return sent;
  }
  return sent;
}

/** Brings tokens to a GPU: into its room first, then in place of tokens that other experts can send elsewhere. */
function deliver(flow: Flow, levels: Reached, cursor: Int32Array, gpu: number, amount: number, limit: number): number {
  let sent = Math.min(amount, Math.max(0, limit - flow.load[gpu]!));
  flow.load[gpu]! += sent;
  for (const back of flow.edgesOfGpu[gpu]!) {
    if (sent === amount) break;
    const other = flow.edgeExpert[back]!;
    if (flow.tokens[back]! === 0 || levels.expertLevel[other] !== levels.gpuLevel[gpu]! + 1) continue;
    const went = push(flow, levels, cursor, other, Math.min(amount - sent, flow.tokens[back]!), limit);
    flow.tokens[back]! -= went;
    sent += went;
  }
  return sent;
}
