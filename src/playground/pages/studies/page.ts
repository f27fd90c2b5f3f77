import './studies.css';
import { drawChart } from '../../../studies/draw.ts';
import type { PageContext, PageModule, PageView } from '../../page.ts';
import { WorkerClient } from '../../services/rpc.ts';
import { text } from '../../state.ts';
import { errorNotice, notice, panel, table } from '../../ui/blocks.ts';
import { button, choice } from '../../ui/controls.ts';
import { type Child, fill, h } from '../../ui/dom.ts';
import { exportBar, pictureButtons } from '../../ui/export.ts';
import { pageHash } from '../../ui/links.ts';
import { isInterrupted, task } from '../../ui/task.ts';
import { resultLimit, splitCsv } from './results.ts';
import type { StudyHead, StudyJobs, StudyOutcome } from './worker.ts';

interface State {
  readonly study: string;
}

/** Inks of the studies' charts, which stand on white, by the page's own. */
const inks: readonly (readonly [string, string])[] = [
  ['#ffffff', 'var(--surface)'],
  ['#1a1a1a', 'var(--ink)'],
  ['#5c5c5c', 'var(--ink-2)'],
  ['#e3e3e3', 'var(--line)'],
  ['#9b1c1c', 'var(--bad)'],
  ['#000000', 'var(--ink)'],
];

/** A study's chart in the page's colours; its style elements are left out, as the page's policy has it. */
function chartOf(chart: StudyOutcome['charts'][number]): SVGSVGElement {
  const svg = drawChart(chart, document);
  for (const style of svg.querySelectorAll('style')) style.remove();
  for (const element of [svg, ...svg.querySelectorAll('*')]) {
    if (element !== svg) element.removeAttribute('aria-label');
    for (const name of ['fill', 'stroke']) {
      const found = inks.find(([ink]) => ink === element.getAttribute(name)?.toLowerCase());
      if (found !== undefined) element.setAttribute(name, found[1]);
    }
  }
  return svg;
}

