/**
 * The documents of a runnable image: config, manifest and index (OCI image-spec 1.1), and urunc's own file beside the
 * kernel. The same kernel, volume and arguments give the same image, whatever commit they come from: so hosts fetch only
 * what changed. An index belongs to one release. Pure.
 */
import type { UruncAnnotations } from "../../manifest/urunc.ts";
import { sha256 } from "../../util/digest.ts";

export const IMAGE_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
export const IMAGE_INDEX = "application/vnd.oci.image.index.v1+json";
const IMAGE_CONFIG = "application/vnd.oci.image.config.v1+json";
/** Not compressed: docs/decisions/0006-runnable-layers-uncompressed.md. */
const LAYER = "application/vnd.oci.image.layer.v1.tar";

/** Names the target of an image in an index, where several are for one architecture. */
export const TARGET_ANNOTATION = "vnd.unikernel-deploy.target";
/** Of the index of all images, as a reader of referrers sees it. */
export const RUNNABLE_TYPE = "application/vnd.unikernel-deploy.runnable.v1";

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** A document with its name. */
export interface Document extends Descriptor {
  readonly bytes: Buffer;
}

/** A layer: its digest is that of the uncompressed tar, which it is. */
export interface LayerName {
  readonly digest: string;
  readonly size: number;
}

export interface ImageSpec {
  /** GOARCH */
  readonly architecture: string;
  readonly args: readonly string[];
  readonly annotations: UruncAnnotations;
  readonly layers: readonly LayerName[];
}

/** Config and manifest of one kernel's image. */
export function imageDocuments({ architecture, args, annotations, layers }: ImageSpec): {
  readonly config: Document;
  readonly manifest: Document;
} {
  const config = document(IMAGE_CONFIG, {
    // Of the content, not of the build: there is no time at which these bytes came to be.
    created: "1970-01-01T00:00:00Z",
    architecture,
    os: "linux",
    // containerd starts nothing without a command, and urunc hands it to the guest as its arguments.
    config: { Cmd: args.length === 0 ? [""] : args },
    rootfs: { type: "layers", diff_ids: layers.map(({ digest }) => digest) },
  });
  const manifest = document(IMAGE_MANIFEST, {
    schemaVersion: 2,
    mediaType: IMAGE_MANIFEST,
    config: descriptorOf(config),
    layers: layers.map(({ digest, size }) => ({ mediaType: LAYER, digest, size })),
    annotations: encoded(annotations),
  });
  return { config, manifest };
}

/** An image as an index lists it. */
export interface IndexEntry {
  readonly manifest: Document;
  readonly architecture: string;
  readonly target: string;
}

export interface IndexOptions {
  /** The release that it is to be found from. */
  readonly subject?: Descriptor;
  /** What no other release has: tags are deleted by digest, and must not take those of another with them. */
  readonly annotations: Readonly<Record<string, string>>;
}

export function imageIndex(entries: readonly IndexEntry[], { subject, annotations }: IndexOptions): Document {
  return document(IMAGE_INDEX, {
    schemaVersion: 2,
    mediaType: IMAGE_INDEX,
    ...(subject ? { artifactType: RUNNABLE_TYPE } : {}),
    manifests: entries.map(({ manifest, architecture, target }) => ({
      ...descriptorOf(manifest),
      platform: { architecture, os: "linux" },
      annotations: { [TARGET_ANNOTATION]: target },
    })),
    ...(subject ? { subject: descriptorOf(subject) } : {}),
    annotations,
  });
}

/** `/urunc.json`: what urunc reads where annotations do not reach it, as in Kubernetes. */
export const uruncFile = (annotations: UruncAnnotations): Buffer => json(encoded(annotations));

/** Base64 in both places: urunc decodes urunc.json always, and the annotations in most releases. */
function encoded(annotations: UruncAnnotations): Record<string, string> {
  return Object.fromEntries(
    Object.entries(annotations).map(([key, value]) => [key, Buffer.from(value).toString("base64")]),
  );
}

function document(mediaType: string, value: object): Document {
  const bytes = json(value);
  return { mediaType, digest: `sha256:${sha256(bytes)}`, size: bytes.length, bytes };
}

const json = (value: object) => Buffer.from(JSON.stringify(value));

const descriptorOf = ({ mediaType, digest, size }: Descriptor): Descriptor => ({ mediaType, digest, size });
