import type { Answer, DerivedElement, Leftover, RankedCandidate } from '../diagnose/index.ts';
import { renderTrace } from '../parity/explain.ts';
import { type Io, paint } from './io.ts';
import { shellWord } from './shell.ts';
import { table } from './table.ts';

/** What came of `--separate`. */
export interface WrittenSeparation {
  readonly file?: string;
  readonly words?: string;
  readonly conventions: number;
  readonly outcomes: number;
}

/** What the text of a diagnosis needs besides the answer. */
export interface DiagnosisContext {
  readonly label: string;
  /** The spec as the user named it. */
  readonly name: string;
  readonly actual: string;
  readonly inputs?: string | undefined;
  readonly separateFile?: string | undefined;
  readonly separation?: WrittenSeparation | undefined;
  readonly io: Io;
}

/** Candidates listed on a terminal; `--json` has more. */
const mostCandidates = 5;
const mostEquals = 6;
/** Lines of a derivation on a terminal; the whole of it is in `--json` and in `trace`. */
const mostLines = 60;

/** An answer as text for a terminal. */
export function diagnosisText(answer: Answer, context: DiagnosisContext): string {
  const sections = [
    headline(answer, context),
    what(answer, context),
    ranking(answer, context),
    leftovers(answer),
    untold(answer, context),
    ...answer.derivations
      .slice(0, answer.leftover.length > 0 ? 2 : 1)
      .map((element) => derivation(answer, element, context)),
  ];
  return `${sections.filter((section) => section !== '').join('\n')}`;
}

const count = (n: number): string => String(n).replace(/\B(?=(\d{3})+$)/g, ',');

const elementsOf = (n: number): string => `${count(n)} ${n === 1 ? 'element' : 'elements'}`;

const percent = (share: number): string => {
  if (share === 1) return '100 %';
  const text = (100 * share).toFixed(2);
  return `${text === '100.00' ? '99.99' : text} %`;
};

function headline(answer: Answer, { label, name, actual, inputs, io }: DiagnosisContext): string {
  const whole = answer.compared === answer.elements;
  const scope = whole
    ? `${count(answer.elements)} elements`
    : `${count(answer.compared)} of ${count(answer.elements)} elements, a sample`;
  const best = answer.candidates[0]!;
  const nothing = answer.cut ? 'Nothing tried so far' : 'Nothing I know';
  const verdicts = {
    'as-specified': paint(
      io,
      'green',
      `The kernel did what the spec says: every bit ${whole ? 'is' : 'that was looked at is'} equal.`,
    ),
    explained: `${paint(io, 'yellow', 'The kernel did something else than the spec says')}, and every bit ${whole ? 'of it' : 'that was looked at'} is explained.`,
    partly: `${paint(io, 'red', `${nothing} explains all of this.`)} The nearest leaves ${elementsOf(best.differing)} over.`,
    unexplained: `${paint(io, 'red', `${nothing} explains this.`)} The nearest leaves ${elementsOf(best.differing)} over.`,
  };
  const cut =
    answer.cut && best.differing > 0
      ? 'The search was ended by its budget, with rules left to try: --budget gives it more time.\n'
      : '';
  // No rule comes near where the kernel computed from other numbers.
  const others =
    inputs === undefined && best.differing > answer.compared / 2
      ? 'If the kernel had other inputs than those of the spec, give them: --inputs FILE.\n'
      : '';
  // A fault of one row, or of a few elements, may lie beside a sample.
  const rest =
    whole || answer.verdict !== 'as-specified'
      ? ''
      : `The other ${count(answer.elements - answer.compared)}: fp8lab run ${name}${inputsOption(inputs)} --out expected.safetensors, then fp8lab compare expected.safetensors ${actual}\n`;
  return `${paint(io, 'bold', label)} against ${actual}: ${scope}\n${verdicts[answer.verdict]}\n${rest}${cut}${others}`;
}

