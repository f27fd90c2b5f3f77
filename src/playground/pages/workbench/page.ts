import './workbench.css';
import type { RunShaders } from '../../../backends/webgpu/dry-run.ts';
import type { ShaderSources } from '../../../backends/webgpu/link.ts';
import type { PageContext, PageModule, PageView } from '../../page.ts';
import { requireBudget } from '../../services/budget.ts';
import { WorkerClient } from '../../services/rpc.ts';
import type { ShippedSpec } from '../../services/specs.ts';
import { flag, integer, text } from '../../state.ts';
import { controls, errorNotice, notice, panel } from '../../ui/blocks.ts';
import { button, choice, slider, toggle } from '../../ui/controls.ts';
import { fill, h } from '../../ui/dom.ts';
import type { Editor } from '../../ui/editor.ts';
import { pageHash } from '../../ui/links.ts';
import { outdated } from '../../ui/outdated.ts';
import { isInterrupted, task } from '../../ui/task.ts';
import { applyPatch, editsField, editsOf, type ShaderEdits } from './edits.ts';
import { guardedTurns } from './loop-guard.ts';
import { mainFileOf } from './main-file.ts';
import { type CompilerPlace, compilerPlaces, placeRanges } from './messages.ts';
import { noWebGpu, refused, stillBusy, told } from './notices.ts';
import { resultView } from './result.ts';
import { notRun, shaderChoice } from './shader-choice.ts';
import type { BenchJobs } from './worker.ts';

interface State {
  readonly spec: string;
  /** Path of the shader in the editor; empty for the one that the spec is best read from. */
  readonly file: string;
  /** What was changed, in any shader. */
  readonly edits: ShaderEdits;
  readonly guard: boolean;
  /** Seconds that a run may take. */
  readonly limit: number;
}

const repeats = 10;

/** Work of a spec past which what it dispatches is not looked up: its inputs would have to be made for it. */
const mostWork = 2 ** 24;

