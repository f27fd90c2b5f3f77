import { exitCodes } from '../errors.ts';
import { busySeconds } from '../simulate/engine.ts';
import { ganttPicture } from '../simulate/gantt.ts';
import type { Scenario } from '../simulate/scenario.ts';
import { type Simulation, type SimulationResult, simulate } from '../simulate/simulate.ts';
import { chromeTrace } from '../simulate/trace.ts';
import type { Io } from './io.ts';
import { bytesText, requireEnding, writeOutput } from './moe.ts';
import { type DeploymentOptions, scenarioOf } from './simulate-options.ts';
import { table } from './table.ts';

/** Options of `fp8lab simulate`. */
export interface SimulateOptions extends DeploymentOptions {
  readonly gantt?: string;
  readonly trace?: string;
  readonly out?: string;
  readonly showLayers: number;
}

/** `fp8lab simulate`: one step of a deployment. */
export async function simulateCommand(options: SimulateOptions, io: Io): Promise<number> {
  requireEnding(options.out, ['.json'], '--out');
  requireEnding(options.trace, ['.json'], '--trace');
  requireEnding(options.gantt, ['.svg'], '--gantt');
  const scenario = await scenarioOf(options);
  const simulation = simulate(scenario);
  const json = { schemaVersion: 1, scenario: scenarioJson(scenario), ...simulation.result };
  if (options.out !== undefined) await writeOutput(options.out, `${JSON.stringify(json)}\n`, io);
  if (options.gantt !== undefined)
    await writeOutput(options.gantt, gantt(simulation, scenario, options.showLayers), io);
  if (options.trace !== undefined) await writeOutput(options.trace, `${JSON.stringify(trace(simulation))}\n`, io);
  io.stdout(options.json ? `${JSON.stringify(json)}\n` : resultText(scenario, simulation.result));
  return exitCodes.ok;
}

/** A scenario as JSON: what was given, with the hardware by name. */
export function scenarioJson({ hardware, model, loads, routings, placement, ...rest }: Scenario): unknown {
  const given = { loads: loads !== undefined, routings: routings !== undefined, placement: placement !== undefined };
  return { hardware: hardware.name, model: model.name, layers: model.layers, ...rest, given };
}

/** GPU 0 and the one whose SMs compute longest. */
function shownGpus({ program, graph, timeline }: Simulation): number[] {
  const busy = busySeconds(graph, timeline);
  const most = program.compute.reduce(
    (best, stream, gpu) => (busy[stream]! > busy[program.compute[best]!]! ? gpu : best),
    0,
  );
  return most === 0 ? [0] : [0, most];
}

function gantt(simulation: Simulation, scenario: Scenario, layers: number): string {
  const { program, graph, timeline, result } = simulation;
  const { utilization } = result;
  const lanes = shownGpus(simulation).flatMap((gpu) => [
    { stream: program.compute[gpu]!, name: `GPU ${gpu}, ${utilization.computeSms} SMs` },
    {
      stream: program.comm[gpu]!,
      name: `GPU ${gpu}, ${utilization.commSms > 0 ? `${utilization.commSms} SMs` : 'network card'}`,
    },
  ]);
  const share = layers / scenario.model.layers;
  const from = share >= 1 ? 0 : timeline.makespan * 0.4;
  const prefill = scenario.phase === 'prefill';
  return ganttPicture(graph, timeline, {
    title: `${prefill ? 'Prefill' : 'Decode'} on ${scenario.nodes} nodes: ${(result.seconds * 1e3).toFixed(1)} ms a step, ${Math.round(result.tokensPerSecondPerNode)} tokens/s a node`,
    subtitle: `${scenario.hardware.name}; ${scenario.tokensPerGpu} tokens a GPU; ${scenario.overlap === 'two' ? 'two micro-batches, the second paler' : 'one micro-batch'}; longest on the critical path: ${result.bottleneck}`,
    lanes,
    window: [from, Math.min(timeline.makespan, from + timeline.makespan * share)],
    unit: ['ms', 1e3],
  });
}

function trace(simulation: Simulation): unknown {
  const { program, graph, timeline } = simulation;
  const lanes = shownGpus(simulation).flatMap((gpu) => [
    { stream: program.compute[gpu]!, process: gpu, name: 'compute' },
    { stream: program.comm[gpu]!, process: gpu, name: 'all-to-all' },
  ]);
  return chromeTrace(graph, timeline, lanes);
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

function resultText(scenario: Scenario, result: SimulationResult): string {
  const { utilization, criticalPath, seconds } = result;
  const longest = criticalPath.slice(0, 5).map(([kind, time]) => `${kind} ${percent(time / seconds)}`);
  const rows = [
    ['step', `${(seconds * 1e3).toFixed(2)} ms`],
    [
      'throughput',
      `${Math.round(result.tokensPerSecondPerGpu)} tokens/s a GPU, ${Math.round(result.tokensPerSecondPerNode)} a node`,
    ],
    [
      'latency of a token',
      scenario.phase === 'decode'
        ? `${(seconds * 1e3).toFixed(2)} ms`
        : `${(seconds * 1e3).toFixed(2)} ms to the first, of this step alone`,
    ],
    [
      'computing SMs',
      `${utilization.computeSms}, busy ${percent(utilization.computeMean)} (busiest GPU ${percent(utilization.computeBusiest)})`,
    ],
    ['all-to-all', `${utilization.commSms} SMs, busy ${percent(utilization.commMean)}`],
    ['busiest IB port', percent(utilization.ib)],
    ['busiest NVLink port', percent(utilization.nvlink)],
    ['bytes of the step', `${bytesText(result.bytes.ib)} over IB, ${bytesText(result.bytes.nvlink)} over NVLink`],
    ['rows, max/mean', result.imbalance.toFixed(3)],
    ['critical path', longest.join(', ')],
    ['bottleneck', result.bottleneck],
  ];
  return `${scenario.model.name}, ${scenario.phase}, ${scenario.nodes} nodes of ${scenario.hardware.name}, ${scenario.tokensPerGpu} tokens a GPU\n\n${table(rows)}`;
}
