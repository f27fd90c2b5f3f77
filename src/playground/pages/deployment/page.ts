import './deployment.css';
import { hardwareNames, pipelineSchedules, type WhyQuestion, whyQuestions } from '../../../simulate/names.ts';
import type { PageContext, PageModule, PageView } from '../../page.ts';
import { WorkerClient } from '../../services/rpc.ts';
import { type Field, flag, integer, oneOf } from '../../state.ts';
import { controls, errorNotice, panel } from '../../ui/blocks.ts';
import { button, choice, segmented, slider, toggle } from '../../ui/controls.ts';
import { fill, h } from '../../ui/dom.ts';
import { pageHash } from '../../ui/links.ts';
import { isInterrupted, task } from '../../ui/task.ts';
import { busyView, exportsOf, factsOf, legendOf, pathTable, pipelineFacts } from './parts.ts';
import { timeline } from './timeline.ts';
import { blockText, type DeploymentView, redundantFor, redundantSteps, type Settings, usualTokens } from './view.ts';
import { whyPanel } from './why-panel.ts';
import type { TimeWindow } from './window.ts';
import type { DeploymentJobs } from './worker.ts';

interface State extends Settings {
  /** Layers in sight at first. */
  readonly layers: number;
  /** What is in sight, in millionths of the step; both 0: some layers of the middle. */
  readonly from: number;
  readonly to: number;
  readonly why: WhyQuestion;
}

/** One of some numbers. */
const among = (values: readonly number[], fallback: number): Field<number> => ({
  fallback,
  parse: (text) => values.find((value) => String(value) === text),
  format: String,
});

const tokenChoices = [0, 32, 64, 88, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768];
const contextChoices = [512, 1024, 2048, 4096, 8192, 16_384, 32_768];
const stageChoices = [4, 8, 16];
const microChoices = [8, 16, 20, 32, 40, 64, 120];
const whole = 1_000_000;
/** As many as there are experts: what any number of nodes needs to divide is less. */
const mostRedundant = 256;

/** What a phase usually runs on. */
const usual: Readonly<Record<Settings['phase'], Partial<State>>> = {
  prefill: { nodes: 4, redundant: 0 },
  decode: { nodes: 16, redundant: 0 },
  training: { nodes: 8, redundant: 0 },
};

/** What decides the simulation, apart from what is in sight. */
function settingsOf({ layers: _, from: __, to: ___, why: ____, ...settings }: State): Settings {
  return settings;
}

