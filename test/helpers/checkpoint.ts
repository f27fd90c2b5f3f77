import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSafetensors, writeTensors } from '../../src/tensors/files.ts';
import {
  allocateCodes,
  type DType,
  dtypeBits,
  elementCount,
  type Tensor,
  type Tensors,
} from '../../src/tensors/tensor.ts';

/** Weight-like bf16, f16 or f32 values: near-normal around 2^-5, the same for the same seed. */
export function weights(dtype: 'BF16' | 'F16' | 'F32', shape: readonly number[], seed = 1): Tensor {
  const values = new Float32Array(elementCount(shape));
  let state = (seed * 0x9e3779b1) | 1;
  const uniform = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state / 2 ** 31;
  };
  for (let i = 0; i < values.length; i++) values[i] = (uniform() + uniform() + uniform()) / 32;
  return { dtype, shape, codes: narrowed(dtype, values) };
}

function narrowed(dtype: 'BF16' | 'F16' | 'F32', values: Float32Array): Tensor['codes'] {
  const words = new Uint32Array(values.buffer);
  if (dtype === 'F32') return words;
  if (dtype === 'BF16') return Uint16Array.from(words, (word) => word >>> 16);
  // All values are normal in f16: rebias and cut.
  return Uint16Array.from(words, (word) => {
    const magnitude = (word & 0x7fffffff) < 0x38800000 ? 0 : ((word & 0x7fffffff) - 0x38000000) >>> 13;
    return ((word >>> 16) & 0x8000) | magnitude;
  });
}

/** Any codes of a dtype, counting in leaps. */
export function anyCodes(dtype: DType, shape: readonly number[], seed = 1): Tensor {
  const codes = allocateCodes(dtype, elementCount(shape));
  for (let i = 0; i < codes.length; i++) codes[i] = ((i + seed) * 0x9e3779b1) % 2 ** dtypeBits[dtype];
  return { dtype, shape, codes };
}

/** Writes a checkpoint folder: shards, index (where there is more than one), config.json and a tokenizer. */
export async function writeCheckpoint(
  folder: string,
  shards: readonly Tensors[],
  config: Readonly<Record<string, unknown>> = { model_type: 'test', torch_dtype: 'bfloat16' },
): Promise<readonly string[]> {
  mkdirSync(folder, { recursive: true });
  const digits = (n: number): string => String(n).padStart(5, '0');
  const names = shards.map((_, i) =>
    shards.length === 1 ? 'model.safetensors' : `model-${digits(i + 1)}-of-${digits(shards.length)}.safetensors`,
  );
  const map: Record<string, string> = {};
  for (const [i, tensors] of shards.entries()) {
    await writeTensors(join(folder, names[i]!), tensors, { format: 'pt' });
    for (const name of Object.keys(tensors)) map[name] = names[i]!;
  }
  if (shards.length > 1) {
    const index = { metadata: { total_size: 0 }, weight_map: map };
    writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify(index));
  }
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  mkdirSync(join(folder, 'tokenizer'), { recursive: true });
  writeFileSync(join(folder, 'tokenizer', 'vocab.txt'), 'a\nb\n');
  return names;
}

/** A small DeepSeek-like model in two shards: linear weights of ragged extents, and the tensors that are never quantized. */
export function smallModel(dtype: 'BF16' | 'F16' | 'F32' = 'BF16'): readonly [Tensors, Tensors] {
  return [
    {
      'model.embed_tokens.weight': weights(dtype, [32, 256], 2),
      'model.layers.0.input_layernorm.weight': weights(dtype, [256], 3),
      'model.layers.0.self_attn.q_a_proj.weight': weights(dtype, [200, 256], 4),
      'model.layers.0.mlp.gate.weight': weights(dtype, [8, 256], 5),
    },
    {
      'model.layers.0.mlp.experts.0.down_proj.weight': weights(dtype, [256, 320], 6),
      'model.layers.0.mlp.experts.0.up_proj.weight': weights(dtype, [130, 256], 7),
      'lm_head.weight': weights(dtype, [32, 256], 8),
      'model.step': anyCodes('I32', [3], 9),
    },
  ];
}

/** Writes one file of `megabytes` of bf16 weights, a chunk at a time, with little memory. */
export async function writeLargeShard(
  path: string,
  prefix: string,
  megabytes: number,
  seed: number,
): Promise<string[]> {
  const shape = [4096, 2048] as const;
  const count = Math.max(1, Math.round((megabytes * 1e6) / (shape[0] * shape[1] * 2)));
  const names = Array.from({ length: count }, (_, i) => `${prefix}.${i}.mlp.up_proj.weight`);
  const declarations = names.map((name) => ({ name, dtype: 'BF16' as const, shape }));
  const writer = await createSafetensors(path, declarations, { format: 'pt' });
  const block = new Uint8Array(weights('BF16', [512, 2048], seed).codes.buffer);
  for (const name of names) {
    for (let at = 0; at < shape[0] * shape[1] * 2; at += block.length) await writer.write(name, block, at);
  }
  await writer.commit();
  return names;
}
