import { z } from 'zod';
import { scheme } from './fields.ts';
import { specParts } from './parts.ts';

type Schemas<Parts> = { -readonly [I in keyof Parts]: Parts[I] extends { schema: infer S } ? S : never };

/** Everything a spec file may say, before presets and defaults are filled in. */
export const specSchema = z.discriminatedUnion(
  'kernel',
  specParts.map(({ schema }) => schema) as unknown as Schemas<typeof specParts>,
);

/** Names of the kernels, in the order that tables show them. */
export const kernelNames = specSchema.options.map(({ shape }) => shape.kernel.value);

/** A spec as its author writes it. */
export type AuthoredSpec = z.infer<typeof specSchema>;

/** Schema of a scheme alone, for the library and `quantize --scheme FILE`. */
export const schemeSchema = scheme;

/** The published JSON Schema: specs/fp8lab.schema.json. */
export function jsonSchema(): object {
  return { title: 'fp8lab kernel spec', ...z.toJSONSchema(specSchema, { io: 'input', reused: 'ref' }) };
}