function mount(root: HTMLElement, context: PageContext<State>): PageView<State> {
  const start = () => new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
  const worker = new WorkerClient<DeploymentJobs>('the simulation', start);
  context.signal.addEventListener('abort', () => worker.end());
  let state = context.state;
  let view: DeploymentView | undefined;
  let asked = '';
  let busyWith = '';
  let waiting: ReturnType<typeof setTimeout> | undefined;
  context.signal.addEventListener('abort', () => clearTimeout(waiting));

  /** Settings that change the step forget what was in sight. */
  const set = (change: Partial<State>) => context.set({ ...change, from: 0, to: 0 });
  const numbers = (
    label: string,
    name: keyof State,
    values: readonly number[],
    text = (value: number) => value.toLocaleString('en'),
  ) =>
    choice({
      label,
      choices: values.map((value) => [String(value), text(value)] as const),
      onChange: (value) => set({ [name]: Number(value) }),
    });
  const hardware = choice({
    label: 'Node type',
    choices: hardwareNames.map((name) => [name, name.toUpperCase()] as const),
    onChange: (value) => set({ hardware: value }),
  });
  const phase = segmented({
    label: 'Phase',
    choices: [
      ['prefill', 'Prefill'],
      ['decode', 'Decode'],
      ['training', 'Training'],
    ] as const,
    onChange: (value) => set({ phase: value, tokens: 0, ...usual[value] }),
  });
  const nodes = slider({
    label: 'Nodes of 8 GPUs',
    min: 1,
    max: 40,
    onChange: (value) => set({ nodes: value, redundant: redundantFor(value, state.redundant) }),
  });
  const tokens = numbers('Tokens a GPU', 'tokens', tokenChoices, (value) =>
    value === 0 ? `usual: ${usualTokens[state.phase].toLocaleString('en')}` : value.toLocaleString('en'),
  );
  const context_ = numbers('Prompt or cache', 'context', contextChoices);
  const sms = slider({ label: 'SMs for communication', min: 1, max: 64, onChange: (value) => set({ sms: value }) });
  const overlap = toggle({ label: 'Two micro-batches', onChange: (value) => set({ overlap: value }) });
  const redundant = slider({
    label: 'Redundant experts',
    min: 0,
    max: mostRedundant,
    onChange: (value) => set({ redundant: value }),
  });
  const redundantInput = redundant.element.querySelector('input')!;
  const limit = slider({
    label: 'Nodes a token may go to',
    min: 1,
    max: 8,
    onChange: (value) => set({ limit: value }),
  });
  const skew = slider({
    label: 'Uneven popularity',
    min: 0,
    max: 12,
    text: (value) => (value / 10).toFixed(1),
    onChange: (value) => set({ skew: value }),
  });
  const drift = slider({
    label: 'Drift since placed',
    min: 0,
    max: 10,
    text: (value) => (value / 10).toFixed(1),
    onChange: (value) => set({ drift: value }),
  });
  const schedule = choice({
    label: 'Pipeline schedule',
    choices: pipelineSchedules,
    onChange: (value) => set({ schedule: value }),
  });
  const stages = numbers('Stages', 'stages', stageChoices);
  const micros = numbers('Micro-batches of a step', 'micros', microChoices);
  const layers = slider({ label: 'Layers in sight', min: 1, max: 12, onChange: (value) => set({ layers: value }) });
  const ofTraining = [schedule.element, stages.element, micros.element];

  const progress = task(context.signal);
  const message = h('div', {});
  const facts = h('div', { id: 'deployment-facts' });
  const legend = h('div', { class: 'keys small' });
  const busy = h('div', { class: 'columns', id: 'deployment-busy' });
  const exports = h('div', {});
  const pipelineNumbers = h('div', { id: 'pipeline-facts' });
  const pipelineLegend = h('div', { class: 'keys small' });
  const again = button('Simulate', () => void simulate(), { kind: 'primary', id: 'deployment-run', hidden: true });

  let told: ReturnType<typeof setTimeout> | undefined;
  const keep = ({ from, to }: TimeWindow) => {
    clearTimeout(told);
    const { seconds } = view!.timeline;
    // The address follows when the reader's hand rests.
    told = setTimeout(
      () => context.set({ from: Math.round((whole * from) / seconds), to: Math.round((whole * to) / seconds) }),
      250,
    );
  };
  context.signal.addEventListener('abort', () => clearTimeout(told));
  const gantt = timeline({
    label: 'A step on GPU 0 and the busiest',
    describe: (block, lane) => blockText(block, lane, state.phase),
    onWindow: keep,
  });
  const pipeline = timeline({ label: 'The pipeline', describe: (block, lane) => blockText(block, lane, 'training') });
  const pipelinePanel = panel('The pipeline, and its bubbles', pipelineNumbers, pipeline.element, pipelineLegend);
  const why = whyPanel({
    signal: context.signal,
    start,
    onQuestion: (value) => context.set({ why: value }),
    link: context.link,
    say: context.say,
  });
  const results = h(
    'div',
    { class: 'stack', id: 'deployment', hidden: true },
    panel('The timeline', controls(layers.element), gantt.element, legend, exports),
    panel('How busy everything is', busy),
    pipelinePanel,
  );
  root.append(
    panel(
      'A deployment of DeepSeek-V3',
      phase.element,
      controls(
        ...[hardware, nodes, tokens, context_, sms, overlap, redundant, limit, skew, drift].map(
          ({ element }) => element,
        ),
        ...ofTraining,
      ),
      h('div', { class: 'row' }, again),
      progress.element,
      message,
      facts,
    ),
    results,
    why.element,
  );

  const simulate = async () => {
    clearTimeout(waiting);
    fill(message);
    again.hidden = true;
    delete root.dataset.ready;
    const settings = settingsOf(state);
    busyWith = JSON.stringify(settings);
    const signal = progress.begin('Drawing routing decisions and playing the step …');
    try {
      const found = await worker.call('simulate', settings, { signal });
      if (JSON.stringify(settings) !== asked) return;
      view = found;
      show();
      root.dataset.ready = 'true';
      context.say(`${found.result.bottleneck} decides the step`);
    } catch (error) {
      if (JSON.stringify(settings) !== asked) return;
      view = undefined;
      results.hidden = true;
      fill(facts);
      if (isInterrupted(error)) again.hidden = false;
      else fill(message, errorNotice(error));
    } finally {
      if (busyWith === JSON.stringify(settings)) busyWith = '';
      if (JSON.stringify(settings) === asked) progress.end();
    }
  };

  function windowOf({ timeline: { seconds }, layers: count }: DeploymentView): TimeWindow {
    if (state.to > state.from) return { from: (state.from / whole) * seconds, to: (state.to / whole) * seconds };
    const share = Math.min(1, state.layers / count);
    const from = share >= 1 ? 0 : 0.4 * seconds;
    return { from, to: from + share * seconds };
  }

  function show(): void {
    if (view === undefined) return;
    results.hidden = false;
    fill(facts, factsOf(view, state.phase));
    gantt.show(view.timeline, windowOf(view));
    fill(legend, legendOf(view.timeline, state.phase, state.overlap));
    fill(busy, busyView(view), pathTable(view));
    pipelinePanel.hidden = view.pipeline === undefined;
    if (view.pipeline !== undefined) {
      fill(pipelineNumbers, pipelineFacts(view.pipeline));
      pipeline.show(view.pipeline.timeline);
      fill(pipelineLegend, legendOf(view.pipeline.timeline, undefined, false));
    }
    fill(exports, exportsOf(settingsOf(state), view, gantt.svg, context.link));
  }

  function update(next: State): void {
    state = next;
    hardware.show(state.hardware);
    phase.show(state.phase);
    nodes.show(state.nodes);
    const first = tokens.element.querySelector('option')!;
    fill(first, `usual: ${usualTokens[state.phase].toLocaleString('en')}`);
    tokens.show(String(state.tokens));
    context_.show(String(state.context));
    sms.show(state.sms);
    overlap.show(state.overlap);
    const { least, step } = redundantSteps(state.nodes);
    Object.assign(redundantInput, { min: least, step });
    redundant.show(state.redundant);
    limit.show(state.limit);
    skew.show(state.skew);
    drift.show(state.drift);
    schedule.show(state.schedule);
    stages.show(String(state.stages));
    micros.show(String(state.micros));
    layers.show(state.layers);
    sms.element.hidden = state.phase === 'decode';
    for (const element of ofTraining) element.hidden = state.phase !== 'training';
    why.show(state.why);
    const key = JSON.stringify(settingsOf(state));
    if (key === asked) {
      show();
      return;
    }
    const begun = asked !== '';
    asked = key;
    // A worker at rest keeps what it has drawn: another number of SMs needs the same routing.
    if (busyWith !== '') worker.end();
    clearTimeout(waiting);
    // A slider on its way does not start a simulation at every step.
    waiting = setTimeout(() => void simulate(), begun ? 250 : 0);
  }
  return { update };
}

