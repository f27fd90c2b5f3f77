/** A colour as red, green and blue from 0 to 255. */
export type Rgb = readonly [red: number, green: number, blue: number];

let probe: HTMLElement | undefined;

/** The colour that a CSS expression has now, under the theme shown: `var(--accent)`. */
export function resolveColour(expression: string): Rgb {
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

/** A scale of colours from 0 to 1, 256 steps. */
export type Ramp = (share: number) => Rgb;

/** Colours that run evenly through the stops. */
export function ramp(stops: readonly Rgb[]): Ramp {
  const steps = Array.from({ length: 256 }, (_, i) => between(stops, i / 255));
  return (share) => steps[Math.round(Math.min(Math.max(share, 0), 1) * 255)] ?? steps[0]!;
}

function between(stops: readonly Rgb[], share: number): Rgb {
  const place = share * (stops.length - 1);
  const at = Math.min(Math.floor(place), stops.length - 2);
  const [low, high] = [stops[at]!, stops[at + 1]!];
  return [0, 1, 2].map((i) => Math.round(low[i]! + (high[i]! - low[i]!) * (place - at))) as unknown as Rgb;
}

/** The page's own scales: `value` for magnitudes, `error` for what was lost. */
export function themeRamp(kind: 'value' | 'error'): Ramp {
  const names = [0, 1, 2, 3].map((i) => `var(--${kind}-${i})`);
  return ramp(names.map(resolveColour));
}
