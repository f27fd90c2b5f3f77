import { getNodeValue, type JSONPath, type Node } from 'jsonc-parser';

/** The part of JSON Schema that the published spec schema uses. */
export interface Schema {
  readonly type?: string;
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Schema>>;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema | undefined>>;
  readonly prefixItems?: readonly Schema[];
  readonly items?: Schema | boolean;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly description?: string;
}

/** A field that may stand at a place. */
export interface FieldHint {
  readonly name: string;
  readonly description: string | undefined;
}

/** All forms a schema may take: references followed, unions spread. */
function spread(schema: Schema, root: Schema): Schema[] {
  if (schema.$ref !== undefined) {
    const target = schema.$ref === '#' ? root : root.$defs?.[schema.$ref.replace('#/$defs/', '')];
    return target === undefined
      ? []
      : spread(target, root).map((form) => ({ description: schema.description, ...form }));
  }
  const union = schema.anyOf ?? schema.oneOf;
  if (union !== undefined) return union.flatMap((branch) => spread(branch, root));
  return [schema];
}

/** Of several kernels' forms, those that the text's own `kernel` allows. */
function fitting(forms: readonly Schema[], text: Node | undefined, root: Schema): Schema[] {
  const kernel = text === undefined ? undefined : (getNodeValue(text) as { kernel?: unknown } | null)?.kernel;
  const fits = forms.filter((form) => {
    const wanted = form.properties?.kernel && spread(form.properties.kernel, root)[0]?.const;
    return wanted === undefined || wanted === kernel;
  });
  return fits.length > 0 ? fits : [...forms];
}

function step(schema: Schema, key: string | number): Schema[] {
  if (typeof key === 'string') return schema.properties?.[key] === undefined ? [] : [schema.properties[key]];
  const item = schema.prefixItems?.[key] ?? (typeof schema.items === 'object' ? schema.items : undefined);
  return item === undefined ? [] : [item];
}

function formsAt(root: Schema, path: JSONPath, text: Node | undefined): Schema[] {
  const start = fitting(spread(root, root), text, root);
  return path.reduce<Schema[]>(
    (forms, key) => forms.flatMap((form) => step(form, key)).flatMap((next) => spread(next, root)),
    start,
  );
}

/** Fields that may stand in the object at a path. `text` is the parsed text, for the kernel it names. */
export function fieldsAt(root: Schema, path: JSONPath, text: Node | undefined): FieldHint[] {
  const found = new Map<string, FieldHint>();
  for (const form of formsAt(root, path, text)) {
    for (const [name, field] of Object.entries(form.properties ?? {})) {
      if (field === undefined) continue;
      found.set(name, { name, description: field.description ?? spread(field, root)[0]?.description });
    }
  }
  return [...found.values()];
}

/** Values that may stand at a path, where the schema lists them. */
export function choicesAt(root: Schema, path: JSONPath, text: Node | undefined): unknown[] {
  const choices = formsAt(root, path, text).flatMap(
    (form) => form.enum ?? (form.const === undefined ? [] : [form.const]),
  );
  return [...new Set(choices)];
}
