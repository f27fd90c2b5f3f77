import { describeError } from '../../../backends/sent-error.ts';
import type { ResolvedSpec } from '../../../specs/types.ts';
import type { PageContext } from '../../page.ts';
import type { SpecOutcome } from '../../services/services.ts';
import type { ParsedSpec } from '../../services/specs.ts';
import { errorNotice, facts, notice, panel, sentence } from '../../ui/blocks.ts';
import { shellWord } from '../../ui/command.ts';
import { button, choice } from '../../ui/controls.ts';
import { differenceFigure } from '../../ui/difference-figure.ts';
import { type Child, fill, h } from '../../ui/dom.ts';
import { exportBar } from '../../ui/export.ts';
import type { JsonEditor } from '../../ui/json-editor.ts';
import { pageHash } from '../../ui/links.ts';
import { outdated } from '../../ui/outdated.ts';
import { isInterrupted, task } from '../../ui/task.ts';

/** State of the panel: a shipped spec, and the text where the author has changed it. */
export interface SpecState {
  readonly spec: string;
  readonly text: string;
}

type Context = Pick<PageContext<SpecState>, 'services' | 'signal' | 'link' | 'set' | 'say'>;

/** A spec to choose or to write, run here against the reference. */
export function specPanel({ services, signal, link, set, say }: Context): {
  element: HTMLElement;
  update: (state: SpecState) => void;
} {
  let state: SpecState = { spec: '', text: '' };
  let shipped = '';
  let editor: JsonEditor | undefined;
  let parsed: ParsedSpec | undefined;
  let newest = 0;
  let running = false;
  const old = outdated();
  const picker = choice({
    label: 'Shipped spec',
    choices: [] as string[],
    onChange: (spec) => set({ spec, text: '' }),
  });
  const editorHolder = h('div', { class: 'editor-holder' }, h('p', { class: 'quiet' }, 'Loading the editor …'));
  const verdict = h('div', { class: 'small', id: 'spec-verdict', role: 'status' });
  const progress = task(signal);
  const outcome = h('div', { class: 'stack', id: 'spec-outcome' });
  const run = button('Run on this adapter', () => void runSpec(), { kind: 'primary', id: 'spec-run', disabled: true });
  const bench = h('a', { class: 'small page-link' }, 'Its shader in the workbench');
  const reset = button('Back to the shipped text', () => set({ text: '' }), { kind: 'quiet' });
  const element = panel(
    'One spec, here',
    h(
      'p',
      { class: 'quiet' },
      'A spec says what is computed, to the bit. Change it: fields and names complete themselves (Ctrl-Space), what is wrong is marked.',
    ),
    picker.element,
    editorHolder,
    verdict,
    h('div', { class: 'row' }, run, reset, bench),
    progress.element,
    old.element,
    outcome,
  );
  /** What is run is what was read: while a text is being read, nothing can be. */
  const ready = () => {
    run.disabled = running || parsed?.ok !== true;
  };

  const check = async (text: string) => {
    const mine = ++newest;
    parsed = undefined;
    ready();
    const found = await services.compute
      .call('parse', text)
      .catch((error): ParsedSpec => ({ ok: false, error: describeError(error) }));
    if (mine !== newest) return;
    parsed = found;
    ready();
    editor?.blame(found.ok ? undefined : found.error);
    if (found.ok)
      fill(
        verdict,
        h('span', { class: 'quiet' }, `✓ a ${found.spec.kernel} spec; identity ${found.identity.slice(0, 12)}…`),
      );
    else
      fill(verdict, h('span', { class: 'bad-text' }, sentence(found.error.message)), ` ${sentence(found.error.fix)}`);
  };
  const showText = () => {
    const text = state.text === '' ? shipped : state.text;
    editor?.show(text);
    reset.hidden = state.text === '';
    if (text !== '') void check(text);
  };
  const loadEditor = async () => {
    const [{ createJsonEditor }, { default: schema }] = await Promise.all([
      import('../../ui/json-editor.ts'),
      import('../../../../specs/fp8lab.schema.json'),
    ]);
    editor = createJsonEditor({
      label: 'Spec as JSON',
      schema,
      onChange: (text) => set({ text: text === shipped ? '' : text }),
      onRun: () => void runSpec(),
    });
    fill(editorHolder, editor.element);
    showText();
    editor.element.dataset.ready = 'true';
  };
  const loadShipped = async (label: string) => {
    try {
      shipped = await services.compute.call('specText', label);
      showText();
    } catch (error) {
      fill(verdict, errorNotice(error));
    }
  };

  const runSpec = async () => {
    if (parsed?.ok !== true || running) return;
    const { spec } = parsed;
    const of = JSON.stringify([state.spec, state.text]);
    const text = editor?.text() ?? shipped;
    const edited = text !== shipped;
    running = true;
    ready();
    fill(outcome);
    old.shown(undefined);
    delete element.dataset.ready;
    const stop = progress.begin(`Running ${spec.name} …`);
    try {
      const result = await services.run(spec, { signal: stop });
      show(spec, result, text, edited);
      old.shown(of);
      element.dataset.ready = 'true';
    } catch (error) {
      if (!isInterrupted(error)) fill(outcome, errorNotice(error));
    } finally {
      progress.end();
      running = false;
      ready();
    }
  };

  const show = (spec: ResolvedSpec, result: SpecOutcome, text: string, edited: boolean) => {
    const there = link();
    const { comparison, maps } = result;
    const map = () => outcome.querySelector<HTMLCanvasElement>('.heat canvas');
    const trace = h('div', {});
    const explain = async (tensor: string, coordinates: readonly number[]) => {
      try {
        const { text } = await services.compute.call('trace', { spec, tensor, coordinates });
        fill(
          trace,
          h('h3', {}, `${tensor}[${coordinates.join(', ')}], worked out`),
          h('pre', { tabindex: '0', class: 'trace' }, text),
        );
      } catch (error) {
        fill(trace, errorNotice(error));
      }
    };
    fill(
      outcome,
      verdictNotice(spec, result),
      facts([
        [
          'Elements',
          Object.values(result.expected)
            .reduce((sum, { codes }) => sum + codes.length, 0)
            .toLocaleString('en'),
        ],
        ['Bits that differ', comparison === undefined ? 'not compared' : comparison.mismatches.toLocaleString('en')],
        ['On the adapter', adapterTime(result)],
        ['Reference', `${result.reference.toFixed(1)} ms`],
      ]),
      h(
        'div',
        { class: 'columns maps' },
        maps
          .filter(({ elements }) => elements.length > 1)
          .map((map) => differenceFigure(map, (cell) => void explain(map.name, cell))),
      ),
      trace,
      exportBar(exportOf(spec, result, text, edited, map), () => there),
    );
    say(comparison?.equal === false ? 'Bits differ' : 'No bit differs');
  };

  void loadEditor();
  void services.compute.call('specs', undefined).then((specs) => {
    const select = picker.element.querySelector('select')!;
    fill(
      select,
      specs.map(({ label }) => h('option', { value: label }, label)),
    );
    picker.show(state.spec);
  });
  return {
    element,
    update(next) {
      const changed = next.spec !== state.spec;
      state = next;
      old.now(JSON.stringify([state.spec, state.text]));
      picker.show(state.spec);
      bench.href = pageHash('workbench', { spec: state.spec });
      if (changed) void loadShipped(state.spec);
      else showText();
    },
  };
}

