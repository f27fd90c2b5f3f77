import type { SafetensorsFile } from '../../../tensors/safetensors.ts';
import type { Tensor } from '../../../tensors/tensor.ts';
import { errorNotice } from '../../ui/blocks.ts';
import { button, choice, slider } from '../../ui/controls.ts';
import { fill, h } from '../../ui/dom.ts';
import { matrixExtents, openFile, type PartPlace, partShape, readPart, usableTensors } from './file-source.ts';

/** A part of a file's tensor. */
export interface FilePart {
  readonly tensor: Tensor;
  readonly place: PartPlace;
  /** File, tensor and rows, in words. */
  readonly text: string;
}

/** Takes a safetensors file by drop or by choice, and lets the reader choose what of it is shown. */
export function filePicker(
  dropZone: HTMLElement,
  signal: AbortSignal,
  onPart: (part: FilePart | undefined) => void,
): HTMLElement {
  const message = h('div', {});
  const body = h('div', { class: 'stack file-body' });
  /** Counts what was asked of files: an answer that is overtaken is dropped. */
  let newest = 0;
  const input = h('input', {
    type: 'file',
    accept: '.safetensors',
    class: 'hidden',
    id: 'file-input',
    'aria-label': 'Safetensors file',
  });
  const element = h(
    'div',
    { class: 'file' },
    h(
      'div',
      { class: 'row' },
      button('Open a safetensors file', () => input.click()),
      h('span', { class: 'small quiet' }, 'or drop one here. It is read in slices and stays on this machine.'),
      input,
    ),
    message,
    body,
  );
  const take = async (file: File | undefined) => {
    if (file === undefined) return;
    const mine = ++newest;
    fill(message, h('p', { class: 'quiet' }, 'Reading the header …'));
    try {
      const opened = await openFile(file);
      if (mine === newest) show(opened);
    } catch (error) {
      // What is shown stays, with its controls.
      if (mine === newest) fill(message, errorNotice(error));
    }
  };
  const show = (file: SafetensorsFile) => {
    const tensors = usableTensors(file);
    let chosen = tensors[0]!;
    let firstRow = 0;
    const read = async () => {
      const mine = ++newest;
      try {
        const tensor = await readPart(file, chosen, firstRow);
        if (mine !== newest) return;
        const [rows, columns] = matrixExtents(chosen);
        const last = firstRow + tensor.shape[0]! - 1;
        fill(message);
        onPart({
          tensor,
          place: {
            file: file.source.name,
            tensor: chosen.name,
            dtype: chosen.dtype,
            firstRow,
            rows: tensor.shape[0]!,
            columns: tensor.shape[1]!,
            allColumns: columns,
          },
          text: `${file.source.name}, ${chosen.name} [${rows}, ${columns}] ${chosen.dtype}: rows ${firstRow} to ${last}, columns 0 to ${tensor.shape[1]! - 1}`,
        });
      } catch (error) {
        if (mine === newest) fill(message, errorNotice(error));
      }
    };
    const rowSlider = () => {
      const rows = matrixExtents(chosen)[0];
      const control = slider({
        label: 'First row',
        min: 0,
        max: Math.max(rows - partShape[0], 0),
        onChange: (value) => {
          firstRow = value;
          void read();
        },
      });
      control.show(firstRow);
      return control.element;
    };
    const rowHolder = h('div', {}, rowSlider());
    const names = choice({
      label: `Tensor (${tensors.length} of ${file.entries.size} can be shown)`,
      choices: tensors.map(
        ({ name, dtype, shape }, i) => [String(i), `${name.slice(0, 80)}  ${dtype} [${shape.join(', ')}]`] as const,
      ),
      onChange: (value) => {
        chosen = tensors[Number(value)]!;
        firstRow = 0;
        fill(rowHolder, rowSlider());
        void read();
      },
    });
    names.show('0');
    const away = button(
      'Back to generated values',
      () => {
        newest++;
        fill(message);
        fill(body);
        onPart(undefined);
      },
      { kind: 'quiet' },
    );
    fill(body, names.element, rowHolder, away);
    void read();
  };
  input.addEventListener('change', () => {
    void take(input.files?.[0]);
    // The same file, mended meanwhile, is a change again.
    input.value = '';
  });
  const dragging = (on: boolean) => (event: DragEvent) => {
    event.preventDefault();
    dropZone.classList.toggle('dropping', on);
  };
  dropZone.addEventListener('dragover', dragging(true));
  dropZone.addEventListener('dragleave', dragging(false));
  dropZone.addEventListener('drop', (event) => {
    dragging(false)(event);
    void take(event.dataTransfer?.files[0]);
  });
  // A file dropped beside the zone must not make the browser leave the page.
  for (const type of ['dragover', 'drop'] as const)
    addEventListener(type, (event) => event.preventDefault(), { signal });
  return element;
}
