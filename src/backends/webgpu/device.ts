import { Fp8labError } from '../../errors.ts';
import { CANARY_WORDS, canaryIntact, canaryPattern, fillWords, POISON } from './canary.ts';
import { asDeviceError, outOfMemory } from './device-errors.ts';
import { Failures } from './failures.ts';
import { type Dispatch, type Gpu, type GpuLimits, type GpuTexels, type GpuWords, workgroupSize } from './gpu.ts';
import { linkShader, type ShaderSources, shaderSources } from './link.ts';
import { compile, labelOf, type PipelineCache, pipelinesOf } from './pipelines.ts';
import {
  type Destroyable,
  DeviceBuffer,
  DeviceTexels,
  destroyable,
  deviceBuffer,
  deviceResource,
  layoutOf,
} from './resources.ts';
import { Stopwatch } from './stopwatch.ts';
import { type CompiledDispatch, type Stamps, submit } from './submission.ts';

/** The standard's flag values: Node has no global GPUBufferUsage, GPUShaderStage and GPUMapMode. */
const usage = {
  MAP_READ: 0x01,
  COPY_SRC: 0x04,
  COPY_DST: 0x08,
  STORAGE: 0x80,
  QUERY_RESOLVE: 0x200,
} as const;
const textureUsage = { TEXTURE_BINDING: 0x04, STORAGE_BINDING: 0x08 } as const;
const computeStage = 0x4;
const mapRead = 0x1;

/** Bytes of the pieces in which results are copied back: bounds the mapped memory. */
const readPiece = 64 * 2 ** 20;

/**
 * What goes in one submission: so many dispatches and threads, and bytes of released buffers that may wait for it. Small dispatches share the
 * cost of a submission; large ones go alone, for a driver takes a submission that lasts seconds for one that hangs.
 */
const batchDispatches = 16;
const batchThreads = 2 ** 18;
const batchBytes = 64 * 2 ** 20;

/** How {@link createGpu} sets a device up. */
export interface GpuOptions {
  /** Lowers the size past which kernels split their work; tests prove with it that splitting changes nothing. */
  readonly maxBindingBytes?: number;
  /** Sources that stand in for shipped ones, by path: the mutants of the tests, a reader's own variants. */
  readonly shaders?: ShaderSources;
  /** Variants of shaders by family. */
  readonly variants?: Readonly<Record<string, string>>;
}

/** Milliseconds that a submission took. */
export interface Elapsed {
  /** By the wall clock, from an idle queue to an idle queue. */
  readonly wall: number;
  /** By the device's own timestamps, where the adapter has them. */
  readonly device?: number;
}

/** A {@link Gpu} with the calls that only its owner makes. */
export interface OwnedGpu extends Gpu {
  readonly device: GPUDevice;
  /** Paths of the shaders that dispatches were compiled of so far. */
  readonly shaders: ReadonlySet<string>;
  /** Milliseconds of wall clock, so far, in which a dispatch waited for its pipeline. */
  readonly stalled: number;
  /** Has the pipelines of dispatches compiled in the background, for runs to come; failures are theirs to meet. Buffers are not looked at. */
  prepare(dispatches: readonly Dispatch[]): void;
  /** Waits for all queued work; throws the first error there was. */
  finish(): Promise<void>;
  /** What the dispatches, `count` times over, take in one submission. */
  time(dispatches: readonly Dispatch[], count: number): Promise<Elapsed>;
  /** Frees every buffer of the run and forgets its errors; the device and its pipelines stay. */
  destroyRun(): Promise<void>;
}

/** Wraps a device in the surface that kernels use. Any number of them may share a device, one run at a time each. */
export function createGpu(device: GPUDevice, options: GpuOptions = {}): OwnedGpu {
  return new DeviceGpu(device, options);
}

