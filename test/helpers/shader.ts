import { readFileSync } from 'node:fs';
import type { Constants } from '../../src/kernels/constants.ts';
import { formatConstants } from '../../src/kernels/constants.ts';
import type { FormatName } from '../../src/numerics/formats.ts';
import type { Scheme } from '../../src/numerics/scheme.ts';
import { newGpu } from './gpu.ts';

/** Source of a shader that only tests use. */
export function testShader(name: string): string {
  return readFileSync(new URL(`../shaders/${name}.wgsl`, import.meta.url), 'utf8');
}

/** A scheme to start variations from. */
export const plainScheme: Scheme = {
  format: 'e4m3',
  tile: [1, 128],
  scale: { type: 'f32', recipe: 'divide', amaxFloor: 1e-4, layout: 'row-major' },
  rounding: 'nearest-even',
  overflow: 'saturate',
  seed: 0,
};

/** Constants that test/shaders/numerics.wgsl needs whatever the entry point. */
export function numericsConstants(format: FormatName): Constants {
  return formatConstants('TESTED', format);
}

/** Runs one entry point of a test shader over `count` elements and returns `outputs` words an element. */
export async function mapOnGpu(
  shader: string,
  entryPoint: string,
  constants: Constants,
  input: Uint32Array,
  count: number,
  outputs: number,
  uniforms: readonly number[] = [],
): Promise<Uint32Array> {
  const gpu = newGpu({ shaders: { [`test/${shader}`]: testShader(shader) } });
  const result = gpu.allocate(outputs * count);
  gpu.dispatch({
    shader: `test/${shader}`,
    entryPoint,
    constants,
    uniforms: [count, ...uniforms, ...new Array(15 - uniforms.length).fill(0)],
    buffers: [
      { buffer: gpu.upload(input), access: 'read' },
      { buffer: result, access: 'read_write' },
    ],
    threads: count,
  });
  const words = await gpu.read(result);
  await gpu.destroyRun();
  return words;
}

/** Positions where two word arrays differ, with both words in hexadecimal; at most ten. */
export function differences(got: Uint32Array, want: Uint32Array): string[] {
  const found: string[] = got.length === want.length ? [] : [`lengths ${got.length} and ${want.length}`];
  for (let i = 0; i < want.length && found.length < 10; i++) {
    if (got[i] !== want[i]) found.push(`[${i}] got ${got[i]?.toString(16)}, want ${want[i]?.toString(16)}`);
  }
  return found;
}
