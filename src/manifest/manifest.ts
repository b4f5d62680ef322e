/** The release manifest as bytes: written canonically, read back with every mistake listed. Pure. */
import * as v from "valibot";
import { DeployError, messageOf } from "../errors.ts";
import { count } from "../util/size.ts";
import { pathText, schemaProblems } from "../util/schema.ts";
import { type DataVolume, isDataVolume, manifestSchema, type ReleaseManifest } from "./schema.ts";

/** A manifest is small; more than this is not one (bytes). */
export const MAX_MANIFEST = 8 * 1024 * 1024;

/**
 * Characters of a manifest up to which every mistake is listed, and of a longer one the first: each costs a kilobyte or two, and
 * two characters are enough for one.
 */
const MAX_LISTED = 64 * 1024;

/** Two-space JSON with a line end, keys in the order given: the bytes that get signed. */
export function encodeManifest(manifest: ReleaseManifest): string {
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

/** Reads a manifest; throws MANIFEST_INVALID naming `where` and listing every mistake, of a long one the first. */
export function parseManifest(bytes: Uint8Array | string, where: string): ReleaseManifest {
  const text = typeof bytes === "string" ? bytes : Buffer.from(bytes).toString("utf8");
  if (text.length > MAX_MANIFEST)
    throw invalid(where, [`${text.length} bytes; a manifest has at most ${MAX_MANIFEST}`]);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw invalid(where, [`not JSON: ${messageOf(error)}`]);
  }
  if (isDeep(json, MAX_DEPTH)) throw invalid(where, [`values are nested more than ${MAX_DEPTH} deep`]);
  const foreign = foreignness(json);
  if (foreign) throw invalid(where, [foreign]);
  const result = v.safeParse(manifestSchema, json, { abortEarly: text.length > MAX_LISTED });
  if (!result.success) {
    throw invalid(
      where,
      schemaProblems(result.issues).map(({ path, message }) => `${pathText(path)}: ${message}`),
    );
  }
  const problems = crossProblems(result.output);
  if (problems.length > 0) throw invalid(where, problems);
  return result.output;
}

/** Unknown fields are passed on, so they have to be such that they can be written again: that recurses. */
const MAX_DEPTH = 64;

function isDeep(value: unknown, left: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return left === 0 || Object.values(value).some((inner) => isDeep(inner, left - 1));
}

/** Why a document is not of our type and version at all; the rest of the schema then says nothing useful. */
function foreignness(json: unknown): string | undefined {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return "expected a JSON object";
  const { type, version } = json as { type?: unknown; version?: unknown };
  if (type !== "unikernel-deploy.release") {
    return `type: expected "unikernel-deploy.release", found ${JSON.stringify(type)}`;
  }
  if (version !== 1) {
    return `version: expected 1, found ${JSON.stringify(version)}; a newer unikernel-deploy may be needed to read it`;
  }
  return undefined;
}

/** Rules between fields, which the schema of each field cannot know. */
function crossProblems(manifest: ReleaseManifest): string[] {
  const problems: string[] = [];
  const unique = (what: string, values: readonly string[]) => {
    const seen = new Set<string>();
    for (const value of values) {
      if (seen.has(value)) problems.push(`${what}: ${JSON.stringify(value)} stands twice`);
      seen.add(value);
    }
  };
  unique(
    "volumes",
    manifest.volumes.map(({ name }) => name),
  );
  unique(
    "kernels",
    manifest.kernels.map(({ target, arch }) => `${target} for ${arch}`),
  );
  const paths = namedFiles(manifest).map(({ path }) => path);
  unique("paths", paths);
  problems.push(...nestedPaths(paths));
  for (const volume of manifest.volumes) {
    if (!isDataVolume(volume) || volume.parts === undefined) continue;
    const sum = volume.parts.reduce((total, { size }) => total + size, 0);
    if (sum !== volume.size) {
      problems.push(
        `volumes: ${volume.name}: ${count(volume.parts.length, "part")} add up to ${sum} bytes, not ${volume.size}`,
      );
    }
  }
  return problems;
}

/** A file that is also the directory of another: no tree of a repository holds both, and no disk. */
function nestedPaths(paths: readonly string[]): string[] {
  const files = new Set(paths);
  return paths.flatMap((path) => {
    const outer = path
      .split("/")
      .map((_, i, segments) => segments.slice(0, i).join("/"))
      .find((prefix) => files.has(prefix));
    return outer === undefined ? [] : [`paths: ${outer}: both a file and the directory of ${path}`];
  });
}

function invalid(where: string, problems: readonly string[]): DeployError {
  return new DeployError("MANIFEST_INVALID", `${where} is not a release manifest this program can read`, {
    problems,
    hint: "schema/manifest.v1.json describes the fields; docs/manifest.md explains them",
  });
}

/** A file of the deployment repository that the manifest names, with what it must be. */
export interface NamedFile {
  readonly path: string;
  readonly sha256: string;
  /** Known for kernels, images and parts. */
  readonly size?: number;
}

/** Every file the manifest names, but for the trees of layout `files`, which the volume's own digest covers. */
export function namedFiles(manifest: ReleaseManifest): NamedFile[] {
  return [
    ...manifest.kernels.map(({ path, size, sha256 }) => ({ path, size, sha256 })),
    ...manifest.volumes.filter(isDataVolume).flatMap(volumeFiles),
    ...(manifest.files ?? []).map(({ path, sha256 }) => ({ path, sha256 })),
  ];
}

function volumeFiles(volume: DataVolume): NamedFile[] {
  const index = volume.index ? [{ path: volume.index.path, sha256: volume.index.sha256 }] : [];
  if (volume.layout !== "image") return index;
  if (volume.parts) return [...volume.parts.map(({ path, size, sha256 }) => ({ path, size, sha256 })), ...index];
  return [...(volume.path ? [{ path: volume.path, size: volume.size, sha256: volume.sha256 }] : []), ...index];
}
