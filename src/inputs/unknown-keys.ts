/** Every key that a schema does not know, with the one that was probably meant; valibot stops at one in each map. Pure. */
import type * as v from "valibot";
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
  const begun = Object.keys(entries).find((name) => key.length > 2 && name.startsWith(key));
  if (begun !== undefined) return `; did you mean "${begun}"?`;
  const [nearest] = Object.keys(entries)
    .map((name) => ({ name, distance: distanceOf(key.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  const near = nearest && nearest.distance <= Math.max(1, Math.floor(key.length / 3));
  return near ? `; did you mean "${nearest.name}"?` : "";
}

/** A key longer than this is no slip of the pen. */
const LONGEST = 64;

/** Letters to change, add, leave out or swap with their neighbour (optimal string alignment). */
function distanceOf(a: string, b: string): number {
  if (a.length > LONGEST) return LONGEST;
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number) => rows[i]?.[j] as number;
  for (let i = 1; i <= a.length; i++) {
    rows.push([i]);
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + change);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, at(i - 2, j - 2) + 1);
      (rows[i] as number[]).push(least);
    }
  }
  return at(a.length, b.length);
}
