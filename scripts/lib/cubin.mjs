// What a compiled CUDA kernel consists of, without NVIDIA's disassembler: a cubin is an ELF file whose .text.<kernel> sections hold 16-byte instructions
// with the opcode in the lowest 9 bits. The opcodes were found by compiling kernels of known content for sm_90a with CUDA 13.0.

const opcodes = {
  QGMMA: 0x1f3,
  UTMALDG: 0x1b4,
  UTMASTG: 0x1b5,
  USETMAXREG: 0x1c8,
  STSM: 0x044,
  FFMA: 0x023,
  LDL: 0x183,
  STL: 0x187,
  MEMBAR: 0x192,
};

/** Sections of an ELF64 little-endian file: name, offset, size. Throws on anything else. */
function sections(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 64 || view.getUint32(0, false) !== 0x7f454c46 || bytes[4] !== 2 || bytes[5] !== 1) {
    throw new Error('not a cubin: no 64-bit little-endian ELF header');
  }
  const table = Number(view.getBigUint64(0x28, true));
  const header = (i) => table + 64 * i;
  const offsetOf = (i) => Number(view.getBigUint64(header(i) + 24, true));
  const names = offsetOf(view.getUint16(0x3e, true));
  return Array.from({ length: view.getUint16(0x3c, true) }, (_, i) => {
    const start = names + view.getUint32(header(i), true);
    const name = Buffer.from(bytes.subarray(start, bytes.indexOf(0, start))).toString('latin1');
    return { name, offset: offsetOf(i), size: Number(view.getBigUint64(header(i) + 32, true)) };
  });
}

/**
 * The cubin that nvcc embedded in an object file: the first of its fat binary, which is a header (magic, version, bytes of itself, bytes of what follows)
 * and entries (kind, 2 for a cubin; bytes of the entry's header; bytes of its content). Throws where there is none.
 */
export function embeddedCubin(object) {
  const view = new DataView(object.buffer, object.byteOffset, object.byteLength);
  const fatbin = sections(object).find(({ name }) => name === '.nv_fatbin');
  const start = fatbin?.offset ?? 0;
  if (fatbin === undefined || view.getUint32(start, true) !== 0xba55ed50)
    throw new Error('no fat binary in the object');
  const end = start + fatbin.size;
  for (let at = start + view.getUint16(start + 6, true); at < end; ) {
    const content = at + view.getUint32(at + 4, true);
    const next = content + Number(view.getBigUint64(at + 8, true));
    if (view.getUint16(at, true) === 2) return object.subarray(content, next);
    at = next;
  }
  throw new Error('no cubin in the object');
}

/** Number of instructions of each kind in every kernel of a cubin: { mangled name: { QGMMA: 4, ... } }. */
export function countOpcodes(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const kernels = {};
  for (const { name, offset, size } of sections(bytes)) {
    if (!name.startsWith('.text.')) continue;
    const counts = Object.fromEntries(Object.keys(opcodes).map((mnemonic) => [mnemonic, 0]));
    for (let at = offset; at + 16 <= offset + size; at += 16) {
      const opcode = view.getUint16(at, true) & 0x1ff;
      for (const [mnemonic, code] of Object.entries(opcodes)) if (code === opcode) counts[mnemonic]++;
    }
    kernels[name.slice('.text.'.length)] = counts;
  }
  return kernels;
}

/** Registers, stack and spills of every kernel, from what ptxas says with -v: { mangled name: { registers, stack, spills } }. */
export function readResources(log) {
  const kernels = {};
  const pattern =
    /Compiling entry function '([^']+)'[\s\S]*?(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads[\s\S]*?Used (\d+) registers/g;
  for (const [, name, stack, stores, loads, registers] of log.matchAll(pattern)) {
    kernels[name] = { registers: Number(registers), stack: Number(stack), spills: Number(stores) + Number(loads) };
  }
  return kernels;
}

/** Lines in which ptxas says that it ignored setmaxnreg (C7508) or serialized wgmma (C7510 to C7515); they are not warnings to it. */
export const lostPerformance = (log) => log.split('\n').filter((line) => /C75(08|1[0-5])/.test(line));

/** A readable name for a mangled one of ours; the mangled one where it is not. */
export function kernelName(mangled) {
  const gemm =
    /gemm_kernelILi(\d+)ELi(\d+)ELNS0_5ShareE(\d)ELNS0_7ScalesBE(\d)ELi(\d)ELb(\d)ELNS_8FormatIdE(\d)ELS\d_(\d)E/.exec(
      mangled,
    );
  if (gemm) {
    const [, m, n, share, scales, bytes, paired, a, b] = gemm;
    const parts = [`gemm ${m}x${n}`, ['none', 'A', 'B'][share] === 'none' ? '' : `${['', 'A', 'B'][share]} shared`];
    parts.push(scales === '1' ? 'row scales' : '', bytes === '2' ? 'bf16' : 'f32', paired === '1' ? 'paired' : '');
    const formats = ['e4m3', 'e5m2'];
    parts.push(a === '0' && b === '0' ? '' : `${formats[a]} x ${formats[b]}`);
    return parts.filter(Boolean).join(', ');
  }
  const gather = /gather_rowsI(\w+?)E/.exec(mangled);
  if (gather) return `gather_rows ${{ '5uint4': 16, j: 4, h: 1 }[gather[1]] ?? gather[1]}`;
  const sources = { NarrowSource: 'bf16', CodeSourceILS2_0E: 'e4m3', CodeSourceILS2_1E: 'e5m2', ActSource: 'swiglu' };
  const source = Object.keys(sources).find((name) => mangled.includes(name));
  const other =
    /(quantize_rows|quantize_blocks|quantize_columns|quantize_gradients|cast_transpose|route_tokens|count_blocks|sum_blocks|sum_experts|fill_rows|find_rows|sum_slots|swiglu_act|swiglu_gradient|weight_gradients|first_slots|share_rows|count_sources|begin_sources|local_slots|count_traffic|sum_levels|sources)(?:ILNS_8FormatIdE(\d)E)?/.exec(
      mangled,
    );
  if (other === null) return mangled;
  const [, kernel, format] = other;
  const from = source === undefined ? '' : ` ${sources[source]}`;
  return format === undefined ? kernel : `${kernel}${from} to ${['e4m3', 'e5m2'][format]}`;
}
