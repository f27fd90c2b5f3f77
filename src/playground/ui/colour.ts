import { noLevel } from './levels.ts';

/** A colour as red, green and blue from 0 to 255. */
export type Rgb = readonly [red: number, green: number, blue: number];

let probe: HTMLElement | undefined;

/** Colours that were asked for, under one theme: each answer makes the browser settle the page's styles. */
let resolved = new Map<string, Rgb>();
let theme = '';

/** The theme that is shown: what was chosen, else what the system says. */
function shownTheme(): string {
  return document.documentElement.dataset.theme ?? String(matchMedia('(prefers-color-scheme: dark)').matches);
}

/** The colour that a CSS expression has now, under the theme shown: `var(--accent)`. */
export function resolveColour(expression: string): Rgb {
  const now = shownTheme();
  if (now !== theme) {
    theme = now;
    resolved = new Map();
  }
  const known = resolved.get(expression) ?? askBrowser(expression);
  resolved.set(expression, known);
  return known;
}

function askBrowser(expression: string): Rgb {
  if (probe === undefined) {
    probe = document.createElement('span');
    probe.hidden = true;
    document.body.append(probe);
  }
  probe.style.color = expression;
  const numbers = getComputedStyle(probe)
    .color.match(/[\d.]+/g)
    ?.map(Number) ?? [0, 0, 0];
  return [numbers[0]!, numbers[1]!, numbers[2]!];
}

/** `rgb(1, 2, 3)`. */
export const cssColour = ([red, green, blue]: Rgb): string => `rgb(${red}, ${green}, ${blue})`;

/** A scale of colours by level, 0 to 254. */
export type Ramp = readonly Rgb[];

function between(stops: readonly Rgb[], share: number): Rgb {
  const place = share * (stops.length - 1);
  const at = Math.min(Math.floor(place), stops.length - 2);
  const [low, high] = [stops[at]!, stops[at + 1]!];
  return [0, 1, 2].map((i) => Math.round(low[i]! + (high[i]! - low[i]!) * (place - at))) as unknown as Rgb;
}

/** The page's own scales: `value` for magnitudes, `error` for what was lost. */
export function themeRamp(kind: 'value' | 'error'): Ramp {
  const stops = [0, 1, 2, 3].map((i) => resolveColour(`var(--${kind}-${i})`));
  return Array.from({ length: noLevel }, (_, level) => between(stops, level / (noLevel - 1)));
}

/** Pixels by level, as ImageData has them: red in the lowest byte. The last stands for cells without a value. */
export function themePixels(kind: 'value' | 'error'): Uint32Array {
  const colours = [...themeRamp(kind), resolveColour('var(--sign-soft)')];
  return Uint32Array.from(colours, ([red, green, blue]) => (0xff000000 | (blue << 16) | (green << 8) | red) >>> 0);
}
