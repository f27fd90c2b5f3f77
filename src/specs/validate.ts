import { z } from 'zod';
import { type Fp8labError, inputError } from '../errors.ts';
import { didYouMean } from './nearest.ts';

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

/** Checks a value against a schema; the first thing wrong is thrown with its path and the nearest known name. */
export function validate<T extends z.ZodType>(schema: T, value: unknown, where: string): z.infer<T> {
  const outcome = schema.safeParse(value, { reportInput: true });
  if (outcome.success) return outcome.data;
  throw describe(schema, value, first(outcome.error.issues), [], where);
}

/** The issue to tell: a misspelt field before the field that is missing because of it. */
function first(issues: readonly Issue[]): Issue {
  return issues.find((issue) => issue.code === 'unrecognized_keys') ?? issues[0]!;
}

/** `a.scheme.tile[1]`. */
export function pathText(path: Path): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    const name = String(key).slice(0, 60);
    return text === '' ? name : `${text}.${name}`;
  }, '');
}

function describe(schema: z.ZodType, value: unknown, issue: Issue, above: Path, where: string): Fp8labError {
  const path = [...above, ...issue.path];
  if (issue.code === 'invalid_union') {
    const inner = nearestBranch(issue.errors, valueAt(value, path));
    if (inner !== undefined) return describe(schema, value, inner, path, where);
  }
  if (issue.code === 'unrecognized_keys') return unknownField(schema, path, issue.keys, value, where);
  return wrongField(schema, path, issue, value, where);
}

/** Of a union's branches, the one the author meant: not those of another type; of the rest the one with the least wrong. */
function nearestBranch(branches: readonly (readonly Issue[])[], value: unknown): Issue | undefined {
  const wrongType = (issues: readonly Issue[]): boolean =>
    issues.some(
      (issue) => issue.path.length === 0 && issue.code !== 'unrecognized_keys' && issue.code !== 'invalid_union',
    );
  const fitting = typeof value === 'string' ? branches : branches.filter((issues) => !wrongType(issues));
  const candidates = fitting.length > 0 ? fitting : branches;
  const weight = (issues: readonly Issue[]): number =>
    issues.reduce((sum, issue) => sum + (issue.code === 'unrecognized_keys' ? issue.keys.length : 1), 0);
  const best = [...candidates].sort((a, b) => weight(a) - weight(b))[0];
  return best === undefined ? undefined : first(best);
}

function unknownField(
  schema: z.ZodType,
  path: Path,
  keys: readonly string[],
  value: unknown,
  where: string,
): Fp8labError {
  const key = keys[0]!;
  const known = [...new Set(schemasAt(schema, path, value).flatMap(fields))];
  const full = pathText([...path, key]);
  const prefix = path.length > 0 ? `${pathText(path)}.` : '';
  return inputError(
    `${full}: unknown field${didYouMean(key, known, prefix)}`,
    'unknown-field',
    `${where}: ${full}`,
    `remove it; the fields here are ${known.join(', ')}`,
  );
}

function wrongField(schema: z.ZodType, path: Path, issue: Issue, value: unknown, where: string): Fp8labError {
  const full = pathText(path);
  const given = valueAt(value, path);
  const missing = given === undefined;
  const choices = [...new Set(choicesOf(schemasAt(schema, path)))];
  const hint = typeof given === 'string' ? didYouMean(given, choices) : '';
  const wrong =
    choices.length > 0
      ? `there is no ${show(given)}`
      : `${issue.message.replace(/^Invalid input: |, received \w+$/g, '')}, not ${show(given)}`;
  return inputError(
    `${full || 'the spec'}: ${missing ? 'is missing' : wrong}${hint}`,
    missing ? 'missing-field' : 'invalid-field',
    full === '' ? where : `${where}: ${full}`,
    choices.length > 0
      ? `give one of: ${choices.join(', ')}`
      : 'docs/specs.md lists the fields; editors complete them from specs/fp8lab.schema.json',
  );
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      inner !== null && typeof inner === 'object' ? (inner as Record<PropertyKey, unknown>)[key] : undefined,
    value,
  );
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** The schemas that could stand at a path: optional wrappers removed, unions spread, of kernels only the value's own. */
function schemasAt(schema: z.ZodType, path: Path, value?: unknown): z.ZodType[] {
  const kernel = valueAt(value, ['kernel']);
  const roots = spread(schema).filter((root) => kernel === undefined || isKernel(root, kernel));
  return path.reduce<z.ZodType[]>(
    (schemas, key) => schemas.flatMap((inner) => step(inner, key)).flatMap(spread),
    roots,
  );
}

function isKernel(schema: z.ZodType, kernel: unknown): boolean {
  const literal = schema instanceof z.ZodObject ? (schema.shape as Record<string, z.ZodType>).kernel : undefined;
  return !(literal instanceof z.ZodLiteral) || literal.values.has(kernel as string) || typeof kernel !== 'string';
}

function spread(schema: z.ZodType): z.ZodType[] {
  if (schema instanceof z.ZodOptional) return spread(schema.unwrap() as z.ZodType);
  if (schema instanceof z.ZodUnion) return (schema.options as z.ZodType[]).flatMap(spread);
  return [schema];
}

function step(schema: z.ZodType, key: PropertyKey): z.ZodType[] {
  if (schema instanceof z.ZodObject) {
    const inner = (schema.shape as Record<PropertyKey, z.ZodType>)[key];
    return inner === undefined ? [] : [inner];
  }
  if (schema instanceof z.ZodTuple && typeof key === 'number') {
    const inner = schema.def.items[key];
    return inner === undefined ? [] : [inner as z.ZodType];
  }
  return [];
}

function fields(schema: z.ZodType): string[] {
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
}

function choicesOf(schemas: readonly z.ZodType[]): string[] {
  return schemas.flatMap((schema) => {
    if (schema instanceof z.ZodEnum) return schema.options.map(String);
    if (schema instanceof z.ZodLiteral) return [...schema.values].map(String);
    return [];
  });
}
