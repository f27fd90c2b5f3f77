import type { BackendIdentity, BackendName } from '../../backends/backend.ts';
import type { TensorDigest } from '../evidence.ts';
import type { Metrics } from '../metrics.ts';
import type { ErrorData, ParityEntry, ParityRun } from '../suite.ts';
import { anchorOf } from './differences.ts';
import { count, duration, type Html, html, measured, plural } from './html.ts';
import { table, tableAround, tableRows } from './table.ts';

/** A backend that this machine cannot run, and why. */
export interface AbsentBackend {
  readonly name: string;
  readonly error: Pick<ErrorData, 'code' | 'message' | 'fix'>;
}

/** Who computed: runtime, adapter, and in words whether that is a GPU. */
export function backendsSection(identities: readonly BackendIdentity[], absent: readonly AbsentBackend[]): Html {
  const columns = ['backend', { text: 'runtime' }, { text: 'adapter' }];
  const present = identities.map((identity) => [
    identity.backend,
    html`${identity.runtime}${details(identity)}`,
    adapterWords(identity),
  ]);
  const missing = absent.map(({ name, error }) => [
    name,
    html`<span class="muted">Not on this machine: ${error.message}</span>`,
    html`<span class="muted">${error.fix}</span>`,
  ]);
  return html`<h2 id="backends">Backends</h2>\n${table('Backends', columns, [...present, ...missing])}`;
}

function adapterWords({ adapter, software, backend }: BackendIdentity): Html | string {
  if (adapter === '') return backend === 'reference' ? 'none: plain TypeScript' : 'none';
  return software
    ? html`${adapter}<small>Software: a CPU computes in place of a GPU. Times say nothing of GPUs.</small>`
    : adapter;
}

function details({ details: facts }: BackendIdentity): Html | false {
  const lines = Object.entries(facts).map(([name, value]) => html`<small>${name}: ${String(value)}</small>`);
  return lines.length > 0 && html`<details><summary class="muted">details</summary>${lines}</details>`;
}

/** Columns of the table: every backend but the reference, in the run's order. */
function backendsOf(run: ParityRun): BackendName[] {
  const names = [...run.identities.map(({ backend }) => backend), ...run.entries.map(({ backend }) => backend)];
  return [...new Set(names)].filter((name) => name !== 'reference');
}

/** A row a spec, a column a backend. Comparisons in `shown` have an article of their own and are linked. */
export function resultsSection(run: ParityRun, shown: ReadonlySet<string>): Html {
  const backends = backendsOf(run);
  const columns = ['spec', 'reference', ...backends];
  const entries = new Map(run.entries.map((entry) => [`${entry.spec} ${entry.backend}`, entry]));
  const rowOf = (label: string): (Html | string)[] => [
    label.split('/').at(-1)!,
    referenceCell(entries.get(`${label} reference`)),
    ...backends.map((name) => resultCell(entries.get(`${label} ${name}`), shown)),
  ];
  const bodies = [...new Set(run.specs.map(({ spec }) => spec.kernel))].map((kernel) => {
    const rows = run.specs.filter(({ spec }) => spec.kernel === kernel).map(({ label }) => rowOf(label));
    return html`<tbody><tr><th scope="rowgroup" colspan="${columns.length}">${kernel}</th></tr>
${tableRows(columns, rows)}</tbody>`;
  });
  return html`<h2 id="results">Results</h2>
<p class="muted">Elements whose bits differ from the reference, and the time of each run.</p>
${tableAround('Results, a row a spec and a column a backend', columns, bodies, 'results')}`;
}

function referenceCell(reference: ParityEntry | undefined): Html | string {
  if (reference === undefined) return '';
  if (reference.error !== undefined) return errorLink(reference, reference.error);
  return html`${plural(reference.elements, 'element')}${timeOf(reference)}`;
}

const timeOf = ({ times }: ParityEntry): Html | false =>
  times !== undefined && html`<small>${duration(times.total)}</small>`;

function errorLink({ spec, backend }: ParityEntry, error: ErrorData): Html {
  return html`<a class="bad mark" href="#failure-${anchorOf(spec, backend)}">! ${error.code}</a>`;
}

function resultCell(entry: ParityEntry | undefined, shown: ReadonlySet<string>): Html {
  if (entry === undefined) return html`<span class="muted">not run</span>`;
  if (entry.error !== undefined) return errorLink(entry, entry.error);
  if (entry.mismatches === 0 && entry.comparison?.equal !== false) {
    return html`<span class="good mark">\u2713 equal</span>${timeOf(entry)}`;
  }
  const anchor = anchorOf(entry.spec, entry.backend);
  const text = `\u2260 ${count(entry.mismatches)} differ`;
  const tone = entry.tier === 'fast' ? 'warn' : 'bad';
  return shown.has(anchor)
    ? html`<a class="${tone} mark" href="#${anchor}">${text}</a>${timeOf(entry)}`
    : html`<span class="${tone} mark">${text}</span>${timeOf(entry)}`;
}

