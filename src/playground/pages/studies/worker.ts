// Studies beside the page: they are the same code that `fp8lab study` runs.
import { csvOf } from '../../../studies/csv.ts';
import { studies, studyOf } from '../../../studies/index.ts';
import { readOptions } from '../../../studies/options.ts';
import { runStudy } from '../../../studies/run.ts';
import type { Finding, Presentation, Row, Study } from '../../../studies/study.ts';
import { serve } from '../../services/serve.ts';
import { quickOptions, readResults, studyCommand, typedRows } from './results.ts';

/** A study, as the page lists it. */
export interface StudyHead {
  readonly name: string;
  readonly title: string;
  readonly question: string;
  readonly source: string;
  /** True where the page can run it in moments. */
  readonly quick: boolean;
  readonly command: string;
}

/** What a study came to. */
export interface StudyOutcome extends Presentation {
  readonly head: StudyHead;
  readonly findings: readonly Finding[];
  readonly rows: readonly Row[];
  readonly csv: string;
  readonly command: string;
}

/** Jobs of the studies worker. */
export type StudyJobs = {
  readonly list: { readonly input: undefined; readonly output: readonly StudyHead[] };
  readonly run: {
    readonly input: string;
    readonly output: StudyOutcome;
    readonly progress: { readonly share: number; readonly note: string };
  };
  readonly read: { readonly input: { readonly text: string; readonly name: string }; readonly output: StudyOutcome };
};

function headOf(study: Study): StudyHead {
  const { name, title, question, source } = study;
  return {
    name,
    title,
    question,
    source,
    quick: Object.hasOwn(quickOptions, name),
    command: `npx fp8lab study ${name}`,
  };
}

function outcomeOf(study: Study, options: ReturnType<typeof readOptions>, rows: readonly Row[]): StudyOutcome {
  const command = studyCommand(study, options);
  const record = { study: study.name, command, version: 'playground', options, inputs: [], notes: [] };
  return {
    head: headOf(study),
    ...study.present(rows, options),
    rows,
    csv: csvOf(record, study.columns, rows),
    command,
  };
}

serve<StudyJobs>({
  list: () => studies.map(headOf),
  async run(name, tell) {
    const study = studyOf(name);
    const options = readOptions(study.options, quickOptions[name] ?? {});
    const rows = await runStudy(study, { options, onProgress: (share, note) => tell({ share, note }) });
    return outcomeOf(study, options, rows);
  },
  read({ text, name }) {
    const stored = readResults(text, name);
    const study = studyOf(stored.study);
    return outcomeOf(study, readOptions(study.options, stored.options), typedRows(study, stored, name));
  },
});