class DeviceGpu implements OwnedGpu {
  readonly limits: GpuLimits;
  readonly variants: Readonly<Record<string, string>>;
  readonly taken = new Set<string>();
  readonly shaders = new Set<string>();
  readonly #sources: ShaderSources;
  readonly #failures: Failures;
  readonly #owned = new Set<DeviceBuffer | DeviceTexels>();
  readonly #pipelines: PipelineCache;
  /** Work goes in the order it was asked for: pipelines are compiled side by side, but each dispatch waits for the one before. */
  #queue: Promise<void> = Promise.resolve();
  readonly #stalls = new Stopwatch();
  /** Dispatches for the next submission, and buffers that are freed once it is made. */
  #pending: CompiledDispatch[] = [];
  #pendingThreads = 0;
  #leaving: Destroyable[] = [];
  #leavingBytes = 0;

  constructor(
    readonly device: GPUDevice,
    options: GpuOptions,
  ) {
    const { maxStorageBufferBindingSize, maxBufferSize } = device.limits;
    const most = Math.min(maxStorageBufferBindingSize, maxBufferSize) - 4 * CANARY_WORDS;
    const maxBindingBytes = Math.floor(Math.min(most, options.maxBindingBytes ?? most) / 4) * 4;
    // Runtimes that are older than adapterInfo have none.
    const info: GPUAdapterInfo | undefined = device.adapterInfo;
    this.limits = { maxBindingBytes, leastSubgroup: info?.subgroupMinSize ?? 4 };
    this.#sources = options.shaders === undefined ? shaderSources : { ...shaderSources, ...options.shaders };
    this.variants = options.variants ?? {};
    this.#pipelines = pipelinesOf(device);
    this.#failures = new Failures(device);
  }

  get stalled(): number {
    return this.#stalls.milliseconds;
  }

  prepare(dispatches: readonly Dispatch[]): void {
    for (const dispatch of dispatches) {
      const { key, compile } = this.#recipe(dispatch);
      this.#pipelines.prepare(key, compile);
    }
  }

  has(feature: string): boolean {
    return this.device.features.has(feature);
  }

