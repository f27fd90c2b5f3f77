import { busySeconds } from './engine.ts';
import type { Simulation } from './simulate.ts';

/** A stream to show. */
export interface ShownLane {
  readonly stream: number;
  readonly gpu: number;
  readonly what: 'compute' | 'all-to-all';
  /** What it runs on: `112 SMs`, `network card`. */
  readonly on: string;
}

/** The streams of GPU 0 and of the GPU whose SMs compute longest. */
export function shownLanes({ program, graph, timeline, result }: Simulation): ShownLane[] {
  const busy = busySeconds(graph, timeline);
  const most = program.compute.reduce(
    (best, stream, gpu) => (busy[stream]! > busy[program.compute[best]!]! ? gpu : best),
    0,
  );
  const { computeSms, commSms } = result.utilization;
  return (most === 0 ? [0] : [0, most]).flatMap((gpu): ShownLane[] => [
    { stream: program.compute[gpu]!, gpu, what: 'compute', on: `${computeSms} SMs` },
    { stream: program.comm[gpu]!, gpu, what: 'all-to-all', on: commSms > 0 ? `${commSms} SMs` : 'network card' },
  ]);
}
