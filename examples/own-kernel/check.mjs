// Holds a kernel of one's own against a spec. The "own kernel" here combines scales in another order than the spec says: the bits show it.
import { compareResults, describeTensor, kernelOf, loadFile, materializeInputs } from 'fp8lab/node';

const { spec } = await loadFile(new URL('spec.json', import.meta.url).pathname);
const kernel = kernelOf(spec);
const inputs = materializeInputs(kernel.inputs(spec));
const expected = kernel.reference(spec, inputs);

// Your kernel's output would come from a file: readTensors('mine.safetensors').
const mine = kernel.reference({ ...spec, arithmetic: { ...spec.arithmetic, combine: 'scales-first' } }, inputs);

const comparison = compareResults(spec, expected, mine);
console.log(`${comparison.mismatches} of ${comparison.elements} elements differ`);
for (const tensor of comparison.tensors) console.log(describeTensor(tensor));
