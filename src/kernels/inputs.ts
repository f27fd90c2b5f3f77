import { inputError } from '../errors.ts';
import type { AnyInput, FileInput, GeneratedInput, Input, IntegerInput, Operand } from '../specs/types.ts';
import { generate } from '../tensors/generate.ts';
import { dtypeOfFormat, type Tensor, type Tensors } from '../tensors/tensor.ts';
import type { InputDeclaration } from './kernel.ts';
import { scaleDType, scaleShape, tileGrid } from './tiles.ts';

/** True for an input that is made from a seed rather than read. */
export function isGenerated<I extends AnyInput>(input: I): input is Extract<I, GeneratedInput | IntegerInput> {
  return 'generate' in input;
}

/** Reads an input that a spec takes from a file. */
export type FileReader = (input: FileInput) => Tensor;

/** Declaration of a high-precision input. A file's own dtype is taken as it is; `BF16` stands for it here. */
export function declareInput(name: string, input: Input, shape: readonly number[]): InputDeclaration {
  return { name, dtype: isGenerated(input) ? dtypeOfFormat[input.dtype] : 'BF16', shape, input };
}

/** Declaration of an I32 input. */
export function declareIntegers(name: string, input: AnyInput, shape: readonly number[]): InputDeclaration {
  return { name, dtype: 'I32', shape, input };
}

/** Declarations of an operand: one high-precision tensor, or codes and scales. */
export function declareOperand(
  name: string,
  operand: Operand,
  rows: number,
  columns: number,
): readonly InputDeclaration[] {
  if (operand.input !== undefined) return [declareInput(name, operand.input, [rows, columns])];
  const grid = tileGrid(rows, columns, operand.scheme);
  const names = operandNames(name);
  const declarations: InputDeclaration[] = [
    {
      name: names.codes,
      dtype: dtypeOfFormat[operand.scheme.format],
      shape: [rows, columns],
      input: operand.codes as Input,
    },
  ];
  if (operand.scales !== undefined) {
    const dtype = scaleDType(operand.scheme);
    declarations.push({ name: names.scales, dtype, shape: scaleShape(grid, operand.scheme), input: operand.scales });
  }
  return declarations;
}

/** Names of an operand's tensors: a gemm's `a` has `a_scales`; a kernel with one operand says `codes` and `scales`. */
export function operandNames(name: string): { codes: string; scales: string; tensorScale: string } {
  return name === 'x'
    ? { codes: 'codes', scales: 'scales', tensorScale: 'tensor_scale' }
    : { codes: name, scales: `${name}_scales`, tensorScale: `${name}_tensor_scale` };
}

/** Makes or reads every declared input; tensors in `given` take their place, by name. */
export function materializeInputs(
  declarations: readonly InputDeclaration[],
  given: Tensors = {},
  read: FileReader = refuseFile,
): Tensors {
  if (Object.keys(given).length > 0) return given;
  return Object.fromEntries(
    declarations.map((declaration) => {
      const { name, input, shape } = declaration;
      return [name, isGenerated(input) ? asDeclared(generate(input, shape), declaration) : read(input)];
    }),
  );
}

/** A generated scale tensor keeps the scale's dtype (packed exponents are I32 words of random bits). */
function asDeclared(tensor: Tensor, declaration: InputDeclaration): Tensor {
  return { ...tensor, dtype: declaration.dtype };
}

function refuseFile(input: FileInput): Tensor {
  throw inputError(
    `the spec reads ${input.tensor} from ${input.file}, which this backend cannot open`,
    'file-input',
    input.file,
    'pass the tensors with --inputs, or use a generator',
  );
}
