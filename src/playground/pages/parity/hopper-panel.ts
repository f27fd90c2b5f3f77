import type { ProbeCard } from '../../../backends/webgpu/probe.ts';
import { probeWords } from '../../badge.ts';
import type { PageContext } from '../../page.ts';
import type { Services } from '../../services/services.ts';
import type { ShippedSpec } from '../../services/specs.ts';
import { errorNotice, panel, table } from '../../ui/blocks.ts';
import { button } from '../../ui/controls.ts';
import { fill, h } from '../../ui/dom.ts';
import { exportBar } from '../../ui/export.ts';
import { isInterrupted, task } from '../../ui/task.ts';
import { type CardContent, resultCard } from './card.ts';
import { holdAgainstRecorded, readRecorded, recordedLicence } from './recorded.ts';

/** Work of a spec that the button takes on: a moment on a software adapter. */
const mostWork = 2 ** 21;

/** One spec's outcome, as the table shows it. */
interface Line {
  readonly label: string;
  readonly elements: number;
  readonly differing: number;
  readonly webgpu: number | undefined;
  readonly reference: number;
  readonly problem?: string;
}

type Context = Pick<PageContext<never>, 'services' | 'signal' | 'link' | 'say'>;

/** Shipped specs of every kernel that are quick enough, a fair share of each. */
export function quickSpecs(specs: readonly ShippedSpec[], perKernel: number): ShippedSpec[] {
  const kernels = [...new Set(specs.map(({ spec }) => spec.kernel))];
  return kernels.flatMap((kernel) => {
    const own = specs.filter(({ spec, work }) => spec.kernel === kernel && work <= mostWork);
    const stride = Math.max(own.length / perKernel, 1);
    return own.filter((_, i) => Math.floor(i / stride) !== Math.floor((i - 1) / stride));
  });
}

/** Asks whether this adapter gives the bits that an H100 gave, and those of the reference. */
export function hopperPanel({ services, signal, link, say }: Context): { element: HTMLElement; redraw: () => void } {
  const progress = task(signal);
  const card = h('div', { class: 'card-holder' });
  const results = h('div', {});
  const message = h('div', {});
  const exports = h('div', {});
  let last: { content: CardContent; lines: readonly Line[] } | undefined;
  const start = button('Run it here', () => void run(), { kind: 'primary', id: 'hopper-run' });
  const element = panel(
    'Does my GPU give Hopper’s bits?',
    h(
      'p',
      { class: 'quiet' },
      'Runs 5,000 dot products whose results were recorded on an H100, then shipped specs of every kernel against the reference: in WGSL, on this adapter, bit for bit.',
    ),
    h(
      'div',
      { class: 'row' },
      start,
      h('a', { class: 'small', href: recordedLicence }, 'Where the recorded outputs come from'),
    ),
    progress.element,
    message,
    card,
    exports,
    results,
  );
  element.id = 'hopper';

  const redraw = () => {
    if (last === undefined) return;
    const picture = resultCard(last.content);
    fill(card, picture);
    fill(exports, exportBar(exportOf(last.content, last.lines, picture), link()));
    fill(results, h('details', {}, h('summary', {}, `The ${last.lines.length} specs`), lineTable(last.lines)));
  };

  const run = async () => {
    start.disabled = true;
    fill(message);
    const stop = progress.begin('Recorded dot products …');
    try {
      last = await measure(services, stop, (share, what) => progress.progress(share, what));
      redraw();
      element.dataset.ready = 'true';
      say(card.querySelector('svg')?.getAttribute('aria-label') ?? '');
    } catch (error) {
      if (!isInterrupted(error)) fill(message, errorNotice(error));
    } finally {
      progress.end();
      start.disabled = false;
      fill(start, 'Run it again');
    }
  };
  return { element, redraw };
}

type Tell = (share: number, what: string) => void;

