import { indentService, LanguageSupport, StreamLanguage, type StringStream } from '@codemirror/language';
import { tags } from '@lezer/highlight';

const words = (text: string): ReadonlySet<string> => new Set(text.split(' '));

const keywords = words(
  'alias break case const const_assert continue continuing default diagnostic discard else enable fn for if let loop override requires return struct switch var while',
);
const types = words(
  'array atomic bool f16 f32 i32 u32 mat2x2 mat2x3 mat2x4 mat3x2 mat3x3 mat3x4 mat4x2 mat4x3 mat4x4 ptr sampler vec2 vec3 vec4 texture_2d texture_storage_2d',
);
const constants = words('true false');
const spaces = words('function private workgroup uniform storage read write read_write');

/** Depth of nested block comments, which WGSL allows. */
interface State {
  comment: number;
}

function blockComment(stream: StringStream, state: State): string {
  while (!stream.eol()) {
    if (stream.match('/*')) state.comment++;
    else if (stream.match('*/')) {
      state.comment--;
      if (state.comment === 0) break;
    } else stream.next();
  }
  return 'comment';
}

/** The kind of the next word or sign of WGSL; `#include` lines are the linker's. */
function token(stream: StringStream, state: State): string | null {
  if (state.comment > 0) return blockComment(stream, state);
  if (stream.eatSpace()) return null;
  if (stream.match('//')) {
    stream.skipToEnd();
    return 'comment';
  }
  if (stream.match('/*')) {
    state.comment = 1;
    return blockComment(stream, state);
  }
  if (stream.sol() && stream.match(/^#include\b/)) return 'keyword';
  if (stream.match(/^"[^"]*"/)) return 'string';
  if (stream.match(/^@\w+/)) return 'attributeName';
  if (stream.match(/^(0[xX][\da-fA-F]+[iu]?|\d*\.?\d+([eE][+-]?\d+)?[iufh]?)/)) return 'number';
  const word = stream.match(/^[A-Za-z_]\w*/) as RegExpMatchArray | null;
  if (word === null) {
    stream.next();
    return null;
  }
  if (keywords.has(word[0])) return 'keyword';
  if (types.has(word[0]) || spaces.has(word[0])) return 'typeName';
  if (constants.has(word[0])) return 'bool';
  return stream.match(/^\s*\(/, false) ? 'functionName' : 'variableName';
}

/** A line stands as the one before it, deeper behind an opening brace, shallower where it closes one. */
const indentByBraces = indentService.of((context, at) => {
  const { text, from } = context.lineAt(at, -1);
  if (at === from && from === 0) return 0;
  const before = at === from ? context.lineAt(from - 1, -1) : { text, from };
  const opens = /[{(]\s*$/.test(before.text) ? context.unit : 0;
  const closes = /^\s*[})]/.test(context.textAfterPos(at)) ? context.unit : 0;
  return Math.max(context.lineIndent(before.from) + opens - closes, 0);
});

/** WGSL for the editor: colours, comments, indentation by braces. */
export const wgsl = new LanguageSupport(
  StreamLanguage.define<State>({
    name: 'wgsl',
    startState: () => ({ comment: 0 }),
    token,
    languageData: {
      commentTokens: { line: '//', block: { open: '/*', close: '*/' } },
      closeBrackets: { brackets: ['(', '[', '{'] },
    },
    tokenTable: { functionName: tags.function(tags.variableName) },
  }),
  [indentByBraces],
);