function mount(root: HTMLElement, context: PageContext<State>): PageView<State> {
  const worker = new WorkerClient<StudyJobs>(
    'the study',
    () => new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' }),
  );
  context.signal.addEventListener('abort', () => worker.end());
  let state = context.state;
  let heads: readonly StudyHead[] = [];
  let outcome: StudyOutcome | undefined;
  const picker = choice({ label: 'Study', choices: [] as string[], onChange: (study) => context.set({ study }) });
  const question = h('div', { class: 'stack' });
  const progress = task(context.signal);
  const message = h('div', {});
  const results = h('div', { class: 'stack', id: 'study-results' });
  const run = button('Run it here', () => void start(), { kind: 'primary', id: 'study-run', disabled: true });
  const input = h('input', {
    type: 'file',
    accept: '.csv,.json',
    class: 'hidden',
    id: 'study-file',
    'aria-label': 'Results of a study',
  });
  input.addEventListener('change', () => void load(input.files?.[0]));
  root.append(
    panel(
      'The question',
      h('div', { class: 'study-picker' }, picker.element),
      question,
      h(
        'div',
        { class: 'row' },
        run,
        button('Open results', () => input.click()),
        input,
        h('span', { class: 'small quiet' }, 'the CSV or the JSON that fp8lab study wrote'),
      ),
      progress.element,
      message,
    ),
    results,
  );

  const settle = async (what: string, work: (signal: AbortSignal) => Promise<StudyOutcome>) => {
    run.disabled = true;
    fill(message);
    delete root.dataset.ready;
    const stop = progress.begin(what);
    try {
      outcome = await work(stop);
      if (outcome.head.name !== state.study) context.set({ study: outcome.head.name });
      show();
      root.dataset.ready = 'true';
      context.say('The study is done');
    } catch (error) {
      if (!isInterrupted(error)) fill(message, errorNotice(error));
    } finally {
      progress.end();
      run.disabled = heads.find(({ name }) => name === state.study)?.quick !== true;
    }
  };
  const start = () =>
    settle('Starting …', (signal) =>
      worker.call('run', state.study, {
        signal,
        onProgress: (told) => told && progress.progress(told.share, told.note),
      }),
    );
  const load = async (file: File | undefined) => {
    if (file === undefined) return;
    // A character takes at most three bytes: what is cut here is refused by its length.
    const some = file.slice(0, 4 * resultLimit);
    await settle(`Reading ${file.name} …`, async (signal) =>
      worker.call('read', { text: await some.text(), name: file.name }, { signal }),
    );
    input.value = '';
  };

  const show = () => {
    if (outcome === undefined || outcome.head.name !== state.study) {
      fill(results);
      return;
    }
    const { charts, tables, findings, command, csv, rows, head } = outcome;
    const pictures = charts.map(chartOf);
    const bar = exportBar(
      {
        name: `fp8lab-${head.name}`,
        command,
        json: () => ({ study: head.name, rows, findings }),
        csv: () =>
          csv
            .split('\n')
            .filter((line) => line !== '' && !line.startsWith('#'))
            .map(splitCsv),
        picture: () => pictures[0],
      },
      context.link,
    );
    fill(
      results,
      panel(
        'What the numbers say',
        findings.map(({ text: said, published }) => findingOf(said, published)),
        bar,
      ),
      pictures.map((picture, i) =>
        panel(
          `${charts[i]!.title} · chart ${i + 1}`,
          h(
            'div',
            { class: 'scroll study-chart', tabindex: '0', role: 'region', 'aria-label': `${charts[i]!.title}, chart` },
            picture,
          ),
          h(
            'div',
            { class: 'row' },
            pictureButtons(`fp8lab-${head.name}-${i + 1}`, () => picture),
          ),
        ),
      ),
      tables.map(({ title, heads: names, rows: cells }, i) =>
        panel(
          `${title} · table ${i + 1}`,
          table(
            title,
            names.map((name, column) => ({ head: name, text: column === 0 })),
            cells,
          ),
        ),
      ),
    );
  };

  void worker.call('list', undefined).then(
    (found) => {
      heads = found;
      fill(
        picker.element.querySelector('select')!,
        heads.map(({ name, title }) => h('option', { value: name }, title)),
      );
      update(state);
      root.dataset.listed = 'true';
    },
    (error: unknown) => !isInterrupted(error) && fill(message, errorNotice(error)),
  );

  function update(next: State): void {
    state = next;
    picker.show(state.study);
    const head = heads.find(({ name }) => name === state.study);
    if (head !== undefined) fill(question, questionOf(head));
    else if (heads.length > 0) fill(question, notice('bad', h('p', {}, `There is no study "${state.study}".`)));
    run.disabled = head?.quick !== true;
    show();
  }
  return { update };
}

function questionOf({ question, source, quick, command }: StudyHead): Child[] {
  return [
    h('p', {}, question),
    h(
      'p',
      { class: 'small quiet' },
      `${source}. `,
      quick
        ? 'The page runs it on less data than the command does.'
        : ['Too long for a tab: run ', h('code', {}, `${command} --out results`), ' and open what it writes.'],
    ),
  ];
}

function findingOf(said: string, published: string | undefined): Child {
  return h(
    'div',
    { class: 'finding' },
    h('p', {}, said),
    published !== undefined && h('p', { class: 'small quiet' }, `Published: ${published}`),
  );
}

/** Studies: the paper's experiments, run here or opened from a file. */
export const page: PageModule<State> = {
  intro: {
    title: 'Studies',
    source: 'DeepSeek-V3 report, sections 3.3 and appendix B',
    sees: 'The paper’s experiments, run here on small data or opened from files that the command line wrote.',
    matters:
      'Each choice of the recipe (tiles, formats, promotion) rests on a number; here the numbers can be made again.',
    next: [
      { text: 'Promotion, bit by bit', hash: pageHash('tensor-core', { operands: 'spread', at: 'curve' }) },
      { text: 'Granularity on a matrix of your own', hash: pageHash('quantize') },
    ],
  },
  fields: { study: text(40, 'promotion') },
  mount,
};
