import type { BackendIdentity, BackendName } from '../../backends/backend.ts';
import type { TensorDigest } from '../evidence.ts';
import type { ErrorData, ParityEntry, ParityRun } from '../suite.ts';
import { anchorOf } from './differences.ts';
import { count, duration, type Html, html, measured, plural } from './html.ts';

/** A backend that this machine cannot run, and why. */
export interface AbsentBackend {
  readonly name: string;
  readonly error: Pick<ErrorData, 'code' | 'message' | 'fix'>;
}

/** Who computed: runtime, adapter, and in words whether that is a GPU. */
export function backendsSection(identities: readonly BackendIdentity[], absent: readonly AbsentBackend[]): Html {
  return html`<h2 id="backends">Backends</h2>
<div class="scroll" tabindex="0" role="region" aria-label="Backends"><table>
<thead><tr><th scope="col">backend</th><th scope="col" class="text">runtime</th><th scope="col" class="text">adapter</th></tr></thead>
<tbody>${identities.map(
    (identity) =>
      html`<tr><th scope="row">${identity.backend}</th><td class="text">${identity.runtime}${details(identity)}</td><td class="text">${adapterWords(identity)}</td></tr>`,
  )}${absent.map(
    ({ name, error }) =>
      html`<tr><th scope="row">${name}</th><td class="text muted" colspan="2">Not on this machine: ${error.message}.<small>${error.fix}</small></td></tr>`,
  )}</tbody></table></div>`;
}

function adapterWords({ adapter, software, backend }: BackendIdentity): Html | string {
  if (adapter === '') return backend === 'reference' ? 'none: plain TypeScript' : 'none';
  return software
    ? html`${adapter}<small>Software: a CPU computes in place of a GPU. Times say nothing of GPUs.</small>`
    : adapter;
}

function details({ details: facts }: BackendIdentity): Html | false {
  const entries = Object.entries(facts);
  if (entries.length === 0) return false;
  return html`<details><summary class="muted">details</summary>${entries.map(([name, value]) => html`<small>${name}: ${String(value)}</small>`)}</details>`;
}

/** Columns of the table: every backend but the reference, in the run's order. */
function columnsOf(run: ParityRun): BackendName[] {
  const names = [...run.identities.map(({ backend }) => backend), ...run.entries.map(({ backend }) => backend)];
  return [...new Set(names)].filter((name) => name !== 'reference');
}

/** A row a spec, a column a backend. Comparisons in `shown` have an article of their own and are linked. */
export function resultsSection(run: ParityRun, shown: ReadonlySet<string>): Html {
  const columns = columnsOf(run);
  const entries = new Map(run.entries.map((entry) => [`${entry.spec} ${entry.backend}`, entry]));
  const kernels = [...new Set(run.specs.map(({ spec }) => spec.kernel))];
  const row = (label: string): Html => {
    const reference = entries.get(`${label} reference`);
    return html`<tr><th scope="row">${label.split('/').at(-1)!}</th><td>${elementsCell(reference)}</td>${columns.map((name) => html`<td>${cell(entries.get(`${label} ${name}`), shown)}</td>`)}</tr>`;
  };
  return html`<h2 id="results">Results</h2>
<p class="muted">Elements whose bits differ from the reference, and the time of each run.</p>
<div class="scroll results" tabindex="0" role="region" aria-label="Results, a row a spec and a column a backend"><table>
<thead><tr><th scope="col">spec</th><th scope="col">reference</th>${columns.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
${kernels.map(
  (kernel) => html`<tbody><tr><th scope="rowgroup" colspan="${columns.length + 2}">${kernel}</th></tr>
${run.specs.filter(({ spec }) => spec.kernel === kernel).map(({ label }) => row(label))}</tbody>`,
)}</table></div>`;
}

function elementsCell(reference: ParityEntry | undefined): Html | string {
  if (reference === undefined) return '';
  if (reference.error !== undefined) return html`<span class="bad mark">! ${reference.error.code}</span>`;
  return html`${plural(reference.elements, 'element')}${timeOf(reference)}`;
}

const timeOf = (entry: ParityEntry): Html | false =>
  entry.times !== undefined && html`<small>${duration(entry.times.total)}</small>`;

function cell(entry: ParityEntry | undefined, shown: ReadonlySet<string>): Html {
  if (entry === undefined) return html`<span class="muted">not run</span>`;
  if (entry.error !== undefined) {
    return html`<a class="bad mark" href="#failure-${anchorOf(entry.spec, entry.backend)}">! ${entry.error.code}</a>`;
  }
  if (entry.mismatches === 0 && entry.comparison?.equal !== false) {
    return html`<span class="good mark">\u2713 equal</span>${timeOf(entry)}`;
  }
  const anchor = anchorOf(entry.spec, entry.backend);
  const text = `\u2260 ${count(entry.mismatches)} differ`;
  const tone = entry.tier === 'fast' ? 'warn' : 'bad';
  const told = shown.has(anchor)
    ? html`<a class="${tone} mark" href="#${anchor}">${text}</a>`
    : html`<span class="${tone} mark">${text}</span>`;
  return html`${told}${timeOf(entry)}`;
}

