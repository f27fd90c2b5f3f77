import { notice } from '../../ui/blocks.ts';
import { h } from '../../ui/dom.ts';

/** A message of the workbench. */
export const told = (text: string): HTMLElement => notice('info', h('p', {}, text));

/** The compiler's complaints are marked in the editor and listed under it. */
export const refused = (errors: number): HTMLElement =>
  notice(
    'bad',
    h(
      'p',
      {},
      h('strong', {}, `The compiler refuses it: ${errors} ${errors === 1 ? 'error' : 'errors'}, marked above.`),
    ),
  );

/** After a run that was ended: an ended worker does not end what the driver is doing. */
export const stillBusy =
  'The GPU does not answer yet: the driver may still be busy with the shader. If it stays so, close and reopen the browser.';

/** Without an adapter. */
export const noWebGpu =
  'There is no WebGPU here: shaders can be read and changed, but not run. The pages before this one compute with the reference.';
