/** Every key that a schema does not know, with the one that was probably meant; valibot stops at one in each map. Pure. */
import type * as v from "valibot";
import { nearestOf } from "../util/nearest.ts";
import type { SchemaProblem } from "../util/schema.ts";

/** What we need to know of a schema; valibot's own types have it in pieces. */
interface Shape {
  readonly type: string;
  readonly entries?: Readonly<Record<string, Shape>>;
  /** Of an optional value. */
  readonly wrapped?: Shape;
  /** Of a pipe, whose first item is the schema. */
  readonly pipe?: readonly Shape[];
  /** Of a record. */
  readonly value?: Shape;
}

/** In the order of the document. */
export function unknownKeys(schema: v.GenericSchema, value: unknown): SchemaProblem[] {
  return [...look(schema as unknown as Shape, value, [])];
}

function* look(schema: Shape, value: unknown, path: readonly (string | number)[]): Generator<SchemaProblem> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return;
  const { type, entries, value: inner } = bare(schema);
  for (const [key, under] of Object.entries(value)) {
    const at = [...path, key];
    const known = entries && Object.hasOwn(entries, key) ? entries[key] : undefined;
    if (known) yield* look(known, under, at);
    else if (type === "record" && inner) yield* look(inner, under, at);
    else if (type === "strict_object" && entries) yield { path: at, message: `unknown key${meant(key, entries)}` };
  }
}

/** Without what makes it optional or checks it further. */
function bare(schema: Shape): Shape {
  if (schema.wrapped) return bare(schema.wrapped);
  const first = schema.pipe?.[0];
  return first && first !== schema ? bare(first) : schema;
}

function meant(key: string, entries: Readonly<Record<string, Shape>>): string {
  const nearest = nearestOf(key, Object.keys(entries));
  return nearest === undefined ? "" : `; did you mean "${nearest}"?`;
}