/** Runs that ended in an error, each with what to do. */
export function failuresSection(entries: readonly ParityEntry[]): Html | false {
  const failed = entries.filter(({ error }) => error !== undefined);
  if (failed.length === 0) return false;
  return html`<h2 id="failures">Runs that failed</h2>
${failed.map(
  ({ spec, backend, error }) => html`<article class="card" id="failure-${anchorOf(spec, backend)}">
<h3>${spec} on ${backend}</h3><p class="bad">${error!.message}</p>
<dl><div><dt>Code</dt><dd><code>${error!.code}</code></dd></div><div><dt>Where</dt><dd>${error!.where || 'not told'}</dd></div><div><dt>What to do</dt><dd>${error!.fix}</dd></div></dl></article>`,
)}`;
}

/** Fast tier: how far each result lies from the exact one. Measured, not judged. */
export function toleranceSection(entries: readonly ParityEntry[]): Html | false {
  const rows = entries.flatMap(({ spec, backend, comparison }) =>
    (comparison?.tensors ?? []).flatMap(({ name, metrics, mismatches, elements }) =>
      metrics === undefined ? [] : [{ spec, backend, name, metrics, mismatches, elements }],
    ),
  );
  if (rows.length === 0) return false;
  const heads = [
    'spec',
    'backend',
    'tensor',
    'differ',
    'largest ULP',
    'signal to noise',
    'relative bias',
    'largest error over RMS',
    'worst tile, norm',
    'one-sided?',
    'calc_diff',
  ];
  return html`<h2 id="tolerance">Distance from the exact tier</h2>
<p class="muted">The fast tier uses the adapter's own f32. Its results are measured against the exact ones, not judged. calc_diff stands for comparison only: it sees neither one wrong tile nor a missing promotion.</p>
<div class="scroll results" tabindex="0" role="region" aria-label="Distance from the exact tier"><table>
<thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
<tbody>${rows.map(({ spec, backend, name, metrics, mismatches, elements }) => {
    const cells = [
      backend,
      name,
      `${count(mismatches)} of ${count(elements)}`,
      metrics.maxUlps === null ? 'NaN' : count(metrics.maxUlps),
      metrics.sqnr === null ? 'no noise' : measured(metrics.sqnr, 'dB'),
      measured(metrics.relativeBias),
      measured(metrics.maxErrorOverRms),
      worstNorm(metrics.tiles.worst.map(({ relativeNorm }) => relativeNorm ?? 0)),
      metrics.signs.oneSided ? 'yes' : 'no',
      measured(metrics.calcDiff),
    ];
    return html`<tr><th scope="row">${spec}</th>${cells.map((text) => html`<td>${text}</td>`)}</tr>`;
  })}</tbody></table></div>`;
}

const worstNorm = (norms: readonly number[]): string => measured(Math.max(0, ...norms));

/** Result of holding a run against recorded evidence. */
export interface EvidenceLine {
  readonly spec: string;
  readonly backend: string;
  readonly equal: boolean;
  readonly message: string;
}

/** What recorded evidence says of this run. */
export function evidenceSection(lines: readonly EvidenceLine[]): Html | false {
  if (lines.length === 0) return false;
  const equal = lines.filter((line) => line.equal).length;
  return html`<h2 id="evidence">Recorded evidence</h2>
<p>${count(equal)} of ${plural(lines.length, 'result')} equal to the evidence.</p>
<details${equal < lines.length && html` open`}><summary>All results</summary><div class="scroll" tabindex="0" role="region" aria-label="Recorded evidence"><table>
<thead><tr><th scope="col">spec</th><th scope="col">backend</th><th scope="col" class="text">outcome</th></tr></thead>
<tbody>${[...lines]
    .sort((a, b) => Number(a.equal) - Number(b.equal))
    .map(
      (line) =>
        html`<tr><th scope="row">${line.spec}</th><td>${line.backend}</td><td class="text"><span class="${line.equal ? 'good' : 'bad'} mark">${line.equal ? '\u2713 equal' : '\u2260 differs'}</span> ${line.message}</td></tr>`,
    )}</tbody></table></div></details>`;
}

/** Digests of the reference's results, folded: whoever has the same bytes has the same digests. */
export function digestsSection(digests: ReadonlyMap<string, Readonly<Record<string, TensorDigest>>>): Html | false {
  if (digests.size === 0) return false;
  const rows = [...digests].flatMap(([spec, tensors]) =>
    Object.entries(tensors).map(([name, digest]) => ({ spec, name, ...digest })),
  );
  return html`<h2 id="digests">Digests</h2>
<p class="muted">SHA-256 of the reference's results, as a safetensors file holds their bytes. A backend that is equal has the same digests.</p>
<details><summary>${plural(rows.length, 'tensor')}</summary><div class="scroll" tabindex="0" role="region" aria-label="Digests"><table class="digest">
<thead><tr><th scope="col">spec</th><th scope="col">tensor</th><th scope="col">dtype</th><th scope="col">shape</th><th scope="col">SHA-256</th></tr></thead>
<tbody>${rows.map(({ spec, name, dtype, shape, sha256 }) => html`<tr><th scope="row">${spec}</th><td>${name}</td><td>${dtype}</td><td>[${shape.join(', ')}]</td><td><code>${sha256}</code></td></tr>`)}</tbody></table></div></details>`;
}