/** Deployment: a step of DeepSeek-V3 on many GPUs, simulated. */
export const page: PageModule<State> = {
  intro: {
    title: 'Deployment',
    source: 'DeepSeek-V3 report, sections 3.2 (DualPipe, all-to-all) and 3.4 (inference and deployment)',
    sees: 'One step of DeepSeek-V3 on up to 320 GPUs: what SMs, network cards and NVLink do in every microsecond, simulated here from measured kernels and links.',
    matters:
      'Half of an expert-parallel step is communication: it costs nothing where something else runs beside it, and this page shows when it does.',
    next: [
      { text: 'Where the tokens go, and the balance of experts', hash: pageHash('routing') },
      { text: 'The kernels, held bit for bit', hash: pageHash('parity') },
    ],
  },
  fields: {
    hardware: oneOf(hardwareNames, 'h800'),
    phase: oneOf(['prefill', 'decode', 'training'] as const, 'prefill'),
    nodes: integer(1, 40, 4),
    tokens: among(tokenChoices, 0),
    context: among(contextChoices, 4096),
    sms: integer(1, 64, 20),
    overlap: flag(true),
    redundant: integer(0, mostRedundant, 0),
    limit: integer(1, 8, 4),
    skew: integer(0, 12, 0),
    drift: integer(0, 10, 0),
    schedule: oneOf(pipelineSchedules, 'DualPipe'),
    stages: among(stageChoices, 8),
    micros: among(microChoices, 20),
    layers: integer(1, 12, 3),
    from: integer(0, whole, 0),
    to: integer(0, whole, 0),
    why: oneOf(whyQuestions, '20-sms'),
  },
  mount,
};