  upload(lanes: Uint8Array | Uint16Array | Uint32Array): GpuWords {
    const words = Math.max(Math.ceil(lanes.byteLength / 4), 1);
    const buffer = this.#createBuffer(4 * words, usage.STORAGE | usage.COPY_DST);
    const whole = lanes.byteLength - (lanes.byteLength % 4);
    this.#failures.guard(`upload of ${lanes.byteLength} bytes`, () => {
      this.device.queue.writeBuffer(buffer, 0, lanes.buffer as ArrayBuffer, lanes.byteOffset, whole);
      if (whole < lanes.byteLength) {
        const tail = new Uint8Array(4);
        tail.set(new Uint8Array(lanes.buffer, lanes.byteOffset + whole, lanes.byteLength - whole));
        this.device.queue.writeBuffer(buffer, whole, tail);
      }
    });
    return this.#own(new DeviceBuffer(words, buffer, false));
  }

  allocate(words: number, fill: 'poison' | 'zero' = 'poison'): GpuWords {
    const length = Math.max(words, 1);
    const buffer = this.#createBuffer(4 * (length + CANARY_WORDS), usage.STORAGE | usage.COPY_SRC | usage.COPY_DST);
    this.#failures.guard(`fill of ${4 * length} bytes`, () => {
      if (fill === 'poison') fillWords(this.device, buffer, length, POISON);
      this.device.queue.writeBuffer(buffer, 4 * length, canaryPattern);
    });
    return this.#own(new DeviceBuffer(length, buffer, true));
  }

  texels(width: number, height: number): GpuTexels {
    const usage = textureUsage.TEXTURE_BINDING | textureUsage.STORAGE_BINDING;
    const create = () => this.device.createTexture({ size: [width, height], format: 'rgba32uint', usage });
    const bytes = 16 * width * height;
    return this.#own(
      new DeviceTexels(width, height, this.#failures.guard(`a texture of ${bytes} bytes`, create, bytes)),
    );
  }

  dispatch(dispatch: Dispatch): void {
    const compiled = this.#compiled(dispatch);
    let there = false;
    const settled = (): void => {
      there = true;
    };
    compiled.then(settled, settled);
    this.#queue = this.#queue.then(() => {
      // The device works on what it has while a pipeline is missing.
      if (!there) this.#submit();
      return this.#add(dispatch, compiled);
    });
  }

  async read(words: GpuWords): Promise<Uint32Array> {
    const source = deviceBuffer(words);
    await this.#flush();
    if (this.#failures.first !== undefined) throw this.#failures.first;
    const result = new Uint32Array(source.words);
    const total = source.words + (source.hasCanary ? CANARY_WORDS : 0);
    const piece = Math.floor(readPiece / 4);
    for (let start = 0; start < total; start += piece) {
      const part = await this.#copyBack(source.buffer, start, Math.min(piece, total - start));
      result.set(
        part.subarray(0, Math.max(Math.min(part.length, source.words - start), 0)),
        Math.min(start, source.words),
      );
      if (start + part.length === total && source.hasCanary) {
        await this.#checkCanary(source, part.subarray(part.length - CANARY_WORDS));
      }
    }
    await this.#settle();
    return result;
  }

  release(words: GpuWords): void {
    const owned = deviceResource(words);
    this.#queue = this.#queue.then(() => {
      if (!this.#owned.delete(owned)) return;
      this.#leaving.push(destroyable(owned));
      this.#leavingBytes += 4 * owned.words;
      if (this.#pending.length === 0 || this.#leavingBytes > batchBytes) this.#submit();
    });
  }

  async finish(): Promise<void> {
    await this.#flush();
    await this.#failures.orLost(this.device.queue.onSubmittedWorkDone());
    await this.#settle();
  }

  async time(dispatches: readonly Dispatch[], count: number): Promise<Elapsed> {
    await this.finish();
    const compiled = await Promise.all(dispatches.map((dispatch) => this.#compiled(dispatch)));
    const stamps = this.has('timestamp-query') ? this.#createStamps() : undefined;
    try {
      const began = performance.now();
      this.#failures.guard('timed dispatches', () => submit(this.device, compiled, count, stamps));
      await this.#failures.orLost(this.device.queue.onSubmittedWorkDone());
      const wall = performance.now() - began;
      await this.#settle();
      if (stamps === undefined) return { wall };
      const [begin, end] = new BigUint64Array((await this.#copyBack(stamps.buffer, 0, 4)).buffer);
      // Timestamps count nanoseconds; a driver may set its clock back, which the standard allows.
      const device = Number(end! - begin!) / 1e6;
      return device > 0 ? { wall, device } : { wall };
    } finally {
      stamps?.querySet.destroy();
      stamps?.buffer.destroy();
    }
  }

  async destroyRun(): Promise<void> {
    await this.#flush();
    for (const owned of this.#owned) destroyable(owned).destroy();
    this.#owned.clear();
    await this.#failures.forget();
  }

  /** Puts a dispatch into the next submission once its pipeline is there. */
  async #add(dispatch: Dispatch, compiled: Promise<CompiledDispatch>): Promise<void> {
    if (this.#failures.first !== undefined) return;
    try {
      this.#pending.push(await this.#stalls.until(compiled));
      this.#pendingThreads += dispatch.threads;
      if (this.#pending.length >= batchDispatches || this.#pendingThreads >= batchThreads) this.#submit();
    } catch (error) {
      this.#failures.add(asDeviceError(error, labelOf(dispatch)));
    }
  }

  /** Submits what is pending, and frees what was released meanwhile. */
  #submit(): void {
    const [pending, leaving] = [this.#pending, this.#leaving];
    [this.#pending, this.#pendingThreads, this.#leaving, this.#leavingBytes] = [[], 0, [], 0];
    try {
      if (pending.length > 0 && this.#failures.first === undefined) {
        const what = [...new Set(pending.map(({ dispatch }) => labelOf(dispatch)))].join(', ');
        this.#failures.guard(what, () => submit(this.device, pending));
      }
    } catch (error) {
      this.#failures.add(asDeviceError(error, 'a submission'));
    } finally {
      for (const buffer of leaving) buffer.destroy();
    }
  }

  /** Waits until all that was asked for is submitted. */
  async #flush(): Promise<void> {
    this.#queue = this.#queue.then(() => this.#submit());
    await this.#queue;
  }

  async #compiled(dispatch: Dispatch): Promise<CompiledDispatch> {
    return { dispatch, ...(await this.#failures.orLost(this.#pipeline(dispatch))) };
  }

  #createStamps(): Stamps {
    const querySet = this.device.createQuerySet({ type: 'timestamp', count: 2 });
    return { querySet, buffer: this.#createBuffer(16, usage.QUERY_RESOLVE | usage.COPY_SRC) };
  }

  async #pipeline(dispatch: Dispatch): Promise<{ pipeline: GPUComputePipeline; layout: GPUBindGroupLayout }> {
    const { key, layout, linked, compile } = this.#recipe(dispatch);
    for (const path of linked.files) this.shaders.add(path);
    // Some runtimes compile in the call itself.
    const pipeline = this.#pipelines.get(key, () => this.#stalls.during(compile));
    return { pipeline: await pipeline, layout };
  }

  /** What a dispatch's pipeline is made of, and the key under which it is kept. */
  #recipe(dispatch: Dispatch) {
    const { device } = this;
    const constants = { ...dispatch.constants, WORKGROUP_SIZE: workgroupSize };
    const linked = linkShader(dispatch.shader, constants, this.#sources, dispatch.substitutes);
    const access = dispatch.buffers.map((buffer) => buffer.access);
    const layout = device.createBindGroupLayout({
      entries: [
        { binding: 0, visibility: computeStage, buffer: { type: 'uniform' } },
        ...access.map((kind, i) => ({ binding: i + 1, visibility: computeStage, ...layoutOf[kind] })),
      ],
    });
    const key = [dispatch.entryPoint, access.join(), linked.code].join('\n');
    return { key, layout, linked, compile: () => compile(device, dispatch, linked, layout) };
  }

  #createBuffer(size: number, usage: number): GPUBuffer {
    const limit = this.device.limits.maxBufferSize;
    if (size > limit) throw outOfMemory(size, `the adapter's buffers hold at most ${limit} bytes`);
    return this.#failures.guard(`a buffer of ${size} bytes`, () => this.device.createBuffer({ size, usage }), size);
  }

  #own<R extends DeviceBuffer | DeviceTexels>(resource: R): R {
    this.#owned.add(resource);
    return resource;
  }

  async #copyBack(source: GPUBuffer, start: number, words: number): Promise<Uint32Array> {
    const { device } = this;
    const staging = this.#createBuffer(4 * words, usage.MAP_READ | usage.COPY_DST);
    try {
      this.#failures.guard(`read of ${4 * words} bytes`, () => {
        const encoder = device.createCommandEncoder();
        encoder.copyBufferToBuffer(source, 4 * start, staging, 0, 4 * words);
        device.queue.submit([encoder.finish()]);
      });
      try {
        await this.#failures.orLost(staging.mapAsync(mapRead));
      } catch (error) {
        await this.#settle();
        throw asDeviceError(error, `read of ${4 * words} bytes`);
      }
      return new Uint32Array(staging.getMappedRange()).slice();
    } finally {
      staging.destroy();
    }
  }

  async #checkCanary(source: DeviceBuffer, words: Uint32Array): Promise<void> {
    if (canaryIntact(words)) return;
    throw new Fp8labError(`a shader wrote past the end of a buffer of ${source.words} words`, {
      kind: 'device',
      code: 'out-of-bounds-write',
      where: 'canary words',
      fix: 'report the spec: a kernel writes outside its result',
    });
  }

  /** Waits for the queue and for what error scopes caught. Throws the first error there was. */
  async #settle(): Promise<void> {
    await this.#queue;
    await this.#failures.settle();
  }
}
