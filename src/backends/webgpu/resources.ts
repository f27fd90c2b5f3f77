import type { Bound, GpuTexels, GpuWords } from './gpu.ts';

/** A buffer of a device. */
export class DeviceBuffer implements GpuWords {
  constructor(
    readonly words: number,
    readonly buffer: GPUBuffer,
    readonly hasCanary: boolean,
  ) {}
}

/** A texture of a device. */
export class DeviceTexels implements GpuTexels {
  readonly words: number;

  constructor(
    readonly width: number,
    readonly height: number,
    readonly texture: GPUTexture,
  ) {
    this.words = 4 * width * height;
  }
}

/** What a buffer and a texture have in common. */
export type Destroyable = Pick<GPUBuffer, 'destroy'>;

/** What is to be freed of a resource. */
export const destroyable = (owned: DeviceBuffer | DeviceTexels): Destroyable =>
  owned instanceof DeviceBuffer ? owned.buffer : owned.texture;

/** Entries of a bind group's layout, by access. */
export const layoutOf = {
  read: { buffer: { type: 'read-only-storage' } },
  read_write: { buffer: { type: 'storage' } },
  read_texels: { texture: { sampleType: 'uint' } },
  write_texels: { storageTexture: { access: 'write-only', format: 'rgba32uint' } },
} as const satisfies Record<Bound['access'], Partial<GPUBindGroupLayoutEntry>>;

/** The entry of a bind group. Throws TypeError for what belongs to no device. */
export function resourceOf({ buffer }: Bound): GPUBindingResource {
  const resource = deviceResource(buffer);
  return resource instanceof DeviceBuffer ? { buffer: resource.buffer } : resource.texture.createView();
}

/** A resource as its device made it. Throws TypeError where it is another's. */
export function deviceResource(words: GpuWords): DeviceBuffer | DeviceTexels {
  if (words instanceof DeviceBuffer || words instanceof DeviceTexels) return words;
  throw new TypeError('a buffer of another Gpu');
}

/** A buffer as its device made it. Throws TypeError where it is a texture or another's. */
export function deviceBuffer(words: GpuWords): DeviceBuffer {
  const resource = deviceResource(words);
  if (resource instanceof DeviceBuffer) return resource;
  throw new TypeError('a texture, where a buffer is wanted');
}
