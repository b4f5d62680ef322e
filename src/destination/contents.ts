/**
 * What a release is in a deployment repository: every file with its git id and where its bytes come from, and the
 * manifest that names them.
 */
import path from "node:path";
import type { VolumeArtifact } from "../artifact/artifact.ts";
import { digestFile } from "../artifact/scan-image.ts";
import { DeployError } from "../errors.ts";
import { encodeIndex } from "../image/index-file.ts";
import { cutImage, PART_SIZE, PART_THRESHOLD } from "../image/parts.ts";
import { encodeManifest } from "../manifest/manifest.ts";
import { type DataVolume, isDataVolume, type ReleaseManifest } from "../manifest/schema.ts";
import type { Release } from "../release/release.ts";
import { blobId, sha256 } from "../util/digest.ts";
import { openFile } from "../util/files.ts";
import type { Layout } from "./destination.ts";
import { launchFiles } from "./launch-text.ts";

/** Bytes in memory, or a range of a file on this machine. */
export type Content =
  | { readonly bytes: Buffer }
  | { readonly file: string; readonly offset: number; readonly size: number };

export interface RepositoryFile {
  /** Below the release's own directory in the repository. */
  readonly path: string;
  /** Git blob id. */
  readonly id: string;
  readonly content: Content;
}

export interface Contents {
  readonly manifest: ReleaseManifest;
  readonly files: readonly RepositoryFile[];
}

export interface ArrangeOptions {
  readonly layout: Layout;
  readonly sequence: number;
  /** Whether the repository holds this volume in parts now: once in parts, always in parts. */
  readonly inParts: (volume: string) => boolean;
  readonly sign: ((manifest: string) => Promise<string>) | undefined;
}

/** Arranges a release for the repository; reads kernels and images once for the digests that are not known. */
export async function arrange(release: Release, options: ArrangeOptions): Promise<Contents> {
  const stored = new Map<string, StoredVolume>();
  for (const volume of release.volumes) {
    stored.set(volume.name, options.layout === "image" ? storeImage(volume, options) : storeFiles(volume));
  }
  const kernels = release.kernels.map(({ file, size, id }) => ({
    path: `kernels/${path.basename(file)}`,
    id,
    content: { file, offset: 0, size },
  }));
  const draft: ReleaseManifest = {
    ...release.manifest,
    volumes: release.manifest.volumes.map((volume) =>
      isDataVolume(volume) ? { ...volume, ...stored.get(volume.name)?.fields } : volume,
    ),
  };
  const sums = textFile("SHA256SUMS", sha256Sums(draft));
  const launch = launchFiles(draft).map(({ path: name, text }) => textFile(name, text));
  const described = [sums, ...launch];
  const manifest = placeSequence(
    { ...draft, files: described.map(({ path: name, content }) => ({ path: name, sha256: sha256(content.bytes) })) },
    options.sequence,
  );
  const text = encodeManifest(manifest);
  const signature = options.sign ? [textFile("manifest.json.sig", await options.sign(text))] : [];
  const volumes = [...stored.values()].flatMap(({ files }) => files);
  return { manifest, files: [textFile("manifest.json", text), ...signature, ...described, ...kernels, ...volumes] };
}

/** The sequence stands after the name, where a reader of the file looks for it. */
function placeSequence(manifest: ReleaseManifest, sequence: number): ReleaseManifest {
  const { type, version, name, sequence: _, ...rest } = manifest;
  return { type, version, name, sequence, ...rest };
}

function textFile(name: string, text: string): RepositoryFile & { readonly content: { readonly bytes: Buffer } } {
  const bytes = Buffer.from(text);
  return { path: name, id: blobId(bytes), content: { bytes } };
}

interface StoredVolume {
  readonly fields: Partial<DataVolume>;
  readonly files: readonly RepositoryFile[];
}

function storeImage(volume: VolumeArtifact, { inParts }: ArrangeOptions): StoredVolume {
  const { name, file, size } = volume;
  const index = textFile(`volumes/${name}.index`, encodeIndex(volume.index));
  const indexField = { path: index.path, sha256: sha256(index.content.bytes) };
  const imagePath = `volumes/${name}.img`;
  if (size <= PART_THRESHOLD && !inParts(name)) {
    const { id } = digestFile(file);
    return {
      fields: { layout: "image", path: imagePath, index: indexField },
      files: [{ path: imagePath, id, content: { file, offset: 0, size } }, index],
    };
  }
  const parts = cutImage(volume.index, volume.format.layout(volume.index, { size }).starts, size).map((range, i) => {
    const digests = digestFile(file, range);
    return { ...digests, path: `${imagePath}.parts/${partName(i)}`, content: { file, ...range } };
  });
  return {
    fields: {
      layout: "image",
      parts: parts.map((part) => ({ path: part.path, size: part.size, sha256: part.sha256 })),
      index: indexField,
    },
    files: [...parts.map(({ path: at, id, content }) => ({ path: at, id, content })), index],
  };
}

const partName = (i: number) => String(i).padStart(4, "0");

/** The files of the image as a tree; files over 50 MiB in parts beside it. */
function storeFiles(volume: VolumeArtifact): StoredVolume {
  const { name, file } = volume;
  using source = openFile(file);
  const problems: string[] = [];
  const files: RepositoryFile[] = [];
  for (const { path: at, size, offset, id } of located(volume, source)) {
    if (at.split("/").some((segment) => segment.toLowerCase() === ".git")) {
      problems.push(`${at}: git stores no path with a ".git" segment`);
    } else if (size <= PART_THRESHOLD) {
      files.push({ path: `volumes/${name}/${at}`, id, content: { file, offset, size } });
    } else {
      for (let part = 0; part * PART_SIZE < size; part++) {
        const range = { offset: offset + part * PART_SIZE, size: Math.min(PART_SIZE, size - part * PART_SIZE) };
        const partPath = `volumes/${name}.parts/${at}/${partName(part)}`;
        files.push({ path: partPath, id: digestFile(file, range).id, content: { file, ...range } });
      }
    }
  }
  if (problems.length > 0) {
    throw new DeployError("SITE_UNREPRESENTABLE", `layout "files" cannot hold volume ${name}`, {
      problems,
      hint: "leave these out of the site, or use layout: image",
    });
  }
  return { fields: { layout: "files", path: `volumes/${name}` }, files };
}

function* located(volume: VolumeArtifact, source: Parameters<VolumeArtifact["format"]["list"]>[0]) {
  let i = 0;
  for (const entry of volume.format.list(source)) {
    const known = volume.index[i++];
    if (known?.path !== entry.path || known.size !== entry.size) {
      throw new DeployError("FILE_CHANGED", `${volume.file} changed since its index was made (at ${entry.path})`);
    }
    yield { ...entry, id: known.id };
  }
}

/** `sha256sum -c` form: two spaces, then the path. Only what stands in the repository as it is. */
function sha256Sums(manifest: ReleaseManifest): string {
  const lines = manifest.kernels.map(({ path: at, sha256: digest }) => `${digest}  ${at}\n`);
  for (const volume of manifest.volumes.filter(isDataVolume)) {
    if (volume.layout !== "image") continue;
    if (volume.parts) for (const part of volume.parts) lines.push(`${part.sha256}  ${part.path}\n`);
    else lines.push(`${volume.sha256}  ${volume.path}\n`);
  }
  return lines.join("");
}
