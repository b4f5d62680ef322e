/** From a file's text and raw inputs to a validated configuration. Pure. */
import { type HostConfig, hostSchema } from "./host.ts";
import { type Config, configSchema } from "./schema.ts";
import { configError } from "./config-error.ts";
import { type Layer, placeOf, validateLayers } from "./layers.ts";
import { type InputStyle, type RawInputs, rawLayer } from "./raw.ts";
import { yamlLayer } from "./yaml.ts";

/** A configuration file as read: its text and the name it has in messages. */
export interface ConfigText {
  readonly name: string;
  readonly text: string;
}

/** Merges and validates; throws CONFIG_INVALID with every mistake at the place where it was written. */
export function readConfig(file: ConfigText | undefined, raw: RawInputs, style: InputStyle): Config {
  const layers: Layer[] = file ? [yamlLayer(file.text, file.name)] : [];
  layers.push(rawLayer(raw, style, layers[0]?.values ?? {}));
  const config = validateLayers(configSchema, layers);
  const problems = [...listProblems(layers), ...volumeProblems(config, layers), ...deployProblems(config, layers)];
  if (problems.length > 0) throw configError(problems);
  return config;
}

/** host.yml; throws CONFIG_INVALID with every mistake and its line. */
export function readHostConfig(file: ConfigText): HostConfig {
  const layer = yamlLayer(file.text, file.name);
  // What could not be read is not missing.
  if (layer.problems) throw configError(layer.problems);
  return validateLayers(hostSchema, [layer]);
}

/** To the schema library a list is a map with numbers for keys, and those would be names of volumes. */
function listProblems(layers: readonly Layer[]): string[] {
  return layers.flatMap((layer) =>
    Array.isArray(layer.values.volumes)
      ? [`${layer.origin(["volumes"])}: volumes: expected a map of names, found a list`]
      : [],
  );
}

/** What the schema of one volume cannot say: a data volume comes from somewhere, a secret one never does. */
function volumeProblems(config: Config, layers: readonly Layer[]): string[] {
  const place = (name: string) => layers.find(({ values }) => hasVolume(values, name))?.origin(["volumes", name]) ?? "";
  return Object.entries(config.volumes).flatMap(([name, { from, secret }]) => {
    if (secret && from !== undefined) {
      return [`${place(name)}: volumes.${name}: a secret volume has no "from": only the host may hold its content`];
    }
    if (!secret && from === undefined)
      return [`${place(name)}: volumes.${name}.from: missing: the directory to make it from`];
    return [];
  });
}

/** Without a repository this may be a job that builds only: where the release goes is then another job's business. */
function deployProblems({ deploy, volumes }: Config, layers: readonly Layer[]): string[] {
  const { repository, runnable, path, layout } = deploy;
  if (repository === undefined) return [];
  const at = (...place: readonly string[]) => placeOf(place, layers);
  if (!/^oci(?:\+http)?:\/\//.test(repository)) {
    return runnable
      ? [`${at("deploy", "runnable")}: runnable images go to a registry: deploy to oci://REGISTRY/NAME`]
      : [];
  }
  const problems: string[] = [];
  if (path !== "") {
    problems.push(`${at("deploy", "path")}: in a registry each site has a name of its own: oci://REGISTRY/…/${path}`);
  }
  if (layout !== "image") problems.push(`${at("deploy", "layout")}: a registry holds images: expected image`);
  for (const [name, { format, secret }] of Object.entries(volumes)) {
    if (format !== "git" || secret) continue;
    problems.push(`${at("volumes", name, "format")}: format git is for git repositories, not for registries`);
  }
  return problems;
}

function hasVolume(values: Readonly<Record<string, unknown>>, name: string): boolean {
  return typeof values.volumes === "object" && values.volumes !== null && Object.hasOwn(values.volumes, name);
}
