/**
 * Layers of raw values (a file, flags, Action inputs) merged into one, validated by one schema, with every mistake
 * reported at the place the user wrote it. Pure.
 */
import * as v from "valibot";
import { configError } from "./config-error.ts";
import { pathText, schemaProblems } from "../util/schema.ts";
import { unknownKeys } from "./unknown-keys.ts";

export type Path = readonly (string | number)[];

export interface Layer {
  /** Nested values in the shape of the schema. */
  readonly values: Readonly<Record<string, unknown>>;
  /** Where the value at `path` was written: "unikernel.yml:12", "--format". */
  origin(path: Path): string;
  /** Mistakes that kept a value from getting this far, each with its place. */
  readonly problems?: readonly string[];
}

/**
 * Merges the layers, later ones winning key by key (lists are replaced whole), and validates. Throws CONFIG_INVALID with
 * all mistakes of all layers.
 */
export function validateLayers<S extends v.GenericSchema>(schema: S, layers: readonly Layer[]): v.InferOutput<S> {
  const merged = layers.reduce<unknown>((so, layer) => merge(so, layer.values), {});
  const problems = layers.flatMap((layer) => [...(layer.problems ?? []), ...unusableNames(layer)]);
  const result = v.safeParse(schema, merged);
  if (!result.success) {
    const unknown = unknownKeys(schema, merged);
    const strangers = new Set(unknown.map(({ path }) => pathText(path)));
    const others = schemaProblems(result.issues).filter(({ path }) => !strangers.has(pathText(path)));
    for (const problem of [...unknown, ...others]) {
      // Told already, as a name that cannot be used.
      if (!UNUSABLE.has(String(problem.path.at(-1))))
        problems.push(`${placeOf(problem.path, layers)}: ${problem.message}`);
    }
  }
  if (problems.length > 0 || !result.success) throw configError(problems);
  return result.output;
}

/** The schema library passes over these keys in silence, so a volume of such a name would be left out. */
const UNUSABLE = new Set(["__proto__", "constructor", "prototype"]);

function unusableNames(layer: Layer): string[] {
  const problems: string[] = [];
  const look = (value: unknown, path: Path): void => {
    if (typeof value !== "object" || value === null) return;
    for (const key of Object.keys(value)) {
      const at = [...path, Array.isArray(value) ? Number(key) : key];
      if (UNUSABLE.has(key)) problems.push(`${placeOf(at, [layer])}: this name cannot be used`);
      look((value as Record<string, unknown>)[key], at);
    }
  };
  look(layer.values, []);
  return problems;
}

/** "unikernel.yml:12: volumes.data.format", or just the flag, which names itself. */
export function placeOf(path: Path, layers: readonly Layer[]): string {
  const layer = layers.findLast(({ values }) => reaches(values, path)) ?? layers.at(-1);
  const origin = layer?.origin(path) ?? "";
  const field = pathText(path);
  if (/^--|^input /.test(origin)) return origin;
  return [origin, field].filter((text) => text !== "").join(": ");
}

/** Whether the layer has written anything at the path, or at its parent where the value is missing. */
function reaches(values: unknown, path: Path): boolean {
  let value = values;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return false;
    value = (value as Record<string | number, unknown>)[key];
  }
  return true;
}

function merge(under: unknown, over: unknown): unknown {
  if (over === undefined) return under;
  if (!isMap(under) || !isMap(over)) return over;
  const merged: Record<string, unknown> = { ...under };
  for (const [key, value] of Object.entries(over)) {
    // A key named __proto__ would change the object instead of being refused as unknown.
    Object.defineProperty(merged, key, {
      value: merge(Object.hasOwn(under, key) ? under[key] : undefined, value),
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return merged;
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
