/**
 * A release in a registry: one OCI 1.1 artifact manifest whose layers are the files of the release, each with its path as
 * title, so that `oras pull` writes them where they belong. docs/registry.md describes it. Pure.
 */
import { DeployError } from "../../errors.ts";
import { isDataVolume, type ReleaseManifest } from "../../manifest/schema.ts";

export const RELEASE_TYPE = "application/vnd.unikernel-deploy.release.v1";
export const MANIFEST_TYPE = "application/vnd.unikernel-deploy.manifest.v1+json";
export const ARTIFACT_MEDIA_TYPE = "application/vnd.oci.image.manifest.v1+json";

/** The empty config of artifacts (image-spec, "Guidance for an Empty Descriptor"). */
export const EMPTY_CONFIG = {
  mediaType: "application/vnd.oci.empty.v1+json",
  digest: "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
  size: 2,
  data: "e30=",
} as const;

const ANNOTATION = {
  name: "vnd.unikernel-deploy.name",
  sequence: "vnd.unikernel-deploy.sequence",
  branch: "vnd.unikernel-deploy.branch",
  forced: "vnd.unikernel-deploy.forced",
  superseded: "vnd.unikernel-deploy.superseded",
  created: "org.opencontainers.image.created",
  revision: "org.opencontainers.image.revision",
  source: "org.opencontainers.image.source",
  title: "org.opencontainers.image.title",
} as const;

export interface Layer {
  /** Path of the file in the release. */
  readonly path: string;
  /** `sha256:<hex>` */
  readonly digest: string;
  readonly size: number;
}

export interface ReleaseArtifact {
  readonly name: string;
  readonly commit: string;
  /** Time of the source commit, where the release has one. */
  readonly committedAt: string | undefined;
  readonly repository: string | undefined;
  readonly sequence: number;
  /** Deployed by force: what was there may have been newer. */
  readonly forced: boolean;
  /** Announced, and taken back because a newer one was there. */
  readonly superseded: boolean;
  readonly layers: readonly Layer[];
}

/**
 * The artifact manifest's bytes; the same for the same release, wherever and whenever. Those of other branches than main
 * differ, so that what one branch lets go of is never another's.
 */
export function encodeArtifact(
  manifest: ReleaseManifest,
  layers: readonly Layer[],
  branch: string,
  forced = false,
): Buffer {
  const { name, sequence, source } = manifest;
  const volumes = new Set(manifest.volumes.filter(isDataVolume).map((volume) => volume.name));
  const document = {
    schemaVersion: 2,
    mediaType: ARTIFACT_MEDIA_TYPE,
    artifactType: RELEASE_TYPE,
    config: EMPTY_CONFIG,
    layers: layers.map(({ path, digest, size }) => ({
      mediaType: mediaTypeOf(path, volumes),
      digest,
      size,
      annotations: { [ANNOTATION.title]: path },
    })),
    annotations: {
      ...(source.committedAt === undefined ? {} : { [ANNOTATION.created]: source.committedAt }),
      [ANNOTATION.revision]: source.commit,
      ...(source.repository === undefined ? {} : { [ANNOTATION.source]: source.repository }),
      [ANNOTATION.name]: name,
      [ANNOTATION.sequence]: String(sequence),
      ...(branch === "main" ? {} : { [ANNOTATION.branch]: branch }),
      ...(forced ? { [ANNOTATION.forced]: "true" } : {}),
    },
  };
  return Buffer.from(JSON.stringify(document));
}

/** The same artifact, marked as taken back. */
export function markSuperseded(artifact: Uint8Array): Buffer {
  const document = JSON.parse(Buffer.from(artifact).toString("utf8")) as { annotations: Record<string, string> };
  document.annotations[ANNOTATION.superseded] = "true";
  return Buffer.from(JSON.stringify(document));
}

const OTHER_TYPES: Readonly<Record<string, string>> = {
  "manifest.json": MANIFEST_TYPE,
  "manifest.json.sig": "application/vnd.unikernel-deploy.signature.v1",
  SHA256SUMS: "application/vnd.unikernel-deploy.checksums.v1",
};

