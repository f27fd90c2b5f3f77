/** A file's bytes from header text and data, the length put before it as the format wants. */
export function rawFile(header: string | Uint8Array, data: Uint8Array | number = 0, length?: bigint): Uint8Array {
  const text = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  const body = typeof data === 'number' ? new Uint8Array(data) : data;
  const bytes = new Uint8Array(8 + text.length + body.length);
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(body, 8 + text.length);
  return bytes;
}

const entry = (dtype: string, shape: unknown, begin: unknown, end: unknown): string =>
  `{"dtype":"${dtype}","shape":${JSON.stringify(shape)},"data_offsets":[${begin},${end}]}`;

/** A hostile or broken file and the code of the error that must meet it. */
export interface Attack {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly code: string;
}

/** Broken and hostile files, each wrong in one way. */
export const attacks: readonly Attack[] = [
  { name: 'an empty file', bytes: new Uint8Array(0), code: 'truncated-header' },
  { name: 'seven bytes', bytes: new Uint8Array(7), code: 'truncated-header' },
  { name: 'a header of length 0', bytes: rawFile('', 8), code: 'header-not-json' },
  { name: 'a header length past 2^63', bytes: rawFile('{}', 0, 0xffff_ffff_ffff_ffffn), code: 'header-too-large' },
  { name: 'a header length of 100 MB and a byte', bytes: rawFile('{}', 0, 100_000_001n), code: 'header-too-large' },
  { name: 'a header that passes the end', bytes: rawFile('{}', 0, 3n), code: 'truncated-header' },
  { name: 'a header that is not UTF-8', bytes: rawFile(Uint8Array.of(0x7b, 0xff, 0x7d)), code: 'header-not-utf8' },
  { name: 'a byte order mark', bytes: rawFile('\ufeff{}'), code: 'header-not-json' },
  { name: 'a space before the brace', bytes: rawFile(' {}'), code: 'header-not-json' },
  { name: 'an array', bytes: rawFile('[]'), code: 'header-not-json' },
  { name: 'JSON that stops', bytes: rawFile('{"a":'), code: 'header-not-json' },
  { name: 'text after the object', bytes: rawFile('{}{}'), code: 'header-not-json' },
  { name: 'zero bytes after the object', bytes: rawFile('{}\0\0'), code: 'header-not-json' },
  { name: 'a hundred thousand open braces', bytes: rawFile('{"a":'.repeat(100_000)), code: 'header-not-json' },
  {
    name: 'a tower of arrays',
    bytes: rawFile(`{"a":${'['.repeat(5000)}${']'.repeat(5000)}}`),
    code: 'bad-tensor-entry',
  },
  { name: 'metadata that is a number', bytes: rawFile('{"__metadata__":1}'), code: 'bad-metadata' },
  { name: 'metadata that holds a number', bytes: rawFile('{"__metadata__":{"a":1}}'), code: 'bad-metadata' },
  { name: 'metadata that is a list', bytes: rawFile('{"__metadata__":[]}'), code: 'bad-metadata' },
  { name: 'metadata twice', bytes: rawFile('{"__metadata__":{},"__metadata__":{}}'), code: 'duplicate-key' },
  { name: 'a metadata key twice', bytes: rawFile('{"__metadata__":{"a":"1","a":"2"}}'), code: 'duplicate-key' },
  {
    name: 'a tensor twice',
    bytes: rawFile(`{"a":${entry('U8', [1], 0, 1)},"a":${entry('U8', [1], 0, 1)}}`, 1),
    code: 'duplicate-key',
  },
  {
    name: 'a tensor twice, once by an escape',
    bytes: rawFile(`{"a":${entry('U8', [1], 0, 1)},"\\u0061":${entry('U8', [1], 0, 1)}}`, 1),
    code: 'duplicate-key',
  },
  {
    name: 'a field twice',
    bytes: rawFile('{"a":{"dtype":"U8","dtype":"F32","shape":[1],"data_offsets":[0,1]}}', 1),
    code: 'duplicate-key',
  },
  {
    name: 'a tensor named __proto__',
    bytes: rawFile(`{"__proto__":${entry('U8', [0], 0, 0)}}`),
    code: 'forbidden-name',
  },
  { name: 'a lone surrogate', bytes: rawFile(`{"\\ud800":${entry('U8', [0], 0, 0)}}`), code: 'forbidden-name' },
  { name: 'a tensor that is null', bytes: rawFile('{"a":null}'), code: 'bad-tensor-entry' },
  { name: 'a field too few', bytes: rawFile('{"a":{"dtype":"U8","shape":[0]}}'), code: 'bad-tensor-entry' },
  {
    name: 'a field too many',
    bytes: rawFile('{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":0}}'),
    code: 'bad-tensor-entry',
  },
  { name: 'an unknown dtype', bytes: rawFile(`{"a":${entry('F7', [0], 0, 0)}}`), code: 'unknown-dtype' },
  {
    name: 'a dtype of ours that the format lacks',
    bytes: rawFile(`{"a":${entry('E5M6', [0], 0, 0)}}`),
    code: 'unknown-dtype',
  },
  {
    name: 'a dtype named as a method',
    bytes: rawFile(`{"a":${entry('constructor', [0], 0, 0)}}`),
    code: 'unknown-dtype',
  },
  {
    name: 'a dtype that is a list',
    bytes: rawFile('{"a":{"dtype":["U8"],"shape":[0],"data_offsets":[0,0]}}'),
    code: 'unknown-dtype',
  },
  { name: 'a negative extent', bytes: rawFile(`{"a":${entry('U8', [-1], 0, 0)}}`), code: 'bad-number' },
  { name: 'a fractional extent', bytes: rawFile(`{"a":${entry('U8', [1.5], 0, 1)}}`, 1), code: 'bad-number' },
  {
    name: 'an extent in exponent form',
    bytes: rawFile('{"a":{"dtype":"U8","shape":[1e0],"data_offsets":[0,1]}}', 1),
    code: 'bad-number',
  },
  { name: 'minus zero', bytes: rawFile('{"a":{"dtype":"U8","shape":[0],"data_offsets":[-0,0]}}'), code: 'bad-number' },
  {
    name: 'an extent of 2^53',
    bytes: rawFile('{"a":{"dtype":"U8","shape":[9007199254740992],"data_offsets":[0,0]}}'),
    code: 'bad-shape',
  },
  { name: 'an extent that is text', bytes: rawFile(`{"a":${entry('U8', ['1'], 0, 1)}}`, 1), code: 'bad-shape' },
  { name: 'a shape that is a number', bytes: rawFile(`{"a":${entry('U8', 1, 0, 1)}}`, 1), code: 'bad-shape' },
  {
    name: 'three offsets',
    bytes: rawFile('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,1]}}', 1),
    code: 'bad-offsets',
  },
  { name: 'offsets backwards', bytes: rawFile(`{"a":${entry('U8', [1], 1, 0)}}`, 1), code: 'bad-offsets' },
  {
    name: 'offsets past 2^53',
    bytes: rawFile(`{"a":${entry('U8', [1], '9007199254740993', '9007199254740994')}}`),
    code: 'bad-offsets',
  },
  {
    name: 'a huge shape with no data',
    bytes: rawFile(`{"a":${entry('F32', [2 ** 40, 2 ** 40], 0, 4)}}`, 4),
    code: 'size-mismatch',
  },
  {
    name: 'a product that is 2^64 times the right one',
    bytes: rawFile(`{"a":${entry('U8', [2 ** 32, 2 ** 32, 1], 0, 0)}}`),
    code: 'size-mismatch',
  },
  { name: 'half a byte', bytes: rawFile(`{"a":${entry('F4', [3], 0, 2)}}`, 2), code: 'size-mismatch' },
  {
    name: 'a tensor too short for its shape',
    bytes: rawFile(`{"a":${entry('F32', [2], 0, 4)}}`, 4),
    code: 'size-mismatch',
  },
  { name: 'a hole at the start', bytes: rawFile(`{"a":${entry('U8', [1], 1, 2)}}`, 2), code: 'gap' },
  {
    name: 'a hole between tensors',
    bytes: rawFile(`{"a":${entry('U8', [1], 0, 1)},"b":${entry('U8', [1], 2, 3)}}`, 3),
    code: 'gap',
  },
  {
    name: 'tensors that overlap',
    bytes: rawFile(`{"a":${entry('U8', [2], 0, 2)},"b":${entry('U8', [2], 1, 3)}}`, 3),
    code: 'overlap',
  },
  {
    name: 'tensors that share their bytes',
    bytes: rawFile(`{"a":${entry('U8', [2], 0, 2)},"b":${entry('U8', [2], 0, 2)}}`, 2),
    code: 'overlap',
  },
  { name: 'data cut by a byte', bytes: rawFile(`{"a":${entry('U8', [2], 0, 2)}}`, 1), code: 'truncated-data' },
  { name: 'a byte too much', bytes: rawFile(`{"a":${entry('U8', [2], 0, 2)}}`, 3), code: 'trailing-bytes' },
  { name: 'data without tensors', bytes: rawFile('{}', 1), code: 'trailing-bytes' },
  {
    name: 'an E5M6 list that names no tensor',
    bytes: rawFile(`{"__metadata__":{"fp8lab.e5m6":"{\\"a\\":[8]}"}}`),
    code: 'bad-metadata',
  },
  {
    name: 'an E5M6 shape that does not fit',
    bytes: rawFile(`{"__metadata__":{"fp8lab.e5m6":"{\\"a\\":[9]}"},"a":${entry('U8', [12], 0, 12)}}`, 12),
    code: 'bad-metadata',
  },
];
