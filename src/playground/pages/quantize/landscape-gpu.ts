import { resolveColour } from '../../ui/colour.ts';
import source from './landscape.wgsl?raw';
import { cameraOf, cornersOf, type Eye, trianglesOf } from './surface.ts';
import type { Surface } from './view.ts';

/** Draws surfaces onto a canvas. */
export interface SurfaceRenderer {
  show(surface: Surface, kind: 'value' | 'error'): void;
  /** Draws from an eye; `done` is called once the picture is on the canvas. */
  draw(eye: Eye, done: () => void): void;
}

const usage = {
  MAP_READ: 0x01,
  COPY_DST: 0x08,
  INDEX: 0x10,
  VERTEX: 0x20,
  UNIFORM: 0x40,
  RENDER_ATTACHMENT: 0x10,
  TEXTURE_COPY_SRC: 0x01,
} as const;
const mapRead = 0x1;
const frameFormat = 'rgba8unorm';

/**
 * A renderer on a WebGPU device of its own; undefined where there is none. `onLost` is called when the device goes. Frames are drawn into a
 * texture and copied to a plain canvas: headless Chromium's software adapter loses its GPU process where it presents a canvas itself.
 */
export async function gpuRenderer(
  canvas: HTMLCanvasElement,
  onLost: () => void,
): Promise<(SurfaceRenderer & { destroy(): void }) | undefined> {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  const device = await adapter?.requestDevice().catch(() => undefined);
  if (!device) return undefined;
  void device.lost.then(onLost);
  // What the device refuses (memory above all) would leave the canvas blank: it is given up, and drawn without it.
  device.addEventListener('uncapturederror', (event) => {
    event.preventDefault();
    device.destroy();
  });
  const module = device.createShaderModule({ code: source });
  const pipeline = await device.createRenderPipelineAsync({
    layout: 'auto',
    vertex: {
      module,
      buffers: [
        {
          arrayStride: 16,
          attributes: [
            { shaderLocation: 0, offset: 0, format: 'float32x3' },
            { shaderLocation: 1, offset: 12, format: 'float32' },
          ],
        },
      ],
    },
    fragment: { module, targets: [{ format: frameFormat }] },
    primitive: { topology: 'triangle-list' },
    depthStencil: { format: 'depth24plus', depthWriteEnabled: true, depthCompare: 'less' },
  });
  return new GpuRenderer(canvas, device, pipeline);
}

/** What a frame of one size is drawn into and copied through. */
interface Frame {
  readonly width: number;
  readonly height: number;
  readonly colour: GPUTexture;
  readonly depth: GPUTexture;
  readonly staging: GPUBuffer;
  /** Bytes of a row in the staging buffer: a multiple of 256. */
  readonly stride: number;
}

class GpuRenderer implements SurfaceRenderer {
  readonly #canvas: HTMLCanvasElement;
  readonly #device: GPUDevice;
  readonly #pipeline: GPURenderPipeline;
  readonly #view: GPUBuffer;
  readonly #group: GPUBindGroup;
  #corners: GPUBuffer | undefined;
  #triangles: GPUBuffer | undefined;
  #count = 0;
  /** Rows and columns of the surface that the triangles are of. */
  #shape = '';
  #frame: Frame | undefined;
  #context: CanvasRenderingContext2D | undefined;
  #kind: 'value' | 'error' = 'value';
  /** The eye to draw next while a frame is on its way; older ones are skipped. */
  #next: { readonly eye: Eye; readonly done: () => void } | undefined;
  #busy = false;

