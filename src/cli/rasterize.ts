import { Fp8labError } from '../errors.ts';

/** Makes a PNG of an SVG picture, at twice its size. */
export type Rasterize = (svg: string) => Uint8Array;

const sample =
  '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20"><text y="15" font-family="sans-serif">x</text></svg>';

function missing(problem: string, fix: string, cause?: unknown): Fp8labError {
  return new Fp8labError(problem, { kind: 'environment', code: 'no-rasterizer', where: 'PNG', fix, cause });
}

/**
 * What makes PNG files here. resvg is an optional package, and draws with the machine's fonts; without either it is an environment error
 * rather than pictures without text.
 */
export async function createRasterizer(): Promise<Rasterize> {
  const { Resvg } = await import('@resvg/resvg-js').catch((cause) => {
    throw missing('the package @resvg/resvg-js is not installed', 'npm install --include=optional', cause);
  });
  const font = { loadSystemFonts: true, defaultFontFamily: 'DejaVu Sans', sansSerifFamily: 'DejaVu Sans' };
  if (new Resvg(sample, { font }).getBBox() === undefined) {
    throw missing(
      'this machine has no fonts',
      'install some (Debian: apt-get install fonts-dejavu-core), or use the SVG files',
    );
  }
  return (svg) => new Resvg(svg, { font, fitTo: { mode: 'zoom', value: 2 } }).render().asPng();
}
