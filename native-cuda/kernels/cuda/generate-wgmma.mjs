// Writes wgmma.cuh: `node native-cuda/kernels/cuda/generate-wgmma.mjs`. CUDA C++ has no loop over the registers of an asm statement.
import { writeFileSync } from 'node:fs';

const widths = [8, 64, 128, 160, 192, 256];
const range = (count) => Array.from({ length: count }, (_, i) => i);

/** One wgmma with both operands in shared memory, or A in registers. */
function method(n, name, typeA, typeB, registersA) {
  const count = n / 2;
  const sums = range(count).map((i) => `%${i}`);
  const a = registersA ? `{${range(4).map((i) => `%${count + i}`).join(', ')}}` : `%${count}`;
  const next = count + (registersA ? 4 : 1);
  const outputs = range(count).map((i) => `"+f"(d[${i}])`);
  const inputs = registersA ? range(4).map((i) => `"r"(a[${i}])`) : ['"l"(a)'];
  const parameter = registersA ? 'const u32 (&a)[4]' : 'u64 a';
  return `  static __device__ __forceinline__ void ${name}(float (&d)[${count}], ${parameter}, u64 b, int accumulate) {
    asm volatile(
        "{\\n.reg .pred p;\\nsetp.ne.b32 p, %${next + 1}, 0;\\n"
        "wgmma.mma_async.sync.aligned.m64n${n}k32.f32.${typeA}.${typeB} {${sums.join(', ')}}, ${a}, %${next}, p, 1, 1;\\n}"
        : ${outputs.join(', ')}
        : ${[...inputs, '"l"(b)', '"r"(accumulate)'].join(', ')});
  }`;
}

/** The same summed in f16, two columns a register. */
function halfMethod(n) {
  const count = n / 4;
  const sums = range(count).map((i) => `%${i}`);
  const outputs = range(count).map((i) => `"+r"(d[${i}])`);
  return `  static __device__ __forceinline__ void e4m3_f16(u32 (&d)[${count}], u64 a, u64 b, int accumulate) {
    asm volatile(
        "{\\n.reg .pred p;\\nsetp.ne.b32 p, %${count + 2}, 0;\\n"
        "wgmma.mma_async.sync.aligned.m64n${n}k32.f16.e4m3.e4m3 {${sums.join(', ')}}, %${count}, %${count + 1}, p, 1, 1;\\n}"
        : ${outputs.join(', ')}
        : "l"(a), "l"(b), "r"(accumulate));
  }`;
}

const types = (n) => [
  method(n, 'e4m3', 'e4m3', 'e4m3', false),
  ...(n === 64 || n === 128
    ? [
        method(n, 'e4m3_e5m2', 'e4m3', 'e5m2', false),
        method(n, 'e5m2_e4m3', 'e5m2', 'e4m3', false),
        method(n, 'e5m2', 'e5m2', 'e5m2', false),
      ]
    : []),
  ...(n === 64 ? [method(n, 'e4m3_registers', 'e4m3', 'e4m3', true), halfMethod(n)] : []),
];

const text = `#pragma once
// Written by generate-wgmma.mjs: edit that file, not this one.
// D [64, N] (f32, registers) = A [64, 32] * B [N, 32]^T (+ D where \`accumulate\`), one instruction of a warpgroup. Thread t of it holds rows
// 16 * (t / 32 % 4) + t % 32 / 4 (d[4i], d[4i + 1]) and 8 below (d[4i + 2], d[4i + 3]), columns 8i + 2 * (t % 4) and the next.

#include "../../numerics/hd.h"

#if defined(FP8LAB_EMULATED)
#include "../../emulator/wgmma.h"
#else

namespace fp8lab::cuda {

template <int n>
struct Wgmma;

${widths.map((n) => `template <>\nstruct Wgmma<${n}> {\n${types(n).join('\n')}\n};\n`).join('\n')}
}  // namespace fp8lab::cuda

#endif
`;
writeFileSync(new URL('wgmma.cuh', import.meta.url), text);