function mount(root: HTMLElement, context: PageContext<State>): PageView<State> {
  const { services, signal } = context;
  let state = context.state;
  let shipped: ShaderSources = {};
  /** Changed shaders by path: what the state's edits make of the shipped ones. */
  const edits = new Map<string, string>();
  let editor: Editor | undefined;
  let places: readonly CompilerPlace[] = [];
  let list: readonly ShippedSpec[] = [];
  /** What the spec runs, once it is known, and the spec that it is known of. */
  let ran: RunShaders = { dispatched: [], included: [], variants: [] };
  let ranBy = '';
  const bench = new WorkerClient<BenchJobs>(
    'the workbench',
    () => new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' }),
  );
  signal.addEventListener('abort', () => bench.end());
  services.onLose(() => void bench.call('lose', undefined).catch(() => undefined), signal);

  const specs = choice({
    label: 'Spec that is run',
    choices: [] as string[],
    onChange: (spec) => context.set({ spec, file: '' }),
  });
  const files = shaderChoice((file) => context.set({ file }));
  const limit = slider({
    label: 'Time limit',
    min: 1,
    max: 60,
    text: (value) => `${value} s`,
    onChange: (value) => context.set({ limit: value }),
  });
  const guard = toggle({ label: 'Loop guard', onChange: (value) => context.set({ guard: value }) });
  const holder = h('div', { class: 'editor-holder' }, h('p', { class: 'quiet' }, 'Loading the editor …'));
  const edited = h('p', { class: 'small quiet', role: 'status' });
  const complaints = h('div', { class: 'stack', id: 'complaints' });
  const outcome = h('div', { class: 'stack', id: 'bench-outcome' });
  const old = outdated();
  const ranOf = () => JSON.stringify([state.spec, state.edits]);
  const progress = task(signal);
  const run = button('Run and check', () => void start(), { kind: 'primary', id: 'bench-run', disabled: true });
  const reset = button(
    'Back to the shipped shaders',
    () => {
      context.set({ edits: {} });
    },
    { kind: 'quiet', id: 'bench-reset' },
  );
  const settings = controls(specs.element, files.element, limit.element, guard.element);
  settings.classList.add('bench-controls');
  root.append(
    panel(
      'The kernel',
      settings,
      holder,
      edited,
      complaints,
      h('div', { class: 'row' }, run, reset, h('span', { class: 'small quiet' }, 'Ctrl-Enter runs it too.')),
      progress.element,
    ),
    panel(
      'What came of it',
      h(
        'p',
        { class: 'small quiet' },
        `The shader runs on a device of its own; past the time limit it is ended. The loop guard ends loops of changed shaders after ${guardedTurns.toLocaleString('en')} turns.`,
      ),
      old.element,
      outcome,
    ),
  );

  /** Lays a link's changes over the shipped shaders; those of another build's are told and left. */
  const takeEdits = (wanted: ShaderEdits) => {
    edits.clear();
    for (const [path, patch] of Object.entries(wanted)) {
      const changed = Object.hasOwn(shipped, path) ? applyPatch(shipped[path]!, patch) : undefined;
      if (changed !== undefined) edits.set(path, changed);
      else
        context.tell(
          'bad',
          h(
            'p',
            {},
            `The link changes ${path.slice(0, 80)}.wgsl of another build: the shipped one stands in its place.`,
          ),
        );
    }
  };
  /** The shader in the editor: the address's, else the one that the spec is best read from. */
  const file = () =>
    Object.hasOwn(shipped, state.file) ? state.file : (mainFileOf(state.spec, ran.dispatched) ?? 'kernels/quantize');
  const names = () =>
    Object.keys(shipped)
      .filter((path) => !path.startsWith('probe/') && !path.startsWith('bench/'))
      .sort();
  /** Finds what the spec dispatches. */
  const lookUp = async () => {
    const { spec: label } = state;
    ranBy = label;
    const found = list.find((each) => each.label === label);
    const known = found !== undefined && found.work <= mostWork ? bench.call('shaders', found.spec) : undefined;
    const shaders = await known?.catch(() => undefined);
    if (ranBy !== label || signal.aborted) return;
    ran = shaders ?? { dispatched: [], included: [], variants: [] };
    files.list(names(), ran);
    showFile();
  };
  const textOf = (path: string) => edits.get(path) ?? (Object.hasOwn(shipped, path) ? shipped[path]! : '');
  const markPlaces = () => {
    const ranges = placeRanges(
      textOf(file()),
      places.filter(({ path }) => path === file()),
    );
    editor?.mark(ranges.map((range) => ({ ...range, severity: 'error' })));
  };
  const showPlaces = () => {
    fill(
      complaints,
      places.map(({ path, line, column, text: message }) =>
        notice(
          'bad',
          h(
            'p',
            {},
            button(`${path}.wgsl, line ${line}, column ${column}`, () => goTo(path, line), { kind: 'link' }),
          ),
          h('p', { class: 'mono' }, message),
        ),
      ),
    );
    markPlaces();
    const here = places.find(({ path }) => path === file());
    if (here !== undefined) editor?.goTo(here.line);
  };
  const goTo = (path: string, line: number) => {
    if (path !== file()) context.set({ file: path });
    editor?.show(textOf(path));
    editor?.goTo(line);
    editor?.focus();
  };
  const onEdit = (changed: string) => {
    if (changed === shipped[file()]) edits.delete(file());
    else edits.set(file(), changed);
    context.set({ edits: editsOf(edits, shipped) });
  };

  const start = async () => {
    if (run.disabled) return;
    run.disabled = true;
    places = [];
    const of = ranOf();
    old.shown(undefined);
    fill(outcome);
    fill(complaints);
    editor?.mark([]);
    delete root.dataset.ready;
    const stop = progress.begin('Compiling and running …');
    try {
      const parsed = await services.compute.call('parse', await services.compute.call('specText', state.spec));
      if (!parsed.ok) throw parsed.error;
      requireBudget(parsed.spec);
      const changed = Object.fromEntries(edits);
      const request = { spec: parsed.spec, shaders: changed, guard: state.guard, repeats };
      const result = await bench.call('bench', request, {
        signal: stop,
        timeout: 1000 * state.limit,
        onProgress: (share) => progress.progress(share ?? 0, 'Timing …'),
      });
      progress.progress(1, 'Holding it against the reference …');
      const checked = await services.compute.call('check', { spec: parsed.spec, actual: result.tensors });
      const adapter = services.adapter.kind === 'found' ? services.adapter.report : undefined;
      fill(
        outcome,
        resultView({ spec: parsed.spec, label: state.spec, result, checked, adapter, edited: changed }, context.link()),
      );
      root.dataset.ready = 'true';
    } catch (error) {
      await fail(error);
    } finally {
      old.shown(of);
      progress.end();
      run.disabled = false;
    }
  };

  const fail = async (error: unknown) => {
    const { code, message = '' } = error as { code?: string; message?: string };
    if (isInterrupted(error)) {
      fill(outcome, told('Stopped.'));
      return;
    }
    places = code === 'shader-compile' ? compilerPlaces(message) : [];
    if (places.length > 0) {
      showPlaces();
      fill(outcome, refused(places.length));
    } else fill(outcome, errorNotice(error));
    if (code === 'time-limit') await sayWhetherAlive();
  };
  /** An ended worker does not end what the driver is doing. */
  const sayWhetherAlive = async () => {
    try {
      await bench.call('alive', undefined, { timeout: 5000 });
      outcome.append(told('The GPU answers again: change the shader and run it anew.'));
    } catch {
      outcome.append(told(stillBusy));
    }
  };

  const load = async () => {
    const [{ createEditor }, { wgsl }, sources, specList] = await Promise.all([
      import('../../ui/editor.ts'),
      import('../../ui/wgsl-language.ts'),
      bench.call('sources', undefined),
      services.compute.call('specs', undefined),
    ]);
    shipped = sources;
    list = specList;
    fill(
      specs.element.querySelector('select')!,
      list.map(({ label }) => h('option', { value: label }, label)),
    );
    specs.show(state.spec);
    editor = createEditor({ label: 'WGSL source', language: wgsl, onChange: onEdit, onRun: () => void start() });
    fill(holder, editor.element);
    takeEdits(state.edits);
    await lookUp();
    editor.element.dataset.ready = 'true';
    const { kind } = await services.known;
    run.disabled = kind === 'none';
    if (kind === 'none') fill(outcome, told(noWebGpu));
  };
  void load().catch((error: unknown) => fill(holder, errorNotice(error)));

  /** Shows the shader that is open, and what of it is changed. */
  function showFile(): void {
    files.show(file());
    if (editor === undefined) return;
    editor.show(textOf(file()));
    reset.hidden = edits.size === 0;
    const wgsl = (paths: readonly string[]) => paths.map((path) => `${path}.wgsl`).join(', ');
    const idle = notRun(edits.keys(), ran);
    fill(
      edited,
      edits.size === 0 ? 'As shipped.' : `Changed: ${wgsl([...edits.keys()])}.`,
      idle.length > 0 &&
        h('strong', { class: 'bad-text' }, ` ${state.spec} does not run ${wgsl(idle)}: the change has no effect.`),
    );
    if (places.length > 0) markPlaces();
  }

  function update(next: State): void {
    state = next;
    old.now(ranOf());
    specs.show(state.spec);
    if (ranBy !== state.spec && list.length > 0) void lookUp();
    limit.show(state.limit);
    guard.show(state.guard);
    if (editor !== undefined && JSON.stringify(state.edits) !== JSON.stringify(editsOf(edits, shipped)))
      takeEdits(state.edits);
    showFile();
  }
  return { update };
}

/** Workbench: the shipped shaders to change and run, held against the reference. */
export const page: PageModule<State> = {
  intro: {
    title: 'Kernel workbench',
    source: 'DeepSeek-V3 report, section 3.3; WGSL',
    sees: 'The shaders that compute all this, open to change: run one, and every bit of its result is held against the reference.',
    matters:
      'A kernel that is off by one bit in one element in a thousand passes a tolerance and fails here, with the element and the line.',
    next: [
      { text: 'Specs, and outputs of an H100', hash: pageHash('parity') },
      { text: 'The sum that the gemm shaders imitate', hash: pageHash('tensor-core') },
    ],
  },
  fields: {
    spec: text(80, 'quantize/dsv3-activation-1x128-pow2'),
    file: text(80),
    edits: editsField(7000),
    guard: flag(true),
    limit: integer(1, 60, 20),
  },
  mount,
};
