/** Flags and Action inputs brought into the shape of the configuration. Pure. */
import type { Layer, Path } from "./layers.ts";

/** What a flag or an input says, still as text. Names are those of the Action's inputs; flags have the same. */
export interface RawInputs {
  readonly name?: string | undefined;
  readonly build?: string | undefined;
  readonly kernel?: readonly string[] | undefined;
  /** `DIR` or `NAME=DIR`, one a volume. */
  readonly data?: readonly string[] | undefined;
  readonly format?: string | undefined;
  readonly device?: string | undefined;
  readonly memory?: string | undefined;
  readonly args?: readonly string[] | undefined;
  readonly ignore?: readonly string[] | undefined;
  readonly boot?: string | undefined;
  readonly maxKernelSize?: string | undefined;
  readonly maxImageSize?: string | undefined;
  readonly repository?: string | undefined;
  readonly branch?: string | undefined;
  readonly path?: string | undefined;
  readonly layout?: string | undefined;
  readonly runnable?: boolean | undefined;
  readonly history?: string | undefined;
}

/** How the user wrote a raw input: `--format` on the command line, `input format` in a workflow. */
export type InputStyle = (name: string) => string;
export const flagStyle: InputStyle = (name) => `--${FLAG_NAMES[name] ?? name}`;
export const actionStyle: InputStyle = (name) => `input "${ACTION_NAMES[name] ?? name}"`;

const FLAG_NAMES: Readonly<Record<string, string>> = { build: "command" };
const ACTION_NAMES: Readonly<Record<string, string>> = {
  repository: "deployment-repository",
  branch: "deployment-branch",
  path: "deployment-path",
  maxKernelSize: "max-kernel-size",
  maxImageSize: "max-image-size",
};

/**
 * The raw inputs as a layer over `under` (the file's values). `format` and `device` belong to the one data volume there
 * is; with several they are refused, because which one they mean is a guess.
 */
export function rawLayer(raw: RawInputs, style: InputStyle, under: Readonly<Record<string, unknown>>): Layer {
  const problems: string[] = [];
  const volumes = volumesOf(raw, style, dataVolumeNames(under), problems);
  const values = compact({
    name: raw.name,
    build: raw.build,
    kernels: raw.kernel,
    volumes,
    launch: compact({ memory: number(raw.memory), args: raw.args }),
    checks: compact({
      ignore: raw.ignore,
      "max-kernel-size": raw.maxKernelSize,
      "max-image-size": raw.maxImageSize,
      boot: bootOf(raw.boot),
    }),
    deploy: compact({
      repository: raw.repository,
      branch: raw.branch,
      path: raw.path?.replace(/\/+$/, ""),
      layout: raw.layout,
      runnable: raw.runnable,
      history: number(raw.history),
    }),
  });
  return { values: values ?? {}, origin: (path) => style(inputAt(path)), problems };
}

function volumesOf(raw: RawInputs, style: InputStyle, known: readonly string[], problems: string[]) {
  // Without a prototype, so that a volume called __proto__ is a volume, and refused.
  const volumes: Record<string, Record<string, string>> = Object.create(null);
  for (const item of raw.data ?? []) {
    const equals = item.indexOf("=");
    const name = equals < 0 ? "data" : item.slice(0, equals);
    if (Object.hasOwn(volumes, name))
      problems.push(`${style("data")}: two volumes are called ${JSON.stringify(name)}; write NAME=DIR`);
    volumes[name] = { from: item.slice(equals + 1) };
  }
  const names = Object.keys(volumes).length > 0 ? Object.keys(volumes) : known;
  for (const key of ["format", "device"] as const) {
    const value = raw[key];
    if (value === undefined) continue;
    if (names.length === 1) {
      const name = names[0] as string;
      volumes[name] = { ...volumes[name], [key]: value };
    } else {
      const what =
        names.length === 0 ? "there is no data volume" : `there are ${names.length} data volumes (${names.join(", ")})`;
      problems.push(`${style(key)}: ${what}; give each volume its ${key} in unikernel.yml`);
    }
  }
  return compact(volumes);
}

function dataVolumeNames(values: Readonly<Record<string, unknown>>): string[] {
  const { volumes } = values;
  if (typeof volumes !== "object" || volumes === null) return [];
  return Object.entries(volumes).flatMap(([name, volume]) => (volume?.secret === true ? [] : [name]));
}

function bootOf(boot: string | undefined) {
  if (boot === undefined) return undefined;
  return boot === "required" ? { required: true } : { tender: boot };
}

/** Digits as a number; anything else stays as it is and is refused by the schema with the text in the message. */
function number(text: string | undefined): string | number | undefined {
  return text !== undefined && /^[0-9]{1,15}$/.test(text) ? Number(text) : text;
}

/** Without the keys that are undefined; undefined when nothing is left. */
function compact<T extends Record<string, unknown>>(values: T): T | undefined {
  const kept = Object.entries(values).filter(([, value]) => value !== undefined);
  return kept.length === 0 ? undefined : (Object.fromEntries(kept) as T);
}

/** The input that sets the value at a configuration path. */
function inputAt([first, second, third]: Path): string {
  if (first === "kernels") return "kernel";
  if (first === "volumes") return third === "format" || third === "device" ? third : "data";
  if (first === "checks" && second === "max-kernel-size") return "maxKernelSize";
  if (first === "checks" && second === "max-image-size") return "maxImageSize";
  if (first === "launch" || first === "checks" || first === "deploy") return String(second ?? first);
  return String(first ?? "config");
}
