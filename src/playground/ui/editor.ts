import {
  autocompletion,
  type CompletionSource,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap,
} from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import {
  bracketMatching,
  HighlightStyle,
  indentOnInput,
  indentUnit,
  type LanguageSupport,
  syntaxHighlighting,
} from '@codemirror/language';
import { type Diagnostic, lintGutter, lintKeymap, setDiagnostics } from '@codemirror/lint';
import { EditorState, type Extension } from '@codemirror/state';
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  keymap,
  lineNumbers,
} from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { h } from './dom.ts';

/** An editor of source text. */
export interface Editor {
  readonly element: HTMLElement;
  text(): string;
  /** Replaces the text without calling back. */
  show(text: string): void;
  /** Marks places: offsets into the text. */
  mark(problems: readonly Diagnostic[]): void;
  /** Brings a line (from 1) into sight and puts the cursor there. */
  goTo(line: number): void;
  focus(): void;
}

/** How an editor is made. */
export interface EditorOptions {
  readonly label: string;
  readonly language: LanguageSupport | Extension;
  readonly complete?: CompletionSource;
  readonly onChange: (text: string) => void;
  /** Ctrl-Enter or Cmd-Enter. */
  readonly onRun?: () => void;
}

const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.modifier], color: 'var(--accent)', fontWeight: '600' },
  { tag: [tags.propertyName, tags.typeName], color: 'var(--accent)' },
  { tag: [tags.string, tags.attributeName], color: 'var(--mantissa)' },
  { tag: [tags.number, tags.bool, tags.null], color: 'var(--sign)' },
  { tag: tags.comment, color: 'var(--ink-2)', fontStyle: 'italic' },
  { tag: [tags.function(tags.variableName), tags.standard(tags.variableName)], color: 'var(--ink)', fontWeight: '600' },
]);

const theme = EditorView.theme({
  '&': { color: 'var(--ink)', backgroundColor: 'var(--sunken)', fontSize: '0.84rem', maxHeight: '34rem' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '1.55', overflow: 'auto' },
  '.cm-content': { caretColor: 'var(--ink)' },
  '.cm-cursor': { borderLeftColor: 'var(--ink)' },
  '.cm-gutters': { backgroundColor: 'var(--sunken)', color: 'var(--ink-2)', border: 'none' },
  '.cm-activeLine': { backgroundColor: 'color-mix(in srgb, var(--accent-soft) 45%, transparent)' },
  '.cm-activeLineGutter': { backgroundColor: 'transparent', color: 'var(--ink)' },
  '&.cm-focused .cm-selectionBackground, .cm-selectionBackground': { backgroundColor: 'var(--accent-soft) !important' },
  '&.cm-focused': { outline: '2px solid var(--accent)' },
  '.cm-tooltip': { backgroundColor: 'var(--surface)', color: 'var(--ink)', border: '1px solid var(--line)' },
  '.cm-tooltip-autocomplete ul li[aria-selected]': { backgroundColor: 'var(--accent)', color: 'var(--on-accent)' },
  '.cm-completionInfo': { maxWidth: '20rem', padding: '0.5rem' },
  '.cm-diagnostic': { fontFamily: 'var(--sans)', borderLeft: '4px solid var(--bad)' },
});

const runCommand = (onRun: (() => void) | undefined) => (): boolean => {
  onRun?.();
  return onRun !== undefined;
};

/**
 * Builds an editor. It lives in a shadow tree: there its styles are constructed sheets, which a strict content security policy allows, where
 * in the page itself they would be style elements.
 */
export function createEditor(options: EditorOptions): Editor {
  const element = h('div', { class: 'editor' });
  const root = element.attachShadow({ mode: 'open' });
  let silent = false;
  const run: Extension = keymap.of([{ key: 'Mod-Enter', run: runCommand(options.onRun) }]);
  const extensions: Extension[] = [
    run,
    lineNumbers(),
    history(),
    drawSelection(),
    indentOnInput(),
    indentUnit.of('  '),
    bracketMatching(),
    closeBrackets(),
    highlightActiveLine(),
    highlightActiveLineGutter(),
    lintGutter(),
    // Tab leaves the editor, as everywhere on the page: a keyboard must not be caught.
    keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, ...completionKeymap, ...lintKeymap]),
    syntaxHighlighting(colours),
    theme,
    options.language,
    options.complete ? autocompletion({ override: [options.complete], icons: false }) : [],
    EditorView.contentAttributes.of({ 'aria-label': options.label, tabindex: '0' }),
    EditorView.updateListener.of((update) => {
      if (update.docChanged && !silent) options.onChange(update.state.doc.toString());
    }),
  ];
  const view = new EditorView({ root, parent: root, state: EditorState.create({ extensions }) });
  return {
    element,
    text: () => view.state.doc.toString(),
    show(text) {
      if (text === view.state.doc.toString()) return;
      silent = true;
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } });
      silent = false;
    },
    mark: (problems) => view.dispatch(setDiagnostics(view.state, problems)),
    goTo(line) {
      const at = view.state.doc.line(Math.min(Math.max(line, 1), view.state.doc.lines)).from;
      view.dispatch({ selection: { anchor: at }, effects: EditorView.scrollIntoView(at, { y: 'center' }) });
    },
    focus: () => view.focus(),
  };
}