/** A first run compiles its shaders: without that word its time would be taken for the kernel's. */
const adapterTime = ({ webgpu, compile = 0 }: SpecOutcome): string =>
  webgpu === undefined ? 'not run' : `${webgpu.toFixed(1)} ms, ${compile.toFixed(1)} of them compiling`;

function verdictNotice({ name }: ResolvedSpec, { comparison }: SpecOutcome): Child {
  if (comparison === undefined)
    return notice('info', h('p', {}, 'There is no WebGPU here: the reference alone has computed it.'));
  if (comparison.equal)
    return notice('good', h('p', {}, h('strong', {}, `${name}: the adapter and the reference agree to the bit.`)));
  return notice(
    'bad',
    h('p', {}, h('strong', {}, `${name}: ${comparison.mismatches.toLocaleString('en')} elements differ.`)),
  );
}

function exportOf(
  spec: ResolvedSpec,
  { comparison, webgpu, compile, reference }: SpecOutcome,
  text: string,
  edited: boolean,
  picture: () => HTMLCanvasElement | null,
) {
  const file = `${spec.name.replace(/[^\w.-]/g, '-')}.json`;
  const named = edited ? shellWord(file) : `${spec.kernel}/${spec.name}`;
  return {
    name: `fp8lab-${spec.name.replace(/[^\w.-]/g, '-')}`,
    command: `npx fp8lab parity ${named} --backends webgpu:chromium`,
    files: [{ name: file, text }],
    ...(comparison !== undefined && { picture }),
    json: () => ({
      edited,
      spec: JSON.parse(text) as unknown,
      comparison: comparison ?? null,
      times: { webgpu: webgpu ?? null, compile: compile ?? null, reference },
    }),
    csv: () => [
      ['tensor', 'status', 'elements', 'mismatches'],
      ...(comparison?.tensors ?? []).map(({ name, status, elements, mismatches }) => [
        name,
        status,
        elements,
        mismatches,
      ]),
    ],
  };
}
