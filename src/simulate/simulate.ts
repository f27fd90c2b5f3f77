import { balanceOf } from '../moe/loads.ts';
import { busySeconds, criticalPath, type Graph, play, type Timeline } from './engine.ts';
import { linkRates } from './links.ts';
import { buildProgram, type Program, type WireBytes } from './program.ts';
import { checkScenario, modeOf, prepare, type Scenario, type Workload } from './scenario.ts';

/** What a step of a deployment takes, and why. */
export interface SimulationResult {
  /** Seconds of the step. */
  readonly seconds: number;
  readonly tokensPerSecondPerGpu: number;
  readonly tokensPerSecondPerNode: number;
  /** Busy shares of the step: SM groups (their mean and busiest GPU) and the busiest port of each kind of link. */
  readonly utilization: Utilization;
  /** Seconds of each kind along the chain that decides the step, longest first. */
  readonly criticalPath: readonly (readonly [kind: string, seconds: number])[];
  /** The longest of them: what to make faster first. */
  readonly bottleneck: string;
  /** Load of the busiest GPU's experts over the mean, mean over layers. */
  readonly imbalance: number;
  /** Bytes of all GPUs in the step. */
  readonly bytes: { readonly ib: number; readonly nvlink: number };
  /** Seconds that no order could go below: the busiest computing stream, the busiest port. */
  readonly bounds: { readonly compute: number; readonly ib: number; readonly nvlink: number };
}

/** See {@link SimulationResult}. */
export interface Utilization {
  readonly computeSms: number;
  readonly commSms: number;
  readonly computeMean: number;
  readonly computeBusiest: number;
  readonly commMean: number;
  readonly ib: number;
  readonly nvlink: number;
  /** Each direction of each kind of link: the mean port and the busiest. */
  readonly links: Readonly<Record<keyof WireBytes, { readonly mean: number; readonly busiest: number }>>;
}

/** A simulated step with its timeline, for drawing. */
export interface Simulation {
  readonly result: SimulationResult;
  readonly graph: Graph;
  readonly timeline: Timeline;
  readonly program: Program;
  readonly workload: Workload;
}

/** Simulates one step. @param workload what `prepare` gave for a scenario that differs in nothing that routes or places */
export function simulate(scenario: Scenario, workload: Workload = prepare(scenario)): Simulation {
  checkScenario(scenario);
  const program = buildProgram(scenario, workload);
  const timeline = play(program.graph);
  return { result: judge(scenario, workload, program, timeline), graph: program.graph, timeline, program, workload };
}

function judge(scenario: Scenario, workload: Workload, program: Program, timeline: Timeline): SimulationResult {
  const { graph, compute, comm, bytes } = program;
  const seconds = timeline.makespan;
  const busy = busySeconds(graph, timeline);
  const of = (streams: readonly number[]): number[] => streams.map((stream) => busy[stream]!);
  const rates = linkRates(scenario);
  const share = (sent: Float64Array, rate: number): { mean: number; busiest: number } => {
    const { mean, most } = balanceOf(sent);
    return { mean: mean / rate / seconds, busiest: most / rate / seconds };
  };
  const links = {
    ibSent: share(bytes.ibSent, rates.ib),
    ibReceived: share(bytes.ibReceived, rates.ib),
    nvlinkSent: share(bytes.nvlinkSent, rates.nvlink),
    nvlinkReceived: share(bytes.nvlinkReceived, rates.nvlink),
  };
  const ib = Math.max(links.ibSent.busiest, links.ibReceived.busiest) * seconds;
  const nvlink = Math.max(links.nvlinkSent.busiest, links.nvlinkReceived.busiest) * seconds;
  const total = (list: Float64Array): number => list.reduce((sum, value) => sum + value, 0);
  const path = Array.from(criticalPath(graph, timeline)).sort((a, b) => b[1] - a[1]);
  const perGpu = scenario.tokensPerGpu / seconds;
  return {
    seconds,
    tokensPerSecondPerGpu: perGpu,
    tokensPerSecondPerNode: perGpu * scenario.hardware.gpusPerNode,
    utilization: {
      computeSms: program.computeSms,
      commSms: modeOf(scenario) === 'normal' ? scenario.commSms : 0,
      computeMean: balanceOf(of(compute)).mean / seconds,
      computeBusiest: balanceOf(of(compute)).most / seconds,
      commMean: balanceOf(of(comm)).mean / seconds,
      ib: ib / seconds,
      nvlink: nvlink / seconds,
      links,
    },
    criticalPath: path,
    bottleneck: path[0]![0],
    imbalance: balanceOf(workload.layers.map(({ rows }) => balanceOf(rows).ratio)).mean,
    bytes: { ib: total(bytes.ibSent), nvlink: total(bytes.nvlinkSent) },
    bounds: { compute: balanceOf(of(compute)).most, ib, nvlink },
  };
}