function mediaTypeOf(path: string, volumes: ReadonlySet<string>): string {
  const [room = "", file = ""] = path.split("/");
  if (room === "kernels") return "application/vnd.unikernel-deploy.kernel.v1";
  if (room === "launch") return "application/vnd.unikernel-deploy.launch.v1";
  if (room === "volumes") {
    if (file.endsWith(".index") && volumes.has(file.slice(0, -".index".length))) {
      return "application/vnd.unikernel-deploy.index.v1";
    }
    return file.endsWith(".parts")
      ? "application/vnd.unikernel-deploy.image.part.v1"
      : "application/vnd.unikernel-deploy.image.v1";
  }
  return OTHER_TYPES[path] ?? "application/octet-stream";
}

/** Parts of some volumes, and the files around them. */
const MAX_LAYERS = 70_000;
const PATH = /^(?!\.{0,2}(?:\/|$))(?:(?!\/\.{0,2}(?:\/|$))[^\u0000-\u001f\u007f\\])+$/;

/** Reads an artifact manifest; throws REPOSITORY_FOREIGN, naming `where`, for any that is not a release of ours. */
export function decodeArtifact(bytes: Uint8Array, where: string): ReleaseArtifact {
  const document = parse(bytes, where);
  if (document.artifactType !== RELEASE_TYPE) {
    throw foreign(where, [`artifactType: expected ${RELEASE_TYPE}, found ${shown(document.artifactType)}`]);
  }
  const annotations = recordOf(document.annotations);
  const text = (key: string) => (typeof annotations[key] === "string" ? annotations[key] : undefined);
  const name = text(ANNOTATION.name) ?? "";
  const commit = text(ANNOTATION.revision) ?? "";
  const sequence = text(ANNOTATION.sequence) ?? "";
  const layers = Array.isArray(document.layers) ? document.layers : [];
  const problems = [
    ...(/^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/.test(name) ? [] : [`${ANNOTATION.name}: not the name of a release`]),
    ...(/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(commit) ? [] : [`${ANNOTATION.revision}: not a commit`]),
    ...(/^[1-9]\d{0,11}$/.test(sequence) ? [] : [`${ANNOTATION.sequence}: not a number`]),
    ...(layers.length <= MAX_LAYERS ? [] : [`${layers.length} layers; a release has at most ${MAX_LAYERS}`]),
  ];
  if (problems.length > 0) throw foreign(where, problems);
  return {
    name,
    commit,
    committedAt: text(ANNOTATION.created),
    repository: text(ANNOTATION.source),
    sequence: Number(sequence),
    forced: text(ANNOTATION.forced) === "true",
    superseded: text(ANNOTATION.superseded) === "true",
    layers: layers.map((layer, i) => decodeLayer(layer, i, where)),
  };
}

function decodeLayer(value: unknown, i: number, where: string): Layer {
  const { digest, size, annotations } = recordOf(value);
  const path = recordOf(annotations)[ANNOTATION.title];
  const isOurs =
    typeof digest === "string" &&
    /^sha256:[0-9a-f]{64}$/.test(digest) &&
    typeof size === "number" &&
    Number.isSafeInteger(size) &&
    size >= 0 &&
    typeof path === "string" &&
    path.length <= 1024 &&
    PATH.test(path);
  if (isOurs) return { path, digest, size };
  throw foreign(where, [`layers[${i}]: expected a sha256 digest, a size and a title that is a path`]);
}

function parse(bytes: Uint8Array, where: string): Record<string, unknown> {
  try {
    return recordOf(JSON.parse(Buffer.from(bytes).toString("utf8")));
  } catch {
    throw foreign(where, ["not JSON"]);
  }
}

const recordOf = (value: unknown): Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};

const shown = (value: unknown) => (typeof value === "string" ? JSON.stringify(value.slice(0, 100)) : typeof value);

function foreign(where: string, problems: readonly string[]): DeployError {
  return new DeployError("REPOSITORY_FOREIGN", `${where} is not a release of ours`, {
    problems,
    hint: "deploy to a repository of the registry that nothing else uses",
  });
}