function what({ candidates, verdict }: Answer, { io }: DiagnosisContext): string {
  const { deviations } = candidates[0]!;
  if (verdict === 'as-specified') return '';
  const title = verdict === 'explained' ? 'What the kernel did' : 'The nearest rule';
  if (deviations.length === 0) return `${paint(io, 'bold', title)}\n  the spec's own\n`;
  const width = Math.max(...deviations.map((it) => it.title.length));
  const rows = deviations.map(
    (it) =>
      `  ${it.title.padEnd(width)}  ${paint(io, 'bold', it.words)}\n  ${' '.repeat(width)}  ${paint(io, 'dim', `spec: ${it.spec}`)}\n`,
  );
  return `${paint(io, 'bold', title)}\n${rows.join('')}  All else is as the spec says.\n`;
}

const summary = ({ deviations }: RankedCandidate): string =>
  deviations.length === 0 ? 'as the spec says' : deviations.map(({ title, words }) => `${title}: ${words}`).join('; ');

function ranking(answer: Answer, { io }: DiagnosisContext): string {
  if (answer.verdict === 'as-specified') return '';
  const shown = answer.candidates.slice(0, mostCandidates);
  if (!shown.some(({ deviations }) => deviations.length === 0)) shown.push(answer.specified);
  const rows = shown.map((candidate, i) => [
    candidate.deviations.length === 0 && i === shown.length - 1 ? 'spec' : String(i + 1),
    count(candidate.differing),
    percent(candidate.elementsExplained),
    percent(candidate.bitsExplained),
    summary(candidate),
  ]);
  const body = table([['rank', 'differ', 'elements', 'bits', 'rule'], ...rows]);
  return `${paint(io, 'bold', `Ranked, of ${count(answer.tried)} rules tried`)}\n${indent(body)}`;
}

const indent = (text: string): string => text.replace(/^(?=.)/gm, '  ');

/** What the best rule leaves over; where that is not the spec's own, what the spec's own does, which may be simpler. */
function leftovers({ leftover, parts, candidates }: Answer): string {
  const own = leftover.length === 0 || candidates[0]!.deviations.length === 0 ? [] : parts;
  return [
    ...leftover.map(leftoverText),
    ...own.map(
      ({ tensor, count: over, pattern }) =>
        `What the spec's own rule leaves over: ${elementsOf(over)} of ${tensor}\n${pattern.map((line) => `  - ${line}\n`).join('')}`,
    ),
  ].join('');
}

function leftoverText({ tensor, count: over, pattern, first }: Leftover): string {
  const rows = first.map(({ coordinates, expected, actual, ulps }) => [
    `${tensor}[${coordinates.join(', ')}]`,
    `${expected.code} (${expected.value})`,
    `${actual.code} (${actual.value})`,
    ulps === null ? '' : `${ulps > 0 ? '+' : ''}${ulps} ULP`,
  ]);
  const what = pattern.map((line) => `  - ${line}\n`).join('');
  return `What it leaves over: ${elementsOf(over)} of ${tensor}\n${what}${indent(table([['element', 'rule', 'kernel', ''], ...rows]))}`;
}

function untold(answer: Answer, { name, actual, inputs, separation, separateFile, io }: DiagnosisContext): string {
  if (answer.verdict === 'partly' || answer.verdict === 'unexplained') return '';
  const cut = answer.cut
    ? 'The search was ended by its budget: more rules may do the same; --budget gives it more time.\n'
    : '';
  if (answer.untold.length === 0)
    return answer.cut || answer.verdict === 'as-specified'
      ? cut
      : 'No other rule known here does it on these inputs.\n';
  const lines = answer.untold
    .slice(0, mostEquals)
    .map(
      ({ title, words }) =>
        `  ${title}: ${words.slice(0, 4).join(' | ')}${words.length > 4 ? ` | ${words.length - 4} more` : ''}\n`,
    );
  const rest = answer.untold.length - lines.length;
  const more = rest > 0 ? `  and ${rest} more: --json\n` : '';
  const offer =
    separation === undefined
      ? `To part them: fp8lab diagnose ${shellWord(name)}${inputsOption(inputs)} --actual ${shellWord(actual)} --separate probe.safetensors\n`
      : separationText(separation, name, separateFile);
  return `${paint(io, 'bold', 'Cannot be told apart on these inputs')}\n${lines.join('')}${more}${cut}${offer}`;
}

