import type { ProbeCard } from '../backends/webgpu/probe.ts';
import type { AdapterReport } from './services/gpu-worker.ts';
import type { AdapterState, Services } from './services/services.ts';
import { errorNotice, facts, notice, table } from './ui/blocks.ts';
import { button } from './ui/controls.ts';
import { dialog } from './ui/dialog.ts';
import { type Child, fill, h } from './ui/dom.ts';
import { type Exportable, exportBar } from './ui/export.ts';

/** How a probe reads in a few words. */
export function probeWords({ lines }: ProbeCard): string {
  const offered = lines.filter(({ samples }) => samples > 0);
  const ideal = offered.filter((line) => line.ideal).length;
  return `${ideal} of ${offered.length} operations as IEEE 754 says`;
}

const kindOf = (state: AdapterState): 'looking' | 'none' | 'software' | 'hardware' => {
  if (state.kind !== 'found') return state.kind;
  return state.report.adapter.software ? 'software' : 'hardware';
};

function words(state: AdapterState): string {
  if (state.kind === 'looking') return 'Looking for WebGPU';
  if (state.kind === 'none') return 'No WebGPU: reference only';
  const { name, adapter } = state.report;
  return `${name} · ${adapter.software ? 'software adapter' : 'hardware'}`;
}

const marks = { looking: '…', none: '!', software: 'S', hardware: 'H' } as const;

/** The adapter, always in sight; a click opens what is known of it, with its numerics probe. */
export function adapterBadge(services: Services): HTMLElement {
  const mark = h('span', { class: 'mark', 'aria-hidden': 'true' });
  const text = h('span', { class: 'words' });
  const body = h('div', { class: 'dialog-body' });
  const { element, open } = dialog('This machine’s adapter', body);
  const badge = h(
    'button',
    { type: 'button', class: 'badge', id: 'adapter', 'aria-haspopup': 'dialog', on: { click: open } },
    mark,
    text,
  );
  services.onAdapter((state) => {
    badge.dataset.kind = kindOf(state);
    fill(mark, marks[kindOf(state)]);
    fill(text, words(state));
    badge.title = words(state);
    fill(body, ...details(state, services));
  });
  // Late enough not to delay what the page itself asks of the adapter.
  void services.known.then((state) => {
    if (state.kind === 'found') setTimeout(() => services.probe().catch(() => undefined), 1500);
  });
  return h('div', {}, badge, element);
}

function details(state: AdapterState, services: Services): Child[] {
  if (state.kind === 'looking') return [h('p', {}, 'Asking the browser for an adapter …')];
  if (state.kind === 'none') {
    return [
      errorNotice(state.error),
      h(
        'p',
        {},
        'Every page works without WebGPU: the reference, plain TypeScript, computes the same bits in this browser.',
      ),
    ];
  }
  const { report, probe } = state;
  const { vendor, architecture, device, description, software } = report.adapter;
  const mebibytes = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`;
  return [
    software &&
      notice(
        'info',
        h(
          'p',
          {},
          'A software adapter: the shaders run on the CPU. The bits are as good as a GPU’s; the times say nothing of GPUs.',
        ),
      ),
    facts([
      ['Name', report.name],
      ['Kind', software ? 'software' : 'hardware'],
      ['Vendor', vendor || 'not told'],
      ['Architecture', architecture || 'not told'],
      ['Device', device || 'not told'],
      ['Description', description || 'not told'],
      ['Largest buffer', mebibytes(report.limits.maxBufferSize ?? 0)],
      ['Largest binding', mebibytes(report.limits.maxStorageBufferBindingSize ?? 0)],
    ]),
    h('div', {}, h('h3', {}, 'Features used'), h('p', { class: 'small quiet' }, report.features.join(', ') || 'none')),
    h(
      'div',
      { class: 'panel-head' },
      h('h3', {}, 'What its arithmetic does'),
      probe && h('span', { class: 'small quiet' }, probeWords(probe)),
    ),
    probe === undefined ? probeButton(services) : probeTable(probe),
    probe && exportBar(adapterExport(report, probe), () => location.href),
    h(
      'details',
      {},
      h('summary', {}, 'Lose the device'),
      h(
        'p',
        { class: 'small' },
        'Gives every device of the page up as a driver reset would, to see what it does: work under way fails with a message, the next run gets a new device.',
      ),
      button('Lose it now', () => services.loseDevices(), { id: 'lose-device' }),
    ),
  ];
}

function adapterExport(report: AdapterReport, probe: ProbeCard): Exportable {
  return {
    name: 'fp8lab-adapter',
    command: 'npx fp8lab probe --backend webgpu:chromium',
    json: () => ({ adapter: report, probe }),
    csv: () => [
      ['operation', 'what it gives', 'samples', 'differ'],
      ...probe.lines.map(({ operation, verdict, samples, differing }) => [operation, verdict, samples, differing]),
    ],
  };
}

function probeButton(services: Services): HTMLElement {
  const holder = h(
    'div',
    {},
    button('Probe it', () => {
      fill(holder, h('p', { class: 'quiet' }, 'Probing …'));
      services.probe().catch((error: unknown) => fill(holder, errorNotice(error)));
    }),
  );
  return holder;
}

function probeTable({ lines }: ProbeCard): HTMLElement {
  return table(
    'Numerics probe',
    [{ head: 'operation', text: true }, { head: 'what it gives', text: true }, { head: 'differ' }],
    lines.map(({ operation, verdict, ideal, differing }) => [
      h('code', {}, operation),
      ideal ? h('span', {}, '✓ ', verdict) : verdict,
      differing,
    ]),
  );
}
