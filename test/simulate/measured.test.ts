import { describe, expect, it } from 'vitest';
import { hardwareOf } from '../../src/simulate/hardware.ts';
import { measuredHardware } from '../../src/simulate/measured.ts';

const gemm = (change: Record<string, unknown>): string =>
  JSON.stringify({
    kernel: 'gemm',
    implementation: 'fp8lab (128x128)',
    grouping: 'dense',
    groups: 1,
    m: 4096,
    n: 4096,
    k: 7168,
    sustainedFlops: 1e15,
    ...change,
  });

const lines = [
  JSON.stringify({ device: 'NVIDIA H200' }),
  JSON.stringify({ kernel: 'quantize 1x128', rows: 4096, coldBytesPerSecond: 2.4e12 }),
  JSON.stringify({ kernel: 'quantize 1x128', rows: 8192, coldBytesPerSecond: 3.36e12 }),
  gemm({}),
  gemm({ m: 8192, sustainedFlops: 1.25e15 }),
  gemm({ m: 64, sustainedFlops: 2e15 }),
  gemm({ implementation: 'fp8lab (forced 64x128)', sustainedFlops: 9e15 }),
  gemm({ implementation: 'cublaslt', sustainedFlops: 9e15 }),
  gemm({ n: 7168, k: 2048, sustainedFlops: 0.9e15 }),
  gemm({ implementation: 'fp8lab', grouping: 'contiguous', groups: 4, m: 32_768, sustainedFlops: 1e15 }),
];

describe('measured speeds', () => {
  const measured = measuredHardware(hardwareOf('h200'), `${lines.join('\n')}\n`, 'bench.jsonl');

  it("are those of the product's own gemms of many rows, the fastest of each shape", () => {
    expect(measured.efficiency.gemm).toEqual([
      { n: 4096, k: 7168, tflops: 1250 },
      { n: 7168, k: 2048, tflops: 900 },
    ]);
  });

  it('give grouped gemms against dense ones of the same shape, and casts as a share of HBM', () => {
    expect(measured.efficiency.groupedGemm.value).toBe(0.8);
    expect(measured.efficiency.elementwise.value).toBeCloseTo(0.6, 12);
  });

  it('say that they are measured, and where; what was not keeps its source', () => {
    expect(measured.efficiency.gemmSource).toBe('measured by fp8lab-bench on NVIDIA H200');
    expect(measured.efficiency.elementwise.source).toBe(measured.efficiency.gemmSource);
    expect(measured.efficiency.prefillAttention).toEqual(hardwareOf('h200').efficiency.prefillAttention);
    expect(measured.name).toContain('measured by fp8lab-bench on NVIDIA H200');
  });

  it('are refused where nothing was timed, or a line is no JSON', () => {
    expect(() => measuredHardware(hardwareOf('h200'), lines[0]!, 'b')).toThrow(
      /no line times a dense gemm of at least 1024 rows/,
    );
    expect(() => measuredHardware(hardwareOf('h200'), `${lines[0]}\noops`, 'b')).toThrow(
      expect.objectContaining({ where: 'b, line 2' }),
    );
  });
});
