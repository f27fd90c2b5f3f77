import './formats.css';
import { encodeFormats } from '../../../numerics/codec.ts';
import { type FormatName, formats, type Overflow, type Rounding, roundings } from '../../../numerics/formats.ts';
import { formatValue } from '../../../parity/lanes.ts';
import type { PageContext, PageModule, PageView } from '../../page.ts';
import { integer, oneOf, real } from '../../state.ts';
import { controls, facts, panel } from '../../ui/blocks.ts';
import { nodeCommand } from '../../ui/command.ts';
import { button, choice, numberField } from '../../ui/controls.ts';
import { fill, h } from '../../ui/dom.ts';
import { exportBar } from '../../ui/export.ts';
import { pageHash } from '../../ui/links.ts';
import { sized } from '../../ui/sized.ts';
import { bitStrip } from './bit-strip.ts';
import { codeTable } from './code-table.ts';
import {
  type CodeView,
  codeValueOf,
  describeCode,
  examplesOf,
  overflowOf,
  type RoundingView,
  roundingView,
  stochasticCounts,
} from './model.ts';
import { numberLine } from './number-line.ts';
import { createHistogram, drawCount } from './stochastic.ts';

interface State {
  readonly format: FormatName;
  /** Value that is encoded. */
  readonly x: number;
  /** Code chosen by its bits; -1 where it follows from x. */
  readonly code: number;
  readonly rounding: Rounding;
  readonly overflow: Overflow;
}

const told: Readonly<Partial<Record<FormatName, string>>> = {
  e4m3: 'e4m3 · FP8',
  e5m2: 'e5m2 · FP8, wide',
  e8m0: 'e8m0 · MX scales',
  e2m1: 'e2m1 · FP4',
  e2m3: 'e2m3 · FP6',
  e3m2: 'e3m2 · FP6',
  e5m6: 'e5m6 · 12 bits',
  bf16: 'bf16',
  f16: 'f16',
  f32: 'f32',
};

const events: Readonly<Record<RoundingView['event'], string>> = {
  exact: 'Exact',
  rounded: 'Rounded',
  saturated: 'Saturated: past the largest code',
  underflowed: 'Underflowed to zero',
  special: 'Not a finite number',
};

/** What a state shows: the code and, where x decides, how it was rounded. */
function viewOf({ format, x, code, rounding, overflow }: State): { code: CodeView; rounded: RoundingView } {
  const rounded = roundingView(x, format, rounding, overflowOf(format, overflow));
  const chosen = code >= 0 && code < 2 ** formats[format].bits ? code : rounded.code;
  return { code: describeCode(chosen, format), rounded };
}

