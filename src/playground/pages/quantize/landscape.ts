import { button } from '../../ui/controls.ts';
import { fill, h } from '../../ui/dom.ts';
import { canvasRenderer } from './landscape-2d.ts';
import { gpuRenderer, type SurfaceRenderer } from './landscape-gpu.ts';
import { type Eye, firstEye, moveEye } from './surface.ts';
import type { Surface } from './view.ts';

/** A surface that can be walked around: by mouse, by touch, by keys. Drawn with WebGPU, without it on a plain canvas. */
export interface Landscape {
  readonly element: HTMLElement;
  show(surface: Surface, kind: 'value' | 'error', label: string): void;
  canvas(): HTMLCanvasElement;
}

const keys: Readonly<Record<string, readonly [turn: number, tilt: number, zoom: number]>> = {
  ArrowLeft: [0.12, 0, 1],
  ArrowRight: [-0.12, 0, 1],
  ArrowUp: [0, 0.08, 1],
  ArrowDown: [0, -0.08, 1],
  '+': [0, 0, 0.88],
  '=': [0, 0, 0.88],
  '-': [0, 0, 1.14],
};

/** Builds an empty landscape; `onLose` is told how its device is given up, which also happens once the page is `gone`. */
export function landscape(onLose: (lose: () => void) => void, gone: AbortSignal): Landscape {
  const holder = h('div', { class: 'landscape' });
  const drawnWith = h('span', {});
  let canvas = createCanvas();
  let renderer: SurfaceRenderer | undefined;
  let eye: Eye = firstEye;
  let last: { surface: Surface; kind: 'value' | 'error'; label: string } | undefined;
  let frame = 0;

  const redraw = () => {
    cancelAnimationFrame(frame);
    if (last === undefined) return;
    frame = requestAnimationFrame(() =>
      renderer?.draw(eye, () => {
        canvas.dataset.drawn = 'true';
      }),
    );
  };
  const size = () => {
    const width = Math.min(Math.round(holder.clientWidth * devicePixelRatio), 2000);
    const height = Math.round(width * (holder.clientWidth < 560 ? 0.75 : 0.46));
    // Setting a size clears the canvas, even to the same one.
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    redraw();
  };
  function createCanvas(): HTMLCanvasElement {
    return h('canvas', { tabindex: '0', role: 'application', 'aria-roledescription': 'landscape' });
  }
  const move = (turn: number, tilt: number, zoom: number) => {
    eye = moveEye(eye, turn, tilt, zoom);
    redraw();
  };
  const use = (next: SurfaceRenderer, how: string) => {
    renderer = next;
    canvas.dataset.renderer = how;
    fill(drawnWith, how === 'webgpu' ? 'drawn with WebGPU' : 'drawn without WebGPU');
    if (last) renderer.show(last.surface, last.kind);
    size();
  };
  /** A canvas that had a WebGPU context has no other: a new one takes its place. */
  const fallBack = () => {
    if (gone.aborted) return;
    canvas = createCanvas();
    listen(canvas, move);
    fill(holder, canvas);
    if (last) canvas.setAttribute('aria-label', last.label);
    use(canvasRenderer(canvas), 'canvas');
  };
  listen(canvas, move);
  fill(holder, canvas);
  new ResizeObserver(size).observe(holder);
  void gpuRenderer(canvas, fallBack).then(
    (found) => {
      if (found === undefined) return fallBack();
      onLose(() => found.destroy());
      gone.addEventListener('abort', () => found.destroy());
      use(found, 'webgpu');
    },
    () => fallBack(),
  );

  const reset = button(
    'Turn back',
    () => {
      eye = firstEye;
      redraw();
    },
    { kind: 'quiet' },
  );
  const element = h(
    'div',
    { class: 'stack' },
    holder,
    h(
      'div',
      { class: 'row small quiet' },
      h('span', {}, 'Drag to turn, wheel or two fingers to zoom; keys: arrows, + and −.'),
      drawnWith,
      reset,
    ),
  );
  return {
    element,
    canvas: () => canvas,
    show(surface, kind, label) {
      last = { surface, kind, label };
      canvas.setAttribute('aria-label', `${label}; arrow keys turn it`);
      renderer?.show(surface, kind);
      redraw();
    },
  };
}

function listen(canvas: HTMLCanvasElement, move: (turn: number, tilt: number, zoom: number) => void): void {
  const pointers = new Map<number, { x: number; y: number }>();
  const spread = () => {
    const [a, b] = [...pointers.values()];
    return a && b ? Math.hypot(a.x - b.x, a.y - b.y) : 0;
  };
  canvas.addEventListener('pointerdown', (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  });
  canvas.addEventListener('pointermove', (event) => {
    const before = pointers.get(event.pointerId);
    if (before === undefined) return;
    const wide = spread();
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (pointers.size === 2 && wide > 0) move(0, 0, wide / Math.max(spread(), 1));
    else if (pointers.size === 1) move((before.x - event.clientX) * 0.008, (event.clientY - before.y) * 0.006, 1);
  });
  for (const type of ['pointerup', 'pointercancel'] as const)
    canvas.addEventListener(type, (event) => pointers.delete(event.pointerId));
  canvas.addEventListener(
    'wheel',
    (event) => {
      // The page scrolls past unless the reader means the picture.
      if (document.activeElement !== canvas && !event.ctrlKey) return;
      event.preventDefault();
      move(0, 0, Math.exp(event.deltaY * 0.001));
    },
    { passive: false },
  );
  canvas.addEventListener('keydown', (event) => {
    const step = keys[event.key];
    if (step === undefined) return;
    event.preventDefault();
    move(...step);
  });
}
