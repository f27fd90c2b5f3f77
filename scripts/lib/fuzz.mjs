// Fuzz targets: the safetensors parser and the spec resolver. Each case either passes a check or is refused with the project's own error.

/** Small, seedable generator of u32 words (splitmix32), so that a failing case is known by seed and number. */
export function randomOf(seed) {
  let state = seed >>> 0;
  const word = () => {
    state = (state + 0x9e3779b9) | 0;
    let z = state ^ (state >>> 16);
    z = Math.imul(z, 0x21f0aaad);
    z ^= z >>> 15;
    z = Math.imul(z, 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
  const below = (n) => word() % n;
  return { word, below, pick: (list) => list[below(list.length)], chance: (share) => word() < share * 2 ** 32 };
}

const widths = { F32: 4, BF16: 2, F16: 2, F8_E4M3: 1, F8_E5M2: 1, F8_E8M0: 1, I64: 8, U8: 1, BOOL: 1, I32: 4 };

/** A valid file: its header as an object, and its bytes. */
function validFile(random) {
  const header = {};
  if (random.chance(0.3)) header.__metadata__ = { format: 'pt', note: 'é"\\' };
  let end = 0;
  for (let i = random.below(6); i > 0; i--) {
    const dtype = random.pick(Object.keys(widths));
    const shape = Array.from({ length: random.below(4) }, () => random.below(5));
    const bytes = widths[dtype] * shape.reduce((a, b) => a * b, 1);
    const name = `${random.pick(['w', 'model.layers.0.', 'ü', 'constructor', ''])}${i}`;
    header[name] = { dtype, shape, data_offsets: [end, end + bytes] };
    end += bytes;
  }
  return { header, bytes: fileOf(JSON.stringify(header) + ' '.repeat(random.below(9)), end) };
}

function fileOf(text, dataBytes) {
  const encoded = new TextEncoder().encode(text);
  const bytes = new Uint8Array(8 + encoded.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(encoded.length), true);
  bytes.set(encoded, 8);
  return bytes;
}

const oddNumbers = ['-1', '0', '1', '1.5', '1e3', '-0', '9007199254740991', '9007199254740993', '1e999', '4294967296'];
const oddTexts = [
  '"a"',
  '"__proto__"',
  '"__metadata__"',
  '"\\ud800"',
  '""',
  '"F4"',
  '"F64"',
  'null',
  'true',
  '[]',
  '{}',
  '[[[[]]]]',
];

/** Changes to the text of a header. */
function mutateText(text, random) {
  const at = random.below(text.length + 1);
  switch (random.below(6)) {
    case 0:
      return text.slice(0, at) + text.slice(at + 1 + random.below(4));
    case 1:
      return (
        text.slice(0, at) +
        random.pick(['{', '}', '[', ']', '"', ':', ',', '\\', ' ', '\0', '\ufeff', '😀']) +
        text.slice(at)
      );
    case 2:
      return text.replace(/-?\d+/g, (digits) => (random.chance(0.3) ? random.pick(oddNumbers) : digits));
    case 3:
      return text.replace(/"[^"]*"/g, (string) => (random.chance(0.15) ? random.pick(oddTexts) : string));
    case 4: {
      const [from, to] = [at, at + random.below(60)];
      return text.slice(0, to) + text.slice(from, to) + text.slice(to);
    }
    default:
      return text.replace(/\d+/g, (digits) =>
        random.chance(0.2) ? String(Number(digits) + random.below(5) - 2) : digits,
      );
  }
}

/** Changes to the bytes of a file. */
function mutateBytes(bytes, random) {
  const changed = bytes.slice();
  switch (random.below(4)) {
    case 0:
      return changed.slice(0, random.below(changed.length + 1));
    case 1:
      return Uint8Array.from([...changed, ...new Uint8Array(1 + random.below(20))]);
    case 2:
      new DataView(changed.buffer).setBigUint64(0, BigInt(random.pick([0, 1, changed.length, 2 ** 31, 2 ** 53])), true);
      return changed;
    default:
      for (let i = 1 + random.below(8); i > 0; i--) changed[random.below(changed.length)] ^= 1 << random.below(8);
      return changed;
  }
}

/** What an accepted file must be, looked at apart from the parser: every byte of the data in exactly one tensor, every size right. */
function checkAccepted(file, bytes) {
  const headerEnd = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const entries = Array.from(file.entries.values()).sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = headerEnd;
  for (const { begin, end, dtype, shape } of entries) {
    if (begin !== at) throw new Error(`accepted a tensor that begins at ${begin}, not ${at}`);
    const bits = {
      F4: 4n,
      F6_E2M3: 6n,
      F6_E3M2: 6n,
      E5M6: 12n,
      F64: 64n,
      U64: 64n,
      I64: 64n,
      U32: 32n,
      U16: 16n,
      I16: 16n,
    }[dtype];
    const width = bits ?? BigInt(8 * (widths[dtype] ?? 1));
    if (shape.reduce((a, b) => a * BigInt(b), width) !== 8n * BigInt(end - begin))
      throw new Error(`accepted a wrong size of ${dtype}`);
    at = end;
  }
  if (at !== bytes.length) throw new Error(`accepted ${bytes.length - at} bytes that belong to no tensor`);
  return 'accepted';
}

/** One case of the parser target. Returns `accepted`, or the code of the refusal; throws where the parser misbehaved. */
export async function safetensorsCase(api, random) {
  const { header, bytes } = validFile(random);
  const kind = random.below(4);
  let tried = bytes;
  if (kind === 1) tried = mutateBytes(bytes, random);
  if (kind >= 2) {
    let text = JSON.stringify(header);
    for (let i = 1 + random.below(3); i > 0; i--) text = mutateText(text, random);
    const dataBytes = bytes.length - 8 - Number(new DataView(bytes.buffer).getBigUint64(0, true));
    tried = fileOf(text, dataBytes);
  }
  const outcome = await outcomeOf(api, async () =>
    checkAccepted(await api.openSafetensors(api.bufferSource(tried, 'fuzz')), tried),
  );
  if (kind === 0 && outcome !== 'accepted') throw new Error(`a valid file was refused: ${outcome}`);
  return { outcome, input: tried };
}

const oddValues = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  1e308,
  2 ** 53,
  '',
  'e4m3',
  'normal',
  [],
  {},
  [1, 128],
  'x'.repeat(300),
  { __proto__: null, a: 1 },
];

/** Every object and list in a JSON value. */
function containers(value) {
  if (typeof value !== 'object' || value === null) return [];
  return [value, ...Object.values(value).flatMap(containers)];
}

function mutateSpec(spec, specs, random) {
  const target = random.pick(containers(spec));
  const keys = Object.keys(target);
  const key = keys.length > 0 ? random.pick(keys) : 'x';
  switch (random.below(6)) {
    case 0:
      if (Array.isArray(target)) target.pop();
      else delete target[key];
      break;
    case 1:
      target[key] = structuredClone(random.pick(oddValues));
      break;
    case 2:
      target[random.pick(['shceme', 'seed', 'tile', 'fp8lab', 'constructor', '', 'promoteEvery'])] = structuredClone(
        random.pick(oddValues),
      );
      break;
    case 3:
      if (typeof target[key] === 'number')
        target[key] = random.pick([target[key] + 1, -target[key], target[key] * 1e9, target[key] / 2]);
      break;
    case 4: {
      const other = random.pick(containers(random.pick(specs)));
      if (Object.keys(other).length > 0) target[key] = structuredClone(other[random.pick(Object.keys(other))]);
      break;
    }
    default:
      if (typeof target[key] === 'string') target[key] = mutateText(target[key], random);
  }
}

/** One case of the resolver target: what resolves must resolve to itself, under the same identity. */
export async function specCase(api, random, specs) {
  const spec = structuredClone(random.pick(specs));
  const changes = random.below(4);
  for (let i = 0; i < changes; i++) mutateSpec(spec, specs, random);
  const outcome = await outcomeOf(api, () => {
    const resolved = api.resolveSpec(spec);
    const text = api.canonicalJson(resolved);
    if (api.canonicalJson(api.resolveSpec(JSON.parse(text))) !== text)
      throw new Error('a resolved spec resolves to another');
    return 'accepted';
  });
  if (changes === 0 && outcome !== 'accepted') throw new Error(`a valid spec was refused: ${outcome}`);
  return { outcome, input: new TextEncoder().encode(JSON.stringify(spec)) };
}

/** The outcome of a step: what it returns, or the code of the project's own error; all other errors are findings. */
async function outcomeOf(api, step) {
  try {
    return await step();
  } catch (error) {
    if (!(error instanceof api.Fp8labError)) throw error;
    const { code, where, fix, kind } = error;
    if (kind !== 'input' || !code || !where || !fix)
      throw new Error(`a refusal without its parts: ${JSON.stringify(error)}`);
    return code;
  }
}
