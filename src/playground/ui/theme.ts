import { fill, h, s } from './dom.ts';

type Theme = 'light' | 'dark';
const key = 'fp8lab-theme';

const system = () => (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');

/** Storage may be refused (private windows): the theme then lasts as long as the page. */
function stored(): Theme | undefined {
  try {
    const value = localStorage.getItem(key);
    return value === 'light' || value === 'dark' ? value : undefined;
  } catch {
    return undefined;
  }
}

function store(theme: Theme): void {
  try {
    localStorage.setItem(key, theme);
  } catch {
    // The choice still holds for this page.
  }
}

const moon = () =>
  s('path', {
    d: 'M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5Z',
    fill: 'none',
    stroke: 'currentColor',
    'stroke-width': '1.8',
    'stroke-linejoin': 'round',
  });
const sun = () => [
  s('circle', { cx: 12, cy: 12, r: 4.2, fill: 'none', stroke: 'currentColor', 'stroke-width': '1.8' }),
  s('path', {
    d: 'M12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4',
    stroke: 'currentColor',
    'stroke-width': '1.8',
    'stroke-linecap': 'round',
  }),
];

/** A button between light and dark; follows the system until it is used. `onChange` is called whenever the colours change. */
export function themeButton(onChange: () => void): HTMLButtonElement {
  const picture = s('svg', { viewBox: '0 0 24 24', 'aria-hidden': 'true' });
  const element = h('button', { type: 'button', class: 'icon', on: { click: () => use(other()) } }, picture);
  const current = () => (document.documentElement.dataset.theme as Theme | undefined) ?? system();
  const other = (): Theme => (current() === 'dark' ? 'light' : 'dark');
  const show = () => {
    element.setAttribute('aria-label', `Switch to ${other()} colours`);
    fill(picture, other() === 'dark' ? moon() : sun());
  };
  const use = (theme: Theme) => {
    document.documentElement.dataset.theme = theme;
    store(theme);
    show();
    onChange();
  };
  const saved = stored();
  if (saved !== undefined) document.documentElement.dataset.theme = saved;
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    show();
    onChange();
  });
  show();
  return element;
}
