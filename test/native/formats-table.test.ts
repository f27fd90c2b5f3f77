import { expect, it } from 'vitest';
import { bitsOf } from '../../src/numerics/f32.ts';
import { type Format, formats } from '../../src/numerics/formats.ts';

const hex = (value: number): string => (value < 0 ? '-1' : `0x${value.toString(16)}`);

/** One `Format` of native-cuda/numerics/formats.h, in the order of its fields. */
function initializer(format: Format): string {
  const { bits, signBits, exponentBits, mantissaBits, bias, specials, maxCode, nanCode, infCode } = format;
  const codes = `${hex(maxCode)}u, ${hex(nanCode)}, ${hex(infCode)}`;
  const values = [format.max, format.minNormal, format.minSubnormal].map((value) => `${hex(bitsOf(value))}u`);
  const layout = [bits, signBits, exponentBits, mantissaBits, bias].join(', ');
  return `{${layout}, Specials::${specials}, ${codes}, ${values.join(', ')}}`;
}

/** The C++ table of formats, from the TypeScript one. */
function renderFormatsTable(): string {
  const all = Object.values(formats);
  return `#pragma once
// Written from src/numerics/formats.ts by \`npx vitest run test/native/formats-table.test.ts -u\`: edit the source, not this file.

namespace fp8lab {

enum class FormatId : u8 { ${all.map(({ name }) => name).join(', ')} };

inline constexpr int format_count = ${all.length};

inline constexpr const char* format_names[format_count] = {${all.map(({ name }) => `"${name}"`).join(', ')}};

/** The format of an id. */
FP8LAB_HD constexpr Format format_of(FormatId id) {
  switch (id) {
${all.map((format) => `    case FormatId::${format.name}: return ${initializer(format)};`).join('\n')}
  }
  return {};
}

}  // namespace fp8lab
`;
}

it('the C++ table of formats is the TypeScript one', async () => {
  await expect(renderFormatsTable()).toMatchFileSnapshot('../../native-cuda/numerics/formats_table.h');
});