async function measure(services: Services, signal: AbortSignal, tell: Tell) {
  const adapter = await services.known;
  const products = await runRecorded(services, signal, adapter.kind === 'found', (share, what) =>
    tell(0.35 * share, what),
  );
  const lines: Line[] = [];
  const specs = quickSpecs(await services.compute.call('specs', undefined, { signal }), 12);
  for (const [i, { label, spec }] of specs.entries()) {
    tell(0.35 + (0.6 * i) / specs.length, `${label} (${i + 1} of ${specs.length})`);
    lines.push(await runLine(services, label, spec, signal));
  }
  tell(0.97, 'Numerics probe');
  const probe: ProbeCard | undefined = adapter.kind === 'found' ? await services.probe() : undefined;
  const content: CardContent = {
    adapter: adapter.kind === 'found' ? adapter.report.name : 'No WebGPU: the reference in this browser',
    software: adapter.kind === 'found' && adapter.report.adapter.software,
    ...products,
    specs: lines.length,
    specsFailed: lines.filter(({ problem }) => problem !== undefined).length,
    elements: lines.reduce((sum, { elements }) => sum + elements, 0),
    elementsDiffering: lines.reduce((sum, { differing }) => sum + differing, 0),
    probe: probe === undefined ? '0 of 0' : probeWords(probe),
    date: new Date().toISOString().slice(0, 10),
  };
  return { content, lines };
}

async function runRecorded(services: Services, signal: AbortSignal, onGpu: boolean, tell: Tell) {
  let products = 0;
  let productsDiffering = 0;
  for (const [i, format] of (['e4m3', 'e5m2'] as const).entries()) {
    const recorded = await readRecorded(format);
    const outcome = await holdAgainstRecorded(
      recorded,
      async (spec, given) =>
        onGpu
          ? (await services.gpu.call('run', { spec, given }, { signal, timeout: 120_000 })).tensors
          : (await services.compute.call('check', { spec, given }, { signal })).expected,
      (done) =>
        tell(
          (i + done / recorded.d.length) / 2,
          `H100, ${format}: ${done.toLocaleString('en')} of ${recorded.d.length.toLocaleString('en')} dot products`,
        ),
    );
    products += outcome.products;
    productsDiffering += outcome.differing;
  }
  return { products, productsDiffering };
}

async function runLine(
  services: Services,
  label: string,
  spec: ShippedSpec['spec'],
  signal: AbortSignal,
): Promise<Line> {
  try {
    const { comparison, webgpu, reference, expected } = await services.run(spec, { signal });
    const elements = comparison?.elements ?? Object.values(expected).reduce((sum, { codes }) => sum + codes.length, 0);
    return { label, elements, differing: comparison?.mismatches ?? 0, webgpu, reference };
  } catch (error) {
    if (isInterrupted(error)) throw error;
    return { label, elements: 0, differing: 0, webgpu: undefined, reference: 0, problem: (error as Error).message };
  }
}

const milliseconds = (time: number | undefined) => (time === undefined ? '–' : time.toFixed(1));

function lineTable(lines: readonly Line[]): HTMLElement {
  return table(
    'Shipped specs on this adapter',
    [
      { head: 'spec', text: true },
      { head: 'elements' },
      { head: 'bits that differ' },
      { head: 'WebGPU, ms' },
      { head: 'reference, ms' },
    ],
    lines.map(({ label, elements, differing, webgpu, reference, problem }) =>
      problem === undefined
        ? [
            label,
            elements.toLocaleString('en'),
            differing === 0 ? '0' : h('span', { class: 'bad-text' }, differing),
            milliseconds(webgpu),
            milliseconds(reference),
          ]
        : [label, '–', h('span', { class: 'bad-text' }, problem), '–', '–'],
    ),
  );
}

function exportOf(content: CardContent, lines: readonly Line[], picture: SVGSVGElement) {
  return {
    name: 'fp8lab-hopper-bits',
    command: 'npx fp8lab parity --backends webgpu:chromium,webgpu:node,webgpu:deno --report report.html',
    json: () => ({ ...content, lines }),
    csv: () => [
      ['spec', 'elements', 'differing', 'webgpu ms', 'reference ms', 'problem'],
      ...lines.map((line) => [
        line.label,
        line.elements,
        line.differing,
        line.webgpu ?? '',
        line.reference,
        line.problem ?? '',
      ]),
    ],
    picture: () => picture,
  };
}