  constructor(canvas: HTMLCanvasElement, device: GPUDevice, pipeline: GPURenderPipeline) {
    this.#canvas = canvas;
    this.#device = device;
    this.#pipeline = pipeline;
    this.#view = device.createBuffer({ size: 64 + 4 * 16, usage: usage.UNIFORM | usage.COPY_DST });
    const entries = [{ binding: 0, resource: { buffer: this.#view } }];
    this.#group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
  }

  /** Gives the device up. */
  destroy(): void {
    this.#device.destroy();
  }

  show(surface: Surface, kind: 'value' | 'error'): void {
    this.#kind = kind;
    const corners = cornersOf(surface);
    const shape = `${surface.rows} ${surface.columns}`;
    // A surface of the same shape has the same triangles: its corners alone are new.
    if (shape === this.#shape) {
      this.#device.queue.writeBuffer(this.#corners!, 0, corners);
      return;
    }
    this.#shape = shape;
    this.#corners?.destroy();
    this.#triangles?.destroy();
    this.#corners = this.#upload(corners, usage.VERTEX);
    const triangles = trianglesOf(surface);
    this.#triangles = this.#upload(triangles, usage.INDEX);
    this.#count = triangles.length;
  }

  draw(eye: Eye, done: () => void): void {
    this.#next = { eye, done };
    if (!this.#busy) void this.#drawAll();
  }

  async #drawAll(): Promise<void> {
    this.#busy = true;
    try {
      while (this.#next !== undefined) {
        const { eye, done } = this.#next;
        this.#next = undefined;
        await this.#drawOne(eye);
        done();
      }
    } catch {
      // The device went meanwhile: `onLost` has put another renderer in place.
    } finally {
      this.#busy = false;
    }
  }

  async #drawOne(eye: Eye): Promise<void> {
    const { width, height } = this.#canvas;
    if (this.#corners === undefined || this.#triangles === undefined || width === 0 || height === 0) return;
    const frame = this.#frameOf(width, height);
    this.#writeView(cameraOf(eye, width / height));
    const encoder = this.#device.createCommandEncoder();
    this.#encode(encoder, frame, this.#corners, this.#triangles);
    const { colour, staging, stride } = frame;
    encoder.copyTextureToBuffer({ texture: colour }, { buffer: staging, bytesPerRow: stride }, [width, height]);
    this.#device.queue.submit([encoder.finish()]);
    await staging.mapAsync(mapRead);
    this.#show(frame, new Uint8Array(staging.getMappedRange()));
    staging.unmap();
  }

  #encode(encoder: GPUCommandEncoder, { colour, depth }: Frame, corners: GPUBuffer, triangles: GPUBuffer): void {
    const [red, green, blue] = resolveColour('var(--surface)').map((part) => part / 255);
    const clearValue = [red!, green!, blue!, 1];
    const pass = encoder.beginRenderPass({
      colorAttachments: [{ view: colour.createView(), clearValue, loadOp: 'clear', storeOp: 'store' }],
      depthStencilAttachment: {
        view: depth.createView(),
        depthClearValue: 1,
        depthLoadOp: 'clear',
        depthStoreOp: 'discard',
      },
    });
    pass.setPipeline(this.#pipeline);
    pass.setBindGroup(0, this.#group);
    pass.setVertexBuffer(0, corners);
    pass.setIndexBuffer(triangles, 'uint32');
    // A single row or column has no triangles.
    if (this.#count > 0) pass.drawIndexed(this.#count);
    pass.end();
  }

  #show({ width, height, stride }: Frame, bytes: Uint8Array): void {
    if (this.#canvas.width !== width || this.#canvas.height !== height) return;
    // The padding at the end of each row falls beside the canvas.
    const image = new ImageData(new Uint8ClampedArray(bytes), stride / 4, height);
    this.#context ??= this.#canvas.getContext('2d', { willReadFrequently: true })!;
    this.#context.putImageData(image, 0, 0);
  }

  #writeView(camera: Float32Array): void {
    const stop = (i: number) => [...resolveColour(`var(--${this.#kind}-${i})`).map((part) => part / 255), 1];
    this.#device.queue.writeBuffer(this.#view, 0, Float32Array.of(...camera, ...[0, 1, 2, 3].flatMap(stop)));
  }

  #upload(data: Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>, kind: number): GPUBuffer {
    const buffer = this.#device.createBuffer({ size: Math.max(data.byteLength, 4), usage: kind | usage.COPY_DST });
    this.#device.queue.writeBuffer(buffer, 0, data);
    return buffer;
  }

  #frameOf(width: number, height: number): Frame {
    const old = this.#frame;
    if (old?.width === width && old.height === height) return old;
    for (const part of old ? [old.colour, old.depth, old.staging] : []) part.destroy();
    const stride = Math.ceil((4 * width) / 256) * 256;
    const texture = (format: GPUTextureFormat, use: number) =>
      this.#device.createTexture({ size: [width, height], format, usage: use });
    this.#frame = {
      width,
      height,
      stride,
      colour: texture(frameFormat, usage.RENDER_ATTACHMENT | usage.TEXTURE_COPY_SRC),
      depth: texture('depth24plus', usage.RENDER_ATTACHMENT),
      staging: this.#device.createBuffer({ size: stride * height, usage: usage.MAP_READ | usage.COPY_DST }),
    };
    return this.#frame;
  }
}
