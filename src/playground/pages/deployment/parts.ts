import { facts, table } from '../../ui/blocks.ts';
import { button } from '../../ui/controls.ts';
import { type Child, h } from '../../ui/dom.ts';
import { exportBar } from '../../ui/export.ts';
import { kindColour } from './timeline.ts';
import {
  bytesText,
  commandOf,
  type DeploymentView,
  type PipelineView,
  type Settings,
  type TimelineView,
  timeText,
} from './view.ts';

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const count = (value: number): string => Math.round(value).toLocaleString('en');

/** Throughput, latency and the bottleneck. */
export function factsOf({ result, pipeline, gemmSource, hardware }: DeploymentView, phase: Settings['phase']): Child {
  const rate = pipeline ?? result;
  const latency = { prefill: 'Time to the first token', decode: 'Latency of a token', training: 'A pair of chunks' }[
    phase
  ];
  return [
    facts([
      ['Tokens/s a GPU', count(rate.tokensPerSecondPerGpu)],
      ['Tokens/s a node', count(rate.tokensPerSecondPerNode)],
      [latency, timeText(result.seconds)],
      ['Bottleneck', h('span', { id: 'bottleneck' }, result.bottleneck)],
      ['Busiest GPU’s rows over the mean', result.imbalance.toFixed(3)],
      ['Over IB, over NVLink', `${bytesText(result.bytes.ib)}, ${bytesText(result.bytes.nvlink)}`],
    ]),
    h('p', { class: 'small quiet' }, `${hardware}. Speeds of gemms: ${gemmSource}.`),
  ];
}

/** What the colours of a timeline are. */
export function legendOf({ blocks }: TimelineView, phase: Settings['phase'] | undefined, overlap: boolean): Child {
  const kinds = Array.from(new Set(blocks.map(({ kind }) => kind)));
  return [
    kinds.map((kind) =>
      h('span', { class: 'key' }, h('span', { class: 'swatch', style: { background: kindColour(kind) } }), kind),
    ),
    phase === 'training' && h('span', { class: 'quiet' }, 'paler: the backward'),
    phase !== undefined &&
      phase !== 'training' &&
      overlap &&
      h('span', { class: 'quiet' }, 'paler: the second micro-batch'),
    phase !== undefined && h('span', { class: 'quiet' }, 'low rows: how full a port is'),
  ];
}

/** Bars of SM groups and links: the mean filled, the busiest as a line. */
export function busyView({ result: { utilization } }: DeploymentView): HTMLElement {
  const { computeSms, commSms, links } = utilization;
  const ports = {
    ibSent: 'IB, sending',
    ibReceived: 'IB, receiving',
    nvlinkSent: 'NVLink, sending',
    nvlinkReceived: 'NVLink, receiving',
  } as const;
  const rows: readonly (readonly [name: string, mean: number, busiest: number | undefined])[] = [
    [`Computing, ${computeSms} SMs`, utilization.computeMean, utilization.computeBusiest],
    [commSms > 0 ? `All-to-all, ${commSms} SMs` : 'All-to-all, no SMs', utilization.commMean, undefined],
    ...Object.entries(ports).map(
      ([port, name]) =>
        [name, links[port as keyof typeof ports].mean, links[port as keyof typeof ports].busiest] as const,
    ),
  ];
  return h(
    'dl',
    { class: 'busy' },
    rows.map(([name, mean, busiest]) =>
      h(
        'div',
        { class: 'busy-bar' },
        h('dt', {}, name),
        h(
          'dd',
          { class: 'busy-track', 'aria-hidden': 'true' },
          h('span', { style: { width: `${100 * mean}%` } }),
          busiest !== undefined && h('span', { class: 'busiest', style: { width: `${100 * Math.min(1, busiest)}%` } }),
        ),
        h(
          'dd',
          { class: 'amount' },
          percent(mean),
          busiest !== undefined && h('span', { class: 'quiet small' }, ` · ${percent(busiest)}`),
        ),
      ),
    ),
  );
}

/** The chain of operations that decides the step. */
export function pathTable({ result: { criticalPath, seconds } }: DeploymentView): HTMLElement {
  return table(
    'The chain of operations that decides the step',
    [{ head: 'decides the step', text: true }, { head: 'time' }, { head: 'of the step' }],
    criticalPath
      .filter(([, time]) => time > seconds * 1e-4)
      .map(([kind, time]) => [kind, timeText(time), percent(time / seconds)]),
  );
}

/** A pipeline's bubble beside its formula. */
export function pipelineFacts(pipeline: PipelineView): HTMLElement {
  const { forward, backward, weights, overlapped } = pipeline;
  return facts([
    ['Step', timeText(pipeline.seconds)],
    ['Bubble of a device', percent(pipeline.bubble)],
    ['By the formula', percent(pipeline.formula)],
    ['Forward, backward', `${timeText(forward)}, ${timeText(backward)}`],
    ['Of it weights', timeText(weights)],
    ['Overlapped pair', timeText(overlapped)],
    ['Parameters', `${pipeline.parameters} times`],
    ['Activations', `${pipeline.activations} chunks`],
    ['Devices', String(pipeline.devices)],
  ]);
}

/** Buttons that take the step away. */
export function exportsOf(
  settings: Settings,
  view: DeploymentView,
  picture: () => SVGSVGElement | null,
  link: () => string,
): HTMLElement {
  const { lanes, blocks } = view.timeline;
  const bar = exportBar(
    {
      name: 'fp8lab-deployment',
      command: commandOf(settings),
      json: () => ({
        settings,
        result: view.result,
        pipeline: view.pipeline && { ...view.pipeline, timeline: undefined },
      }),
      csv: () => [
        ['lane', 'on', 'operation', 'layer', 'microBatch', 'startSeconds', 'endSeconds', 'bytes', 'shareOfPort'],
        ...blocks.map(({ lane, kind, layer, micro, start, end, bytes, share }) => [
          lanes[lane]!.name,
          lanes[lane]!.note,
          kind,
          layer < 0 ? '' : layer,
          micro,
          start,
          end,
          bytes ?? '',
          share ?? '',
        ]),
      ],
      picture,
    },
    link,
  );
  const trace = button('Chrome trace', () => save('fp8lab-deployment-trace.json', JSON.stringify(view.trace)), {
    'data-export': 'trace',
    title: 'For Perfetto and chrome://tracing',
  });
  bar.querySelector('[data-export="png"]')?.after(trace);
  return bar;
}

function save(name: string, text: string): void {
  const address = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
  h('a', { href: address, download: name }).click();
  // The download has begun by then; the address would hold the memory.
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
