import { floatVectors, inputVectors, philoxVectors } from './arithmetic.ts';
import { decodeVectors, encodeFiles } from './codecs.ts';
import { promotionVectors, tensorCoreVectors } from './products.ts';
import { functionVectors, gateVectors } from './routing.ts';
import { scaleVectors } from './scales.ts';

/** The text of every file of specs/vectors but the exhaustive digests, by name. */
export function makeVectors(): Record<string, string> {
  const files: Record<string, unknown> = {
    'decode.json': decodeVectors(),
    ...encodeFiles(),
    'f32.json': floatVectors(),
    'philox.json': philoxVectors(),
    'inputs.json': inputVectors(),
    'functions.json': functionVectors(),
    'gate.json': gateVectors(),
    'scales.json': scaleVectors(),
    'tensor-core.json': tensorCoreVectors(),
    'promotion.json': promotionVectors(),
  };
  return Object.fromEntries(
    Object.entries(files).map(([name, content]) => [name, `${JSON.stringify(content, null, 1)}\n`]),
  );
}
