import type { ProbeCard } from '../../../backends/webgpu/probe.ts';
import { probeWords } from '../../badge.ts';
import type { PageContext } from '../../page.ts';
import type { Services } from '../../services/services.ts';
import type { ShippedSpec } from '../../services/specs.ts';
import { errorNotice, notice, panel, table } from '../../ui/blocks.ts';
import { button } from '../../ui/controls.ts';
import { fill, h } from '../../ui/dom.ts';
import { exportBar } from '../../ui/export.ts';
import { sized } from '../../ui/sized.ts';
import { isInterrupted, task } from '../../ui/task.ts';
import { type CardContent, resultCard } from './card.ts';
import {
  holdAgainstRecorded,
  type RecordedDifference,
  type Runner,
  readRecorded,
  recordedLicence,
} from './recorded.ts';
import { checkedSpecs, type Extent, recordedStride } from './selection.ts';

/** One spec's outcome, as the table shows it. */
interface Line {
  readonly label: string;
  readonly elements: number;
  /** Undefined where nothing was compared. */
  readonly differing: number | undefined;
  readonly webgpu: number | undefined;
  readonly reference: number;
  readonly problem?: string;
}

type Context = Pick<PageContext<never>, 'services' | 'signal' | 'link' | 'say'>;

/** What a check came to. */
interface Outcome {
  readonly content: CardContent;
  readonly lines: readonly Line[];
  readonly differences: readonly RecordedDifference[];
  readonly probe: ProbeCard | undefined;
}

/** Asks whether this adapter gives the bits that an H100 gave, and those of the reference. */
export function hopperPanel({ services, signal, link, say }: Context): { element: HTMLElement; redraw: () => void } {
  const progress = task(signal);
  const results = h('div', {});
  const message = h('div', {});
  const exports = h('div', {});
  let last: Outcome | undefined;
  const card = sized((width) => last && resultCard(last.content, width < 520 ? 'narrow' : 'wide'), 760);
  const buttons = [
    button('Quick check', () => void run('quick'), { kind: 'primary', id: 'hopper-run' }),
    button('Run everything', () => void run('all'), { id: 'hopper-all' }),
  ];
  const extentText = h('p', { class: 'small quiet', id: 'hopper-extent' });
  const element = panel(
    'Does my GPU give Hopper’s bits?',
    h(
      'p',
      { class: 'quiet' },
      'Runs dot products whose results were recorded on an H100, then shipped specs against the reference: in WGSL, on this adapter, bit for bit.',
    ),
    h(
      'div',
      { class: 'row' },
      buttons,
      h('a', { class: 'small', href: recordedLicence }, 'Where the recorded outputs come from'),
    ),
    extentText,
    progress.element,
    message,
    card.element,
    exports,
    results,
  );
  element.id = 'hopper';
  void services.compute.call('specs', undefined, { signal }).then(
    (specs) => {
      const count = (extent: Extent) => checkedSpecs(specs, extent).length;
      fill(
        extentText,
        `Quick: every fifth of the 5,000 recorded dot products and ${count('quick')} specs, one of each kernel that is not made of others; about ten seconds on a software adapter. ` +
          `Everything: all 5,000 and ${count('all')} specs; about a minute there. The other shipped specs are too large for a tab.`,
      );
    },
    () => undefined,
  );

  const redraw = () => {
    if (last === undefined) return;
    const { lines } = last;
    const there = link();
    card.redraw();
    fill(
      exports,
      exportBar(exportOf(last), () => there),
    );
    fill(results, h('details', {}, h('summary', {}, `The ${lines.length} specs`), lineTable(lines)));
  };

  const run = async (extent: Extent) => {
    for (const each of buttons) each.disabled = true;
    fill(message);
    delete element.dataset.ready;
    const stop = progress.begin('Recorded dot products …');
    try {
      last = await measure(services, extent, stop, (share, what) => progress.progress(share, what));
      redraw();
      element.dataset.ready = extent;
      say(card.svg()?.getAttribute('aria-label') ?? '');
    } catch (error) {
      fill(
        message,
        isInterrupted(error)
          ? notice('info', h('p', {}, `Stopped. ${last === undefined ? '' : 'Below is the check before.'}`))
          : errorNotice(error),
      );
    } finally {
      progress.end();
      for (const each of buttons) each.disabled = false;
    }
  };
  return { element, redraw };
}

type Tell = (share: number, what: string) => void;