/** Runs that ended in an error, each with what to do. */
export function failuresSection(entries: readonly ParityEntry[]): Html | false {
  const failed = entries.flatMap(({ spec, backend, error }) => (error === undefined ? [] : [{ spec, backend, error }]));
  return failed.length > 0 && html`<h2 id="failures">Runs that failed</h2>\n${failed.map(failureArticle)}`;
}

function failureArticle({ spec, backend, error }: { spec: string; backend: string; error: ErrorData }): Html {
  return html`<article class="card" id="failure-${anchorOf(spec, backend)}">
<h3>${spec} on ${backend}</h3>
<p class="bad">${error.message}</p>
<dl>
<div><dt>Code</dt><dd><code>${error.code}</code></dd></div>
<div><dt>Where</dt><dd>${error.where || 'not told'}</dd></div>
<div><dt>What to do</dt><dd>${error.fix}</dd></div>
</dl></article>
`;
}

/** Fast tier: how far each result lies from the exact one. Measured, not judged. */
export function toleranceSection(entries: readonly ParityEntry[]): Html | false {
  const columns = ['spec', 'backend', 'tensor', 'differ', 'ULP', 'signal to noise', 'relative bias', 'error over RMS'];
  const rows = entries.flatMap(({ spec, backend, comparison }) =>
    (comparison?.tensors ?? []).flatMap(({ name, metrics, mismatches, elements }) =>
      metrics === undefined
        ? []
        : [[spec, backend, name, `${count(mismatches)} of ${count(elements)}`, ...toleranceCells(metrics)]],
    ),
  );
  if (rows.length === 0) return false;
  return html`<h2 id="tolerance">Distance from the exact tier</h2>
<p class="muted">The fast tier uses the adapter's own f32. Its results are measured against the exact ones, not judged. ULP and error over RMS
are the largest of all elements; worst tile is the largest norm of the error over that of the values in a tile of 128 by 128. calc_diff stands for
comparison only: it sees neither one wrong tile nor a missing promotion.</p>
${table('Distance from the exact tier', [...columns, 'worst tile', 'one-sided', 'calc_diff'], rows, 'results dense')}`;
}

function toleranceCells(metrics: Metrics): string[] {
  return [
    metrics.maxUlps === null ? 'NaN' : count(metrics.maxUlps),
    metrics.sqnr === null ? 'no noise' : measured(metrics.sqnr, 'dB'),
    measured(metrics.relativeBias),
    measured(metrics.maxErrorOverRms),
    measured(Math.max(0, ...metrics.tiles.worst.map(({ relativeNorm }) => relativeNorm ?? 0))),
    metrics.signs.oneSided ? 'yes' : 'no',
    measured(metrics.calcDiff),
  ];
}

/** Result of holding a run against recorded evidence. */
export interface EvidenceLine {
  readonly spec: string;
  readonly backend: string;
  /** Who recorded the evidence: `native:cuda, NVIDIA H200`. */
  readonly recorder: string;
  readonly equal: boolean;
  /** What differs; empty where nothing does. */
  readonly message: string;
}

/** What recorded evidence says of this run; what differs comes first. */
export function evidenceSection(lines: readonly EvidenceLine[]): Html | false {
  if (lines.length === 0) return false;
  const equal = lines.filter((line) => line.equal).length;
  const rows = [...lines]
    .sort((a, b) => Number(a.equal) - Number(b.equal))
    .map((line) => [line.spec, line.backend, line.recorder, html`${outcomeMark(line.equal)} ${line.message}`]);
  return html`<h2 id="evidence">Recorded evidence</h2>
<p>${count(equal)} of ${plural(lines.length, 'result')} equal to the evidence.</p>
<details${equal < lines.length && html` open`}><summary>All results</summary>
${table('Recorded evidence', ['spec', 'backend', { text: 'recorded by' }, { text: 'outcome' }], rows)}</details>`;
}

function outcomeMark(equal: boolean): Html {
  return equal ? html`<span class="good mark">\u2713 equal</span>` : html`<span class="bad mark">\u2260 differs</span>`;
}

/** Digests of the reference's results, folded: whoever has the same bytes has the same digests. */
export function digestsSection(digests: ReadonlyMap<string, Readonly<Record<string, TensorDigest>>>): Html | false {
  const rows = [...digests].flatMap(([spec, tensors]) =>
    Object.entries(tensors).map(([name, { dtype, shape, sha256 }]) => [
      spec,
      name,
      dtype,
      `[${shape.join(', ')}]`,
      html`<code>${sha256}</code>`,
    ]),
  );
  if (rows.length === 0) return false;
  return html`<h2 id="digests">Digests</h2>
<p class="muted">SHA-256 of the reference's results, as a safetensors file holds their bytes. A backend that is equal has the same digests.</p>
<details><summary>${plural(rows.length, 'tensor')}</summary>
${table('Digests', ['spec', 'tensor', 'dtype', 'shape', 'SHA-256'], rows, 'digest')}</details>`;
}
