import { expect, it } from 'vitest';
import { shadersOf } from '../../../src/backends/webgpu/dry-run.ts';
import { kernelOf } from '../../../src/kernels/index.ts';
import { materializeInputs } from '../../../src/kernels/inputs.ts';
import { mainFileOf } from '../../../src/playground/pages/workbench/main-file.ts';
import { shippedSpecs } from '../../../src/playground/services/specs.ts';
import { describeGpu, newGpu } from '../../helpers/gpu.ts';

const shipped = shippedSpecs();
const specOf = (label: string) => shipped.find((each) => each.label === label)!.spec;

describeGpu('a dry run', () => {
  // Both ways of quantizing, a product of two operands, and kernels that read counts back on their way.
  const labels = [
    'quantize/mxfp8',
    'quantize/edge-ragged',
    'gemm/edge-ragged',
    'gate/edge-bits',
    'dispatch/edge-masked',
  ];
  it.each(labels)('names the shaders that %s really runs', async (label) => {
    const spec = specOf(label);
    const kernel = kernelOf(spec);
    const gpu = newGpu();
    try {
      await kernel.webgpu(gpu, spec as never, materializeInputs(kernel.inputs(spec as never)), 'exact');
      const { dispatched, included } = await shadersOf(spec, { features: [...gpu.device.features] });
      expect([...dispatched, ...included].sort()).toEqual([...gpu.shaders].sort());
    } finally {
      await gpu.destroyRun();
    }
  });

  it('leads the workbench to a shader that the spec dispatches', async () => {
    const files = await Promise.all(
      ['quantize/mxfp8', 'quantize/edge-ragged', 'gemm/arithmetic-exact', 'gemm/edge-ragged', 'combine/dsv3-none'].map(
        async (label) => mainFileOf(label, (await shadersOf(specOf(label))).dispatched),
      ),
    );
    const names = ['quantize_lines', 'quantize', 'gemm_exact', 'gemm_aligned_float', 'unpermute'];
    expect(files).toEqual(names.map((name) => `kernels/${name}`));
  });
});
