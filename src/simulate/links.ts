import { modeOf, type Scenario } from './scenario.ts';
import type { LayerWork } from './wire.ts';

/** Bytes of a token copy: FP8 with a scale for each 128 channels to the experts, BF16 back; a header where each row is a message of its own. */
export function copyBytes(scenario: Scenario): { dispatch: number; combine: number } {
  const { hidden } = scenario.model;
  const header = modeOf(scenario) === 'low-latency' ? 16 : 0;
  return { dispatch: header + hidden + (4 * hidden) / 128, combine: header + 2 * hidden };
}

/** Rates that the links reach in a scenario, bytes a second. */
export function linkRates(scenario: Scenario): { ib: number; nvlink: number } {
  const { hardware, overlap, commSms } = scenario;
  const { efficiency, ibGBs, nvlinkGBs } = hardware;
  // Low-latency messages are moved by the card and by copies that SMs only start.
  const normal = modeOf(scenario) === 'normal';
  const filled = normal ? Math.min(1, commSms / efficiency.smsForFullLinks.value) : 1;
  const driven = filled * (normal && overlap === 'two' ? efficiency.besideKernels.value : 1);
  return {
    ib: ibGBs.value * 1e9 * efficiency.ib.value * driven,
    nvlink: nvlinkGBs.value * 1e9 * efficiency.nvlink.value * driven,
  };
}

/** Seconds beyond its bytes that an all-to-all takes. */
export function commLatency(scenario: Scenario): number {
  const { normalUs } = scenario.hardware.latency;
  return modeOf(scenario) === 'normal' ? normalUs.value * 1e-6 : messageLatency(scenario);
}

/** Seconds beyond its bytes that an exchange of messages takes. */
export function messageLatency({ hardware, launch }: Scenario): number {
  const { ibgdaUs, proxyUs } = hardware.latency;
  return (launch === 'ibgda' ? ibgdaUs : proxyUs).value * 1e-6;
}

/** What planning adds to a dispatch, seconds: its own exchange of counts and its kernel where it is separate, and the optimum itself. */
export interface PlanningTimes {
  readonly gather: number;
  readonly optimum: number;
}

/** Planning of dynamic redundancy; undefined where there is none. */
export function planningTimes(scenario: Scenario, gpus: number): PlanningTimes | undefined {
  const { active, planSeconds, planning = 'separate', hardware, model } = scenario;
  if (active === undefined && planSeconds === 0) return undefined;
  if (planning === 'fused') return { gather: 0, optimum: planSeconds };
  // Every GPU sends its counts, 4 bytes an expert, to every other; the network card is the narrower way.
  const bytes = 4 * model.experts * (gpus - 1);
  const sent = bytes / (hardware.ibGBs.value * 1e9 * hardware.efficiency.ib.value);
  return { gather: messageLatency(scenario) + sent, optimum: hardware.latency.kernelUs.value * 1e-6 + planSeconds };
}

/** Seconds of an all-to-all on each GPU: by the busiest of its ports, and of what it sends. */
export interface CommTimes {
  readonly own: Float64Array;
  readonly sends: Float64Array;
}

/** [GPU]: an all-to-all whose copies have a number of bytes. Hops overlap, so the busiest port decides; all that crosses a port shares it. */
export function commSeconds(work: LayerWork, bytes: number, rates: { ib: number; nvlink: number }): CommTimes {
  const gpus = work.rows.length;
  const own = new Float64Array(gpus);
  const sends = new Float64Array(gpus);
  for (let gpu = 0; gpu < gpus; gpu++) {
    const ib = bytes / rates.ib;
    const nvlink = bytes / rates.nvlink;
    own[gpu] = Math.max(
      work.ibSent[gpu]! * ib,
      work.ibReceived[gpu]! * ib,
      work.nvlinkSent[gpu]! * nvlink,
      work.nvlinkReceived[gpu]! * nvlink,
    );
    sends[gpu] = Math.max(work.ibSent[gpu]! * ib, work.nvlinkSent[gpu]! * nvlink);
  }
  return { own, sends };
}