async function measure(services: Services, extent: Extent, signal: AbortSignal, tell: Tell): Promise<Outcome> {
  const adapter = await services.known;
  const shipped = await services.compute.call('specs', undefined, { signal });
  const specs = checkedSpecs(shipped, extent);
  // The bar follows the time: recorded products are quick beside specs, whose shaders are compiled first.
  const firstPart = 0.1;
  const recorded = await runRecorded(services, extent, signal, adapter.kind === 'found', (share, what) =>
    tell(firstPart * share, what),
  );
  const lines: Line[] = [];
  for (const [i, { label, spec }] of specs.entries()) {
    tell(firstPart + ((0.98 - firstPart) * i) / specs.length, `${label} (${i + 1} of ${specs.length})`);
    lines.push(await runLine(services, label, spec, signal));
  }
  tell(0.98, 'Numerics probe');
  const probe: ProbeCard | undefined = adapter.kind === 'found' ? await services.probe() : undefined;
  const content: CardContent = {
    extent,
    adapter: adapter.kind === 'found' ? adapter.report.name : 'No WebGPU: the reference in this browser',
    software: adapter.kind === 'found' && adapter.report.adapter.software,
    products: recorded.products,
    productsRecorded: recorded.all,
    productsDiffering: recorded.differences.length,
    specs: lines.length,
    specsShipped: checkedSpecs(shipped, 'all').length,
    specsFailed: lines.filter(({ problem }) => problem !== undefined).length,
    elements: lines.reduce((sum, { elements }) => sum + elements, 0),
    elementsDiffering:
      adapter.kind === 'found' ? lines.reduce((sum, { differing }) => sum + (differing ?? 0), 0) : undefined,
    probe: probe && probeWords(probe),
    date: new Date().toISOString().slice(0, 10),
  };
  return { content, lines, differences: recorded.differences, probe };
}

async function runRecorded(services: Services, extent: Extent, signal: AbortSignal, onGpu: boolean, tell: Tell) {
  const run: Runner = async (spec, given) =>
    onGpu
      ? (await services.gpu.call('run', { spec, given }, { signal, timeout: 120_000 })).tensors
      : (await services.compute.call('check', { spec, given }, { signal })).expected;
  let all = 0;
  let products = 0;
  const differences: RecordedDifference[] = [];
  for (const [i, format] of (['e4m3', 'e5m2'] as const).entries()) {
    const recorded = await readRecorded(format);
    const outcome = await holdAgainstRecorded(recorded, recordedStride[extent], run, (share) =>
      tell((i + share) / 2, `Dot products recorded on an H100, ${format}`),
    );
    all += recorded.d.length;
    products += outcome.products;
    differences.push(...outcome.differences);
  }
  return { all, products, differences };
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
    return { label, elements, differing: comparison?.mismatches, webgpu, reference };
  } catch (error) {
    if (isInterrupted(error)) throw error;
    return {
      label,
      elements: 0,
      differing: undefined,
      webgpu: undefined,
      reference: 0,
      problem: (error as Error).message,
    };
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
      { head: 'WebGPU with compiling, ms' },
      { head: 'reference, ms' },
    ],
    lines.map(({ label, elements, differing, webgpu, reference, problem }) =>
      problem === undefined
        ? [
            label,
            elements.toLocaleString('en'),
            differing ? h('span', { class: 'bad-text' }, differing) : (differing ?? '–'),
            milliseconds(webgpu),
            milliseconds(reference),
          ]
        : [label, '–', h('span', { class: 'bad-text' }, problem), '–', '–'],
    ),
  );
}

function exportOf({ content, lines, differences, probe }: Outcome) {
  // Everything is what the command runs without names, and more: the large specs too.
  const names = content.extent === 'all' ? [] : lines.map(({ label }) => label);
  return {
    name: 'fp8lab-hopper-bits',
    command: ['npx fp8lab parity', ...names, '--backends webgpu:chromium --report report.html'].join(' '),
    json: () => ({ ...content, lines, recordedDifferences: differences.slice(0, 100), probe: probe ?? null }),
    csv: () => [
      ['spec', 'elements', 'differing', 'webgpu ms', 'reference ms', 'problem'],
      ...lines.map((line) => [
        line.label,
        line.elements,
        line.differing ?? '',
        line.webgpu ?? '',
        line.reference,
        line.problem ?? '',
      ]),
    ],
    picture: () => resultCard(content),
  };
}
