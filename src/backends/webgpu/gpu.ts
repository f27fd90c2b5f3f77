/**
 * The small surface kernels see of a WebGPU device: buffers of u32 words, dispatches with explicit layouts, read-back.
 * Implemented by `createGpu` in device.ts, the same in Node, Deno and the browser.
 */

/** Threads of a workgroup; the linker gives it to every shader as WORKGROUP_SIZE. */
export const workgroupSize = 64;

/** A device buffer of u32 words. */
export interface GpuWords {
  /** Length in 32-bit words that the kernel may use. */
  readonly words: number;
}

/** A device texture of four u32 a texel (`rgba32uint`), which takes a buffer's place where a kernel reads whole texels. */
export interface GpuTexels extends GpuWords {
  readonly width: number;
  readonly height: number;
}

/** Texels that every device allows a texture along an edge. */
export const maxTexels = 8192;

/** What a dispatch is bound to: words to read or to write, or texels to read (`texture_2d<u32>`) or to write (`texture_storage_2d<rgba32uint, write>`). */
export type Bound =
  | { readonly buffer: GpuWords; readonly access: 'read' | 'read_write' }
  | { readonly buffer: GpuTexels; readonly access: 'read_texels' | 'write_texels' };

/** A compute dispatch. */
export interface Dispatch {
  /** Path under shaders/, without the ending: `kernels/quantize`. */
  readonly shader: string;
  readonly entryPoint: string;
  /** Compile-time constants: each becomes `const NAME: u32|i32 = value;` ahead of the source. Part of the pipeline's key. */
  readonly constants?: Readonly<Record<string, number>>;
  /** Files included in place of others, by path: the fast tier's arithmetic for the exact one's. */
  readonly substitutes?: Readonly<Record<string, string>>;
  /** Run-time u32 parameters, bound as a uniform at @group(0) @binding(0) in this order. */
  readonly uniforms: readonly number[];
  /** Storage buffers and textures at @binding(1), @binding(2) ... */
  readonly buffers: readonly Bound[];
  /** Threads wanted; split over x and y when there are more than one dimension holds. The shader guards the tail. */
  readonly threads: number;
}

/** Limits that decide how a kernel splits its work. */
export interface GpuLimits {
  /** Bytes a single storage binding may span. */
  readonly maxBindingBytes: number;
  /** Threads that a subgroup has at least, where there are subgroups: 4 by the standard. */
  readonly leastSubgroup: number;
}

/** A device with what kernels need of it. Buffers live until the run ends or `release` is called. */
export interface Gpu {
  readonly limits: GpuLimits;
  /** Which variant of a shader to take, by family; where none is named, the kernel's own first choice. */
  readonly variants: Readonly<Record<string, string>>;
  /** Which ones kernels took, as `family=variant`; kernels add to it. */
  readonly taken: Set<string>;
  /** Adapter has the feature (`subgroups`, `shader-f16`). */
  has(feature: string): boolean;
  /** Copies lanes to the device, little-endian, zero-padded to whole words. */
  upload(lanes: Uint8Array | Uint16Array | Uint32Array): GpuWords;
  /** A buffer for results or scratch, filled with a poison pattern (or zeros when asked), canary words behind it. */
  allocate(words: number, fill?: 'poison' | 'zero'): GpuWords;
  /** A texture of at most {@link maxTexels} along an edge. */
  texels(width: number, height: number): GpuTexels;
  /** Queues a dispatch. Validation errors surface at the next `read` or `finish`. */
  dispatch(dispatch: Dispatch): void;
  /**
   * Waits for the work asked for so far and copies words back; checks the canary. Reads asked for together wait together. Nothing may write
   * or release the buffer until its words are there.
   */
  read(buffer: GpuWords): Promise<Uint32Array>;
  /** Frees a buffer or texture early. */
  release(buffer: GpuWords): void;
}
