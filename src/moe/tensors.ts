import { inputError } from '../errors.ts';
import { shortName, type TensorEntry } from '../tensors/header.ts';
import { packedBytes } from '../tensors/packing.ts';
import type { SafetensorsFile } from '../tensors/safetensors.ts';
import { elementCount } from '../tensors/tensor.ts';
import { requireCount } from './loads.ts';
import { type Routing, routingOf } from './routing.ts';

/**
 * Routings of a safetensors file: every tensor named `topk_idx`, or whose name ends or begins with it (`layers.3.topk_idx`, `topk_idx.3`), in the natural order of
 * names; slots of shared experts, which the gate appends, are left out; each [tokens, top-k], a layer, or [layers, tokens, top-k]. I32, U32 or I64; -1 for a masked slot.
 */
export async function readRoutings(file: SafetensorsFile, experts: number): Promise<Routing[]> {
  requireCount(experts, 'experts');
  const entries = Array.from(file.entries.values())
    .filter(({ name }) => /(^|[._/])topk_idx([._/]|$)/.test(name))
    .sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
  if (entries.length === 0) {
    const names = Array.from(file.entries.keys()).slice(0, 8).map(shortName).join(', ') || 'none';
    throw inputError(
      `no tensor is named topk_idx; the file has ${names}`,
      'missing-tensor',
      file.source.name,
      'name it topk_idx',
    );
  }
  const layers: Routing[] = [];
  for (const entry of entries) layers.push(...(await readLayers(file, entry, experts)));
  return layers;
}

async function readLayers(file: SafetensorsFile, entry: TensorEntry, experts: number): Promise<Routing[]> {
  const where = `${file.source.name}, tensor ${shortName(entry.name)}`;
  const [layers, tokens, topK] = entry.shape.length === 2 ? [1, ...entry.shape] : entry.shape;
  if (entry.shape.length < 2 || entry.shape.length > 3 || !layers || !tokens || !topK) {
    throw inputError(
      `the shape is [${entry.shape.join(', ')}]`,
      'bad-shape',
      where,
      'give [tokens, top-k] or [layers, tokens, top-k]',
    );
  }
  const indices = await readIndices(file, entry, where);
  const routed = routedSlots(indices, topK, experts);
  const kept = indices.filter((_, at) => at % topK < routed);
  const each = tokens * routed;
  return Array.from({ length: layers }, (_, layer) =>
    routingOf(kept.subarray(layer * each, (layer + 1) * each), routed, experts, where),
  );
}

/** Slots without those of shared experts: the gate appends one for each, the same expert `experts`, `experts` + 1 ... for every token that is not masked. */
function routedSlots(indices: Int32Array, topK: number, experts: number): number {
  for (let slot = topK - 1; slot > 0; slot--) {
    let shared = -1;
    for (let at = slot; at < indices.length; at += topK) {
      const expert = indices[at]!;
      if (expert === -1) continue;
      if (expert < experts || (shared >= 0 && expert !== shared)) return slot + 1;
      shared = expert;
    }
    if (shared < 0) return slot + 1;
  }
  return 1;
}

async function readIndices(file: SafetensorsFile, entry: TensorEntry, where: string): Promise<Int32Array> {
  const count = elementCount(entry.shape);
  const wide = entry.dtype === 'I64';
  if (!wide && entry.dtype !== 'I32' && entry.dtype !== 'U32') {
    throw inputError(`the dtype is ${entry.dtype}`, 'unsupported-dtype', where, 'store indices as I32 or I64');
  }
  const bytes = await file.source.read(entry.begin, packedBytes(entry.dtype, count));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Int32Array.from({ length: count }, (_, at) => {
    if (!wide) return view.getInt32(at * 4, true);
    const value = view.getBigInt64(at * 8, true);
    // Out of range of 32 bits means out of range of any experts; -2 is refused with its place.
    return value >= -1n && value < 2n ** 31n ? Number(value) : -2;
  });
}
