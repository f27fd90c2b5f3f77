import type { Tier } from '../kernels/kernel.ts';
import type { TensorDigest } from './evidence.ts';
import { anchorOf, differenceArticle } from './report/differences.ts';
import { count, duration, type Html, html, plural, trusted } from './report/html.ts';
import {
  type AbsentBackend,
  backendsSection,
  digestsSection,
  type EvidenceLine,
  evidenceSection,
  failuresSection,
  resultsSection,
  toleranceSection,
} from './report/sections.ts';
import { style } from './report/style.ts';
import type { Difference, ParityEntry, ParityRun } from './suite.ts';

export type { AbsentBackend, EvidenceLine } from './report/sections.ts';

/** What a report is made of. */
export interface ReportInput {
  readonly run: ParityRun;
  readonly tier: Tier;
  /** Backends this machine cannot run. */
  readonly absent?: readonly AbsentBackend[];
  readonly evidence?: readonly EvidenceLine[];
  /** Digests of the reference's results, by spec label. */
  readonly digests?: ReadonlyMap<string, Readonly<Record<string, TensorDigest>>>;
  readonly date: Date;
  /** fp8lab's own version. */
  readonly version: string;
  /** The command line that made the report. */
  readonly command: string;
  /** Operating system, processor, Node: what tells machines apart, nothing that identifies a person. */
  readonly machine: string;
  /** Wall-clock seconds of the run. */
  readonly seconds: number;
}

/** Comparisons that get pictures and derivations; the table lists all. */
const maxArticles = 12;

/**
 * A report as one self-contained page: no network, no script. Comparisons that differ come with a heat map, a ULP histogram, error metrics and
 * their worst elements worked out; failures with what to do; equal ones with their digests, folded.
 */
export function renderReport(input: ReportInput): string {
  const { run, tier } = input;
  const differences = inTableOrder(run).slice(0, maxArticles);
  const shown = new Set(differences.map(({ spec, backend }) => anchorOf(spec.label, backend)));
  const outcome = verdict(input);
  const page = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>${outcome.title} \u00b7 fp8lab parity</title><style>${trusted(style)}</style></head>
<body><a class="skip" href="#results">Skip to the results</a>
<header><p class="eyebrow">fp8lab parity, ${tier} tier</p>
<h1><span class="${outcome.tone}">${outcome.mark}</span> ${outcome.title}</h1>
<p class="lead">${outcome.text}</p>
${facts(input)}</header>
<main>
${resultsSection(run, shown)}
${tier === 'fast' && toleranceSection(run.entries)}
${evidenceSection(input.evidence ?? [])}
${failuresSection(run.entries)}
${differencesSection(differences.map(differenceArticle), differing(run).length)}
${backendsSection(run.identities, input.absent ?? [])}
${digestsSection(input.digests ?? new Map())}
</main>
<footer>Made by fp8lab ${input.version}. ULP: steps between neighbouring values of the format. Bits count, so +0 and \u22120 differ, and so do
two NaN with other payloads.</footer>
</body></html>
`;
  return page.markup;
}

const compared = ({ entries }: ParityRun): ParityEntry[] =>
  entries.filter(({ backend, error }) => backend !== 'reference' && error === undefined);

const differing = (run: ParityRun): ParityEntry[] =>
  compared(run).filter(({ mismatches, comparison }) => mismatches > 0 || comparison?.equal === false);

/** Differences as the table lists them; the run gives them as they came. */
function inTableOrder({ entries, differences }: ParityRun): Difference[] {
  const rank = new Map(entries.map(({ spec, backend }, i) => [`${spec} ${backend}`, i]));
  const rankOf = ({ spec, backend }: Difference): number => rank.get(`${spec.label} ${backend}`) ?? entries.length;
  return [...differences].sort((a, b) => rankOf(a) - rankOf(b));
}

interface Verdict {
  readonly tone: 'good' | 'bad' | 'warn';
  readonly mark: string;
  readonly title: string;
  readonly text: string;
}

/** The one sentence the page opens with. */
function verdict({ run, tier, evidence = [] }: ReportInput): Verdict {
  const all = compared(run);
  const wrong = differing(run).length;
  const failed = run.entries.filter(({ error }) => error !== undefined).length;
  const missed = evidence.filter(({ equal }) => !equal).length;
  const elements = all.reduce((sum, entry) => sum + entry.elements, 0);
  const trouble = [
    ...(failed > 0 ? [`${plural(failed, 'run')} failed`] : []),
    ...(missed > 0 ? [`${plural(missed, 'result')} ${missed === 1 ? 'differs' : 'differ'} from the evidence`] : []),
  ];
  const text = `${plural(all.length, 'comparison')} with the reference, ${plural(elements, 'element')}${trouble.map((part) => `; ${part}`).join('')}.`;
  const differ = `${count(wrong)} of ${plural(all.length, 'comparison')} ${wrong === 1 ? 'differs' : 'differ'}`;
  if (tier === 'fast' && trouble.length === 0 && all.length > 0)
    return { tone: 'warn', mark: '\u2248', title: 'Fast tier, measured against exact', text };
  if (tier === 'exact' && wrong > 0) return { tone: 'bad', mark: '\u2260', title: differ, text };
  if (trouble.length > 0) return { tone: 'bad', mark: '!', title: capitalized(trouble[0]!), text };
  if (all.length === 0)
    return { tone: 'warn', mark: '!', title: 'Nothing was compared', text: 'Only the reference ran.' };
  return { tone: 'good', mark: '\u2713', title: 'Every bit is equal', text };
}

const capitalized = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

function facts({ date, version, machine, command, seconds }: ReportInput): Html {
  const items: [string, Html | string][] = [
    [
      'Date',
      html`<time datetime="${date.toISOString()}">${date.toISOString().slice(0, 16).replace('T', ' ')} UTC</time>`,
    ],
    ['Version', `fp8lab ${version}`],
    ['Machine', machine],
    ['Time', duration(1000 * seconds)],
  ];
  return html`<dl>${items.map(([term, value]) => html`<div><dt>${term}</dt><dd>${value}</dd></div>`)}</dl>
<dl class="wide"><div><dt>Command</dt><dd><code>${command}</code></dd></div></dl>`;
}

function differencesSection(articles: readonly Html[], total: number): Html | false {
  if (articles.length === 0) return false;
  const rest = total - articles.length;
  return html`<h2 id="differences">Where and how they differ</h2>
${rest > 0 && html`<p class="muted">The first ${count(articles.length)} are shown here; ${plural(rest, 'more comparison')} ${rest === 1 ? 'is' : 'are'} in the table alone.</p>`}
${articles}`;
}
