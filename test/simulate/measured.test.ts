import { describe, expect, it } from 'vitest';
import { hardwareOf, sourcesOf } from '../../src/simulate/hardware.ts';
import { kernelTimes } from '../../src/simulate/kernels.ts';
import { measuredHardware } from '../../src/simulate/measured.ts';
import { deepseekV3 } from '../../src/simulate/model.ts';

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
  gemm({ m: 64, sustainedFlops: 0.4e15, coldBytesPerSecond: 3.36e12 }),
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

  it('give the way of weights from HBM, by gemms of few rows', () => {
    expect(measured.efficiency.hbm).toEqual({ value: 0.7, source: measured.efficiency.gemmSource });
  });

  it('say that they are measured, and where; what was not keeps its source', () => {
    expect(measured.efficiency.gemmSource).toBe('measured by fp8lab-bench on NVIDIA H200');
    expect(measured.efficiency.elementwise.source).toBe(measured.efficiency.gemmSource);
    expect(measured.efficiency.prefillAttention).toEqual(hardwareOf('h200').efficiency.prefillAttention);
    expect(measured.name).toContain('measured by fp8lab-bench on NVIDIA H200');
    const sources = Object.entries(sourcesOf(measured));
    expect(sources.filter(([, source]) => source.startsWith('measured')).map(([figure]) => figure)).toEqual([
      'efficiency.gemm',
      'efficiency.groupedGemm',
      'efficiency.hbm',
      'efficiency.elementwise',
    ]);
    expect(sources.length).toBeGreaterThan(20);
  });

  it('change every figure that rests on them, and only those', () => {
    const [usual, timed] = [hardwareOf('h200'), measured].map((hardware) => kernelTimes(hardware, deepseekV3, 132));
    const launch = 4e-6;
    expect(timed!.gemm(65_536, 4096, 7168)).toBeCloseTo((2 * 65_536 * 4096 * 7168) / 1250e12 + launch, 9);
    expect(timed!.gemm(16, 7168, 16_384)).toBeGreaterThan(usual!.gemm(16, 7168, 16_384));
    expect(timed!.causalCore(4096, 4096)).toBe(usual!.causalCore(4096, 4096));
  });

  it('are refused where a gemm would be faster than the tensor cores', () => {
    const fast = gemm({ sustainedFlops: 2.5e15 });
    expect(() => measuredHardware(hardwareOf('h200'), fast, 'bench.jsonl')).toThrow(
      /n 4096 and k 7168 reaches 2500 TFLOPS, above the peak of 1979/,
    );
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
