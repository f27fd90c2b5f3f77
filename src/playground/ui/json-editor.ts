import type { CompletionContext, CompletionResult } from '@codemirror/autocomplete';
import { json } from '@codemirror/lang-json';
import { findNodeAtLocation, getLocation, type JSONPath, type ParseError, parse, parseTree } from 'jsonc-parser';
import type { SentError } from '../../backends/sent-error.ts';
import { choicesAt, fieldsAt, type Schema } from '../services/json-schema.ts';
import { createEditor, type Editor } from './editor.ts';

/** An editor of JSON that completes by a schema. */
export interface JsonEditor extends Editor {
  /** Marks what is wrong: where the JSON breaks off, or the field that the error names. */
  blame(error: SentError | undefined): void;
}

/** Builds a JSON editor for a schema. */
export function createJsonEditor(options: {
  readonly label: string;
  readonly schema: Schema;
  readonly onChange: (text: string) => void;
  readonly onRun: () => void;
}): JsonEditor {
  const complete = (context: CompletionContext): CompletionResult | null => completions(context, options.schema);
  const editor = createEditor({ ...options, language: json(), complete });
  return {
    ...editor,
    blame(error) {
      const text = editor.text();
      if (error === undefined) return editor.mark([]);
      const [from, to] = error.code === 'bad-json' ? brokenAt(text) : rangeOf(text, error.where);
      editor.mark([
        {
          from,
          to: Math.max(to, Math.min(from + 1, text.length)),
          severity: 'error',
          message: `${error.message}. ${error.fix}`,
        },
      ]);
    },
  };
}

/** The path in `spec: a.scheme.tile[1]`. */
export function pathOf(where: string): JSONPath {
  const text = where.replace(/^[^:]*:?\s*/, '');
  return text === ''
    ? []
    : text
        .split(/[.[\]]+/)
        .filter((part) => part !== '')
        .map((part) => (/^\d+$/.test(part) ? Number(part) : part));
}

/** Where JSON breaks off. */
function brokenAt(text: string): readonly [from: number, to: number] {
  const errors: ParseError[] = [];
  parse(text, errors);
  const { offset, length } = errors[0] ?? { offset: text.length, length: 0 };
  return [Math.min(offset, text.length), Math.min(offset + length, text.length)];
}

/** Place of the field that an error names, or of the nearest one around it. */
function rangeOf(text: string, where: string): readonly [from: number, to: number] {
  const tree = parseTree(text);
  for (let path = pathOf(where); tree !== undefined; path = path.slice(0, -1)) {
    const node = findNodeAtLocation(tree, path);
    if (node !== undefined) return [node.offset, node.offset + (path.length === 0 ? 1 : node.length)];
    if (path.length === 0) break;
  }
  return [0, Math.min(1, text.length)];
}

function completions(context: CompletionContext, schema: Schema): CompletionResult | null {
  const text = context.state.doc.toString();
  const { path, isAtPropertyKey } = getLocation(text, context.pos);
  const word = context.matchBefore(/"?[\w.-]*/);
  if (word === null || (word.from === word.to && !context.explicit)) return null;
  const quoted = (name: string) => `"${name}"`;
  const after = text.slice(context.pos).startsWith('"') ? context.pos + 1 : undefined;
  const range = { from: word.from, to: after };
  if (isAtPropertyKey) {
    const present = parseTree(text);
    const options = fieldsAt(schema, path.slice(0, -1), present).map(({ name, description }) => ({
      label: quoted(name),
      apply: text.slice(context.pos).match(/^"?\s*:/) ? quoted(name) : `${quoted(name)}: `,
      info: description,
      type: 'property',
    }));
    return { ...range, options, validFor: /^"?[\w.-]*"?$/ };
  }
  const options = choicesAt(schema, path, parseTree(text)).map((choice) => ({
    label: JSON.stringify(choice),
    type: 'constant',
  }));
  return options.length === 0 ? null : { ...range, options, validFor: /^"?[\w.-]*"?$/ };
}
