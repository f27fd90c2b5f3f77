import './parity.css';
import type { PageContext, PageModule, PageView } from '../../page.ts';
import { text } from '../../state.ts';
import { pageHash } from '../../ui/links.ts';
import { hopperPanel } from './hopper-panel.ts';
import { type SpecState, specPanel } from './spec-panel.ts';

function mount(root: HTMLElement, context: PageContext<SpecState>): PageView<SpecState> {
  const hopper = hopperPanel(context);
  const spec = specPanel(context);
  root.append(hopper.element, spec.element);
  return {
    update(state) {
      hopper.redraw();
      spec.update(state);
    },
  };
}

/** Gemm and parity: specs on this adapter, held against the reference and against an H100. */
export const page: PageModule<SpecState> = {
  intro: {
    title: 'Gemm and parity',
    source: 'DeepSeek-V3 report, sections 3.3.1 and 3.3.2',
    sees: 'Whole kernels on this machine’s adapter, held bit for bit against the reference and against outputs recorded on an H100.',
    matters:
      'A tolerance cannot see a missing promotion or one wrong tile; equal bits can only come from equal arithmetic.',
    next: [
      { text: 'Why the sum is promoted', hash: pageHash('tensor-core', { operands: 'spread', at: 'curve' }) },
      { text: 'The shaders, open to change', hash: pageHash('workbench') },
      { text: 'Which experts a token goes to', hash: pageHash('routing') },
    ],
  },
  fields: { spec: text(80, 'gemm/arithmetic-hopper-deepgemm'), text: text(6000) },
  mount,
};
