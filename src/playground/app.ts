import { Fp8labError } from '../errors.ts';
import { adapterBadge } from './badge.ts';
import { keepOffline } from './offline/keep.ts';
import type { PageModule, PageView } from './page.ts';
import { type PageEntry, pages } from './pages/index.ts';
import type { Services } from './services/services.ts';
import { linkLimit, readLink, readState, writeLink } from './state.ts';
import { createTour } from './tour.ts';
import { errorNotice, notice, pageFoot, pageHead } from './ui/blocks.ts';
import { button } from './ui/controls.ts';
import { type Child, fill, h } from './ui/dom.ts';
import { after, nextFrame, paced } from './ui/frame.ts';
import { themeButton } from './ui/theme.ts';

type State = Record<string, unknown>;

/** The page that is on the screen. */
interface Shown {
  readonly entry: PageEntry;
  readonly module: PageModule<State>;
  readonly view: PageView<State>;
  readonly leave: AbortController;
  state: State;
}

/** Milliseconds between two writings of the address: Chromium leaves those past 200 in ten seconds undone. */
const addressPause = 60;

/** Builds the frame into `root` and follows the address from then on. */
export function startApp(root: HTMLElement, services: Services): void {
  const notices = h('div', { class: 'notices' });
  const welcomed = h('div', {});
  const content = h('div', { id: 'content' });
  const live = h('div', { class: 'hidden', role: 'status', 'aria-live': 'polite' });
  const links = pages.map(({ name, title }) => h('a', { href: `#/${name}?v=1` }, title));
  const tour = createTour((hash) => {
    location.hash = hash;
  });
  let shown: Shown | undefined;
  let loading: object | undefined;

  const tell = (kind: 'info' | 'bad', ...children: readonly Child[]) => notices.append(notice(kind, ...children));
  const tellProblems = (problems: readonly string[]) => {
    if (problems.length === 0) return;
    const items = problems.map((problem) => h('li', {}, problem));
    tell(
      'bad',
      h('p', {}, h('strong', {}, 'Part of this link cannot be used; defaults stand in its place.')),
      h('ul', {}, items),
    );
  };

  let told = '';
  /** Says once that the address does not hold all of the state any more. */
  const tellLeft = (left: readonly string[]) => {
    const names = left.join(', ');
    if (names !== '' && names !== told)
      tell('info', h('p', {}, `A link holds ${linkLimit.toLocaleString('en')} characters: it leaves out ${names}.`));
    told = names;
  };
  const hashOf = (page: Shown) => writeLink(page.entry.name, page.module.fields, page.state).hash;

  /** Writes the state into the address. Replaced, not pushed: a slider must not fill the way back. */
  const writeAddress = paced(after(addressPause), (page: Shown) => {
    if (page !== shown) return;
    const { hash, left } = writeLink(page.entry.name, page.module.fields, page.state);
    history.replaceState(null, '', hash);
    tellLeft(left);
  });
  const followState = paced(nextFrame, (page: Shown) => {
    if (page !== shown) return;
    writeAddress(page);
    page.view.update(page.state);
  });
  const set = (page: Shown, change: Partial<State>) => {
    page.state = { ...page.state, ...change };
    followState(page);
  };

  const mount = (entry: PageEntry, module: PageModule<State>, state: State) => {
    const leave = new AbortController();
    const body = h('div', { class: 'stack' });
    fill(content, pageHead(module.intro), body, pageFoot(module.intro));
    document.title = `${module.intro.title} · fp8lab`;
    const page = { entry, module, leave, state } as { -readonly [K in keyof Shown]: Shown[K] };
    shown = page;
    page.view = module.mount(body, {
      services,
      state,
      signal: leave.signal,
      set: (change) => set(page, change),
      say: (text) => fill(live, text),
      link: () => `${location.href.replace(/#.*$/, '')}${hashOf(page)}`,
      tell,
    });
    page.view.update(state);
    performance.mark('page-shown');
    for (const [i, { name }] of pages.entries()) {
      if (name === entry.name) links[i]!.setAttribute('aria-current', 'page');
      else links[i]!.removeAttribute('aria-current');
    }
    links[pages.indexOf(entry)]?.scrollIntoView({ block: 'nearest', inline: 'center' });
  };

  const follow = async (first: boolean) => {
    const link = readLink(location.hash);
    const entry = pages.find(({ name }) => name === link.page);
    const problems = [...link.problems];
    if (entry === undefined && link.page !== '') problems.push(`there is no page "${link.page.slice(0, 40)}"`);
    const wanted = entry ?? pages[0]!;
    const mine = {};
    loading = mine;
    try {
      const module = (await loadPage(wanted)) as unknown as PageModule<State>;
      if (loading !== mine) return;
      const { state, problems: wrong } = readState(module.fields, link.parameters);
      fill(notices);
      fill(welcomed, link.page === '' && welcome(tour.start));
      tellProblems([...problems, ...wrong]);
      if (shown?.entry === wanted) {
        shown.state = state;
        shown.view.update(state);
        return;
      }
      shown?.leave.abort();
      mount(wanted, module, state);
      if (first) return;
      scrollTo({ top: 0, behavior: 'instant' });
      if (!document.body.classList.contains('with-tour')) content.querySelector('h1')?.focus({ preventScroll: true });
    } catch (error) {
      fill(content, errorNotice(error));
    }
  };

  const themes = themeButton(() => shown?.view.update(shown.state));
  root.append(
    h('a', { class: 'skip', href: '#content', on: { click: skip } }, 'Skip to the content'),
    h(
      'header',
      { class: 'bar' },
      h(
        'div',
        { class: 'bar-inner' },
        h('a', { class: 'brand', href: '#/', 'aria-label': 'fp8lab, first page' }, 'fp8', h('b', {}, 'lab')),
        h('nav', { class: 'nav', 'aria-label': 'Pages' }, links),
        adapterBadge(services),
        themes,
      ),
    ),
    h('main', {}, notices, welcomed, content),
    footer(tour.start),
    tour.element,
    live,
  );
  addEventListener('hashchange', () => void follow(false));
  void follow(true);
}

