import { inputError } from '../../../errors.ts';
import { blobSource } from '../../../tensors/byte-source.ts';
import { browserLimits, type TensorEntry } from '../../../tensors/header.ts';
import { openSafetensors, readElements, type SafetensorsFile } from '../../../tensors/safetensors.ts';
import { allocateCodes, type DType, elementCount, type Tensor } from '../../../tensors/tensor.ts';

/** Rows and columns of the part of a tensor that the page takes. */
export const partShape = [128, 512] as const;

/** dtypes that are numbers the page can show. */
const shown = new Set(['F32', 'BF16', 'F16', 'F8_E4M3', 'F8_E5M2']);

/** Where a part of a tensor lies. */
export interface PartPlace {
  readonly file: string;
  readonly tensor: string;
  readonly dtype: DType;
  readonly firstRow: number;
  readonly rows: number;
  readonly columns: number;
  /** Columns of the whole tensor. */
  readonly allColumns: number;
}

/** Opens a file that was chosen or dropped. Only its header is read. */
export async function openFile(file: File): Promise<SafetensorsFile> {
  return openSafetensors(blobSource(file, file.name), browserLimits);
}

/** Rows and columns of a tensor seen as a matrix. */
export function matrixExtents({ shape }: Pick<TensorEntry, 'shape'>): readonly [rows: number, columns: number] {
  const columns = shape.at(-1) ?? 1;
  return [elementCount(shape.slice(0, -1)), columns];
}

/** Tensors of a file that can be shown, in the file's order. */
export function usableTensors(file: SafetensorsFile): TensorEntry[] {
  const usable = Array.from(file.entries.values()).filter(
    (entry) => shown.has(entry.dtype) && elementCount(entry.shape) > 0,
  );
  if (usable.length > 0) return usable;
  throw inputError(
    `the file has no tensor of ${[...shown].join(', ')}`,
    'no-usable-tensor',
    file.source.name,
    'choose a file with floating-point tensors',
  );
}

/** Part of a tensor from row `firstRow` on: at most 128 by 512, read row by row in slices. */
export async function readPart(file: SafetensorsFile, entry: TensorEntry, firstRow: number): Promise<Tensor> {
  const [rows, columns] = matrixExtents(entry);
  const start = Math.min(firstRow, Math.max(rows - 1, 0));
  const height = Math.min(partShape[0], rows - start);
  const width = Math.min(partShape[1], columns);
  const codes = allocateCodes(entry.dtype, height * width);
  for (let row = 0; row < height; row++) {
    codes.set(await readElements(file, entry, (start + row) * columns, width), row * width);
  }
  return { dtype: entry.dtype, shape: [height, width], codes };
}