function mount(root: HTMLElement, context: PageContext<State>): PageView<State> {
  const format = choice({
    label: 'Format',
    choices: encodeFormats.map((name) => [name, told[name] ?? name] as const),
    onChange: (value) => context.set({ format: value, code: -1 }),
  });
  const rounding = choice({
    label: 'Rounding',
    choices: roundings,
    onChange: (value) => context.set({ rounding: value, code: -1 }),
  });
  const overflow = choice({
    label: 'Past the largest',
    choices: [
      ['saturate', 'saturate'],
      ['ieee', 'infinity or NaN'],
    ] as const,
    onChange: (value) => context.set({ overflow: value, code: -1 }),
  });
  const x = numberField({
    label: 'Value x, as f32',
    format: formatValue,
    onChange: (value) => context.set({ x: value, code: -1 }),
  });
  let state = context.state;
  const setCode = (code: number) => context.set({ code, x: codeValueOf(code, state.format) });
  const strip = bitStrip(setCode);
  const codes = codeTable(setCode);
  const histogram = createHistogram(context.signal);
  const value = h('p', { class: 'big-value', id: 'code-value' });
  const formula = h('p', { class: 'mono quiet', id: 'code-formula' });
  const codeFacts = h('div', {});
  const examples = h('div', { class: 'row' });
  let shown: RoundingView | undefined;
  const line = sized((width) => shown && numberLine(shown, width), 720);
  const noLine = h('p', { class: 'quiet' }, 'Not on the line.');
  const rule = h('p', { id: 'rounding-rule', role: 'status' });
  const exports = h('div', {});
  const chance = panel(
    'Stochastic rounding',
    h(
      'p',
      { class: 'quiet' },
      'The value goes up with a chance equal to its share of the step: on average nothing is lost.',
    ),
    histogram.element,
  );
  root.append(
    controls(format.element, x.element, rounding.element, overflow.element),
    h(
      'div',
      { class: 'columns' },
      panel(
        'The bits',
        strip.element,
        h('p', { class: 'small quiet' }, 'Click or drag to flip; arrow keys step through the codes.'),
        value,
        formula,
        codeFacts,
      ),
      panel('Rounding x', examples, line.element, noLine, rule, exports),
    ),
    chance,
    panel('All codes', codes.element),
  );

  const update = (next: State) => {
    state = next;
    const { code, rounded } = viewOf(state);
    format.show(state.format);
    rounding.show(state.rounding);
    overflow.show(overflowOf(state.format, state.overflow));
    overflow.element.querySelector('select')!.disabled = overflowOf(state.format, 'ieee') === 'saturate';
    x.show(state.x);
    strip.show(code);
    codes.show(state.format, code.code);
    fill(value, formatValue(code.value).replace('Infinity', '∞'));
    fill(formula, code.formula);
    fill(codeFacts, factsOf(code));
    fill(
      examples,
      examplesOf(state.format).map(({ name, x: example }) =>
        button(name, () => context.set({ x: example, code: -1 }), { kind: 'chip' }),
      ),
    );
    shown = rounded;
    line.redraw();
    const picture = line.svg();
    noLine.hidden = picture !== undefined;
    fill(rule, h('strong', {}, `${events[rounded.event]}. `), rounded.note);
    chance.hidden = state.rounding !== 'stochastic';
    if (!chance.hidden) histogram.show(state.x, state.format, state.overflow);
    fill(exports, exportBar(exportOf(state, code, rounded, line.svg), context.link));
  };
  return { update };
}

function factsOf(code: CodeView): HTMLElement {
  const number = (value: number | undefined) =>
    value === undefined ? 'none' : formatValue(value).replace('Infinity', '∞');
  return facts([
    ['Code', h('span', { class: 'mono', id: 'code-hex' }, code.hex)],
    ['Kind', code.kind],
    ['Value below', number(code.previous)],
    ['Value above', number(code.next)],
    ['Unit in the last place', number(code.ulp)],
  ]);
}

function exportOf(state: State, code: CodeView, rounded: RoundingView, picture: () => SVGSVGElement | undefined) {
  const { format, rounding, x } = state;
  const overflow = overflowOf(format, state.overflow);
  const plain = (value: number) => (Number.isFinite(value) ? value : String(value));
  const options = JSON.stringify({ rounding, overflow });
  return {
    name: `fp8lab-${format}`,
    command: nodeCommand(
      `import { encode } from "fp8lab"; console.log(encode(Float32Array.of(${Object.is(x, -0) ? '-0' : x}), "${format}", ${options}))`,
    ),
    json: () => ({
      format,
      rounding,
      overflow,
      x: plain(rounded.x),
      code: code.hex,
      value: plain(code.value),
      kind: code.kind,
      rule: rounded.note,
      ...(rounding === 'stochastic' && { draws: stochasticCounts(x, format, overflow, drawCount) }),
    }),
    csv: () => [
      ['code', 'kind', 'value'],
      ...(formats[format].bits > 12
        ? [code]
        : Array.from({ length: 2 ** formats[format].bits }, (_, i) => describeCode(i, format))
      ).map((each) => [each.hex, each.kind, String(each.value)]),
    ],
    picture,
  };
}

/** Formats: one number at a time. */
export const page: PageModule<State> = {
  intro: {
    title: 'Formats',
    source: 'DeepSeek-V3 report, section 3.3; OCP OFP8 1.0',
    sees: 'One number in eight bits, or four, six, twelve: its fields, its neighbours, and where a value falls between two codes.',
    matters: 'Everything FP8 training does with scales and sums follows from how few these codes are.',
    next: [
      { text: 'What becomes of a whole matrix', hash: pageHash('quantize') },
      { text: 'How products of such numbers are summed', hash: pageHash('tensor-core') },
    ],
  },
  fields: {
    format: oneOf(encodeFormats, 'e4m3'),
    x: real(0.3),
    code: integer(-1, 2 ** 32 - 1, -1),
    rounding: oneOf(roundings, 'nearest-even'),
    overflow: oneOf(['saturate', 'ieee'], 'saturate'),
  },
  mount,
};