/** A page's code. A tab that outlived two newer builds, or its server, cannot get it any more. */
async function loadPage(entry: PageEntry): Promise<PageModule<never>> {
  try {
    return await entry.load();
  } catch (cause) {
    throw new Fp8labError(`the page ${entry.title} could not be loaded`, {
      kind: 'environment',
      code: 'page-not-loaded',
      where: entry.name,
      fix: 'reload: the server is away, or a newer build has taken the place of this one',
      cause,
    });
  }
}

/** The skip link moves the focus; the address belongs to the pages. */
function skip(event: Event): void {
  event.preventDefault();
  document.querySelector<HTMLElement>('#content h1')?.focus();
}

/** What a first visitor has to know, and what to do first. */
function welcome(startTour: () => void): HTMLElement {
  return h(
    'aside',
    { class: 'panel welcome', 'aria-label': 'What fp8lab is' },
    h(
      'p',
      {},
      h('strong', {}, 'fp8lab computes DeepSeek-V3’s FP8 kernels with the same bits everywhere: '),
      'in a plain reference, in WGSL on your GPU, and as Hopper’s tensor cores do. Every page takes one step of it apart, live in this browser.',
    ),
    h(
      'div',
      { class: 'row' },
      h('a', { class: 'primary', href: '#/parity?v=1' }, 'Check this GPU against an H100'),
      button('Take the tour: five steps', startTour, { id: 'tour-welcome' }),
      h('a', { href: '#/workbench?v=1' }, 'Change a kernel and see which bits differ'),
    ),
  );
}

function footer(startTour: () => void): HTMLElement {
  const kept = h('span', { id: 'offline', role: 'status' });
  void keepOffline().then((ready) => {
    kept.dataset.kept = String(ready);
    if (ready) fill(kept, 'Kept on this machine: it opens without a network, too.');
  });
  return h(
    'footer',
    { class: 'foot' },
    h(
      'div',
      { class: 'foot-inner' },
      h('span', {}, 'What runs here is fp8lab’s own library and WGSL, in your browser.'),
      h('span', {}, 'Files never leave this machine; nothing but the page’s own files is fetched.'),
      kept,
      button('Take the tour: five steps', startTour, { kind: 'link', id: 'tour-start' }),
    ),
  );
}