const inputsOption = (inputs: string | undefined): string =>
  inputs === undefined ? '' : ` --inputs ${shellWord(inputs)}`;

function separationText(
  { file, words, conventions, outcomes }: WrittenSeparation,
  name: string,
  asked: string | undefined,
): string {
  if (file === undefined) return `No inputs tried part them: nothing was written to ${asked}.\n`;
  return `${file} has inputs on which the ${conventions} rules give ${outcomes} different results (${words}).\nRun the kernel on them, then: fp8lab diagnose ${shellWord(name)} --inputs ${shellWord(file)} --actual RESULT.safetensors\n`;
}

function derivation(answer: Answer, element: DerivedElement, context: DiagnosisContext): string {
  const { io, name, inputs } = context;
  const at = `${element.tensor}[${element.coordinates.join(', ')}]`;
  const over = answer.leftover.length > 0;
  const values = [
    ['spec', `${element.specified.code}`, element.specified.value],
    [over ? 'nearest rule' : 'found rule', element.found.code, element.found.value],
    ['kernel', element.actual.code, element.actual.value],
  ];
  const title = over ? `Left over, worked out: ${at}` : `Where spec and kernel part: ${at}`;
  const hint = `The spec's rule in full: fp8lab trace ${shellWord(name)}${inputsOption(inputs)} --element ${element.coordinates.join(',')}${element.tensor === 'd' ? '' : ` --tensor ${element.tensor}`} --terms\n`;
  return `${paint(io, 'bold', title)}\n${indent(table(values))}${blocksText(element)}${over || element.blocks === undefined ? traceText(element) : ''}${paint(io, 'dim', hint)}`;
}

/** Block by block: the spec's sums beside the found ones. */
function blocksText({ blocks }: DerivedElement): string {
  if (blocks === undefined) return '';
  const { specified, found } = blocks;
  const sameCut = specified.length === found.length && specified.every(({ k }, i) => k === found[i]!.k);
  if (!sameCut) return `${sideText('by the spec', specified)}${sideText('by the found rule', found)}`;
  const rows = specified.map((block, i) => {
    const other = found[i]!;
    const both = (x: string, y: string): string[] => [x, x === y ? '=' : y];
    return [
      block.k,
      ...both(block.partial, other.partial),
      ...both(block.sa, other.sa),
      ...both(block.sb, other.sb),
      ...both(block.sum, other.sum),
    ];
  });
  return indent(
    table([
      ['k', 'sum (spec)', '(found)', 'sa (spec)', '(found)', 'sb (spec)', '(found)', 'running (spec)', '(found)'],
      ...shorten(rows),
    ]),
  );
}

type Blocks = NonNullable<DerivedElement['blocks']>['found'];

function sideText(title: string, blocks: Blocks): string {
  const rows = blocks.map(({ k, partial, sa, sb, sum }) => [
    k.length > 24 ? `${k.slice(0, 21)}...` : k,
    partial,
    sa,
    sb,
    sum,
  ]);
  return indent(`${title}\n${table([['k', 'sum of products', 'sa', 'sb', 'running sum'], ...shorten(rows)])}`);
}

/** The first and the last rows of a long table. */
function shorten(rows: string[][]): string[][] {
  return rows.length <= 16 ? rows : [...rows.slice(0, 8), ['...'], ...rows.slice(-4)];
}

function traceText({ trace, traced }: DerivedElement): string {
  const lines = renderTrace(trace, 'steps').trimEnd().split('\n');
  const shown = lines.length <= mostLines ? lines : [...lines.slice(0, mostLines - 12), '...', ...lines.slice(-11)];
  const head = traced === 'found' ? '' : "(the spec's own rule: no spec can say the nearest one)\n";
  return indent(`${head}${shown.join('\n')}\n`);
}
