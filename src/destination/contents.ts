/**
 * What a release is in a deployment repository: every file with its git id and where its bytes come from, and the
 * manifest that names them.
 */
import path from "node:path";
import type { VolumeArtifact } from "../artifact/artifact.ts";
import { digestFile, digestRanges, type FileDigests } from "../artifact/scan-image.ts";
import { DeployError } from "../errors.ts";
import { layoutOf } from "../image/format.ts";
import { encodeIndex, type IndexEntry } from "../image/index-file.ts";
import { cutImage, type Part, PART_SIZE, PART_THRESHOLD } from "../image/parts.ts";
import { encodeManifest } from "../manifest/manifest.ts";
import { type DataVolume, isDataVolume, type ReleaseManifest } from "../manifest/schema.ts";
import type { Release } from "../release/release.ts";
import { blobId, sha256 } from "../util/digest.ts";
import { openFile } from "../util/files.ts";
import type { Layout } from "./destination.ts";
import { isRefusedByGit } from "./git-names.ts";
import { launchFiles } from "./launch/index.ts";
import { partPrints } from "./part-prints.ts";

/** Bytes in memory, or a range of a file on this machine. */
export type Content =
  | { readonly bytes: Buffer }
  | { readonly file: string; readonly offset: number; readonly size: number };

/** Bytes in a content. */
export const contentSize = (content: Content): number => ("bytes" in content ? content.bytes.length : content.size);

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
  /** Commits of the volumes that are branches, by volume. */
  readonly branches: ReadonlyMap<string, { readonly commit: string; readonly tree: string }>;
  readonly sign: ((manifest: string) => Promise<string>) | undefined;
  /** What is there now; the digests of a volume that stays as it is are taken from it. */
  readonly deployed?: Deployed | undefined;
}

/**
 * The release that is deployed, and the blob ids of its files below its own directory. Its manifest's word is taken for
 * what parts hold, so where releases are signed it must be one that we signed.
 */
export interface Deployed {
  readonly manifest: ReleaseManifest;
  readonly blobId: (path: string) => string | undefined;
}

/** Arranges a release for the repository; reads kernels and images once for the digests that are not known. */
export async function arrange(release: Release, options: ArrangeOptions): Promise<Contents> {
  const stored = new Map<string, StoredVolume>();
  for (const volume of release.volumes) {
    stored.set(volume.name, await storeVolume(volume, options));
  }
  const kernels = release.kernels.map(({ file, size, id }) => ({
    path: `kernels/${path.basename(file)}`,
    id,
    content: { file, offset: 0, size },
  }));
  const draft: ReleaseManifest = {
    ...release.manifest,
    volumes: release.manifest.volumes.map((volume) =>
      isDataVolume(volume) ? { ...withoutPlace(volume), ...stored.get(volume.name)?.fields } : volume,
    ),
  };
  const sums = textFile(SUMS_FILE, sha256Sums(draft));
  const launch = launchFiles(draft).map(({ path: name, text }) => textFile(name, text));
  const described = [sums, ...launch];
  const named = described.map(({ path: name, content }) => ({ path: name, sha256: sha256(content.bytes) }));
  const volumes = [...stored.values()].flatMap(({ files }) => files);
  const contents = { manifest: { ...draft, files: named }, files: [...described, ...kernels, ...volumes] };
  return renumber(contents, options.sequence, options.sign);
}

export const SUMS_FILE = "SHA256SUMS";
const MANIFEST_FILES = new Set(["manifest.json", "manifest.json.sig"]);

/** The same under another number: only the manifest and its signature differ. */
export async function renumber(contents: Contents, sequence: number, sign: ArrangeOptions["sign"]): Promise<Contents> {
  const manifest = placeSequence(contents.manifest, sequence);
  const text = encodeManifest(manifest);
  const signature = sign ? [textFile("manifest.json.sig", await sign(text))] : [];
  const others = contents.files.filter(({ path: at }) => !MANIFEST_FILES.has(at));
  return { manifest, files: [textFile("manifest.json", text), ...signature, ...others] };
}

/** How a volume is stored is decided here, whatever the release that was given says. */
function withoutPlace({ layout: _1, path: _2, index: _3, parts: _4, commit: _5, tree: _6, ...volume }: DataVolume) {
  return volume;
}

/** The sequence stands after the name, where a reader of the file looks for it. */
function placeSequence(manifest: ReleaseManifest, sequence: number): ReleaseManifest {
  const { type, version, name, sequence: _, ...rest } = manifest;
  return { type, version, name, sequence, ...rest };
}

interface FileInMemory extends RepositoryFile {
  readonly content: { readonly bytes: Buffer };
}

const bytesFile = (name: string, bytes: Buffer): FileInMemory => ({
  path: name,
  id: blobId(bytes),
  content: { bytes },
});
const textFile = (name: string, text: string): FileInMemory => bytesFile(name, Buffer.from(text));

interface StoredVolume {
  readonly fields: Partial<DataVolume>;
  readonly files: readonly RepositoryFile[];
}

async function storeVolume(volume: VolumeArtifact, options: ArrangeOptions): Promise<StoredVolume> {
  const branch = options.branches.get(volume.name);
  if (branch) return { fields: { ...branch }, files: [] };
  return options.layout === "image" ? storeImage(volume, options) : storeFiles(volume);
}

async function storeImage(volume: VolumeArtifact, { inParts, deployed }: ArrangeOptions): Promise<StoredVolume> {
  const { name, file, size } = volume;
  const index = bytesFile(`volumes/${name}.index`, volume.indexFile ?? Buffer.from(encodeIndex(volume.index)));
  const indexField = { path: index.path, sha256: sha256(index.content.bytes) };
  const imagePath = `volumes/${name}.img`;
  if (size <= PART_THRESHOLD && !inParts(name)) {
    const { id } = digestFile(file);
    return {
      fields: { layout: "image", path: imagePath, index: indexField },
      files: [{ path: imagePath, id, content: { file, offset: 0, size } }, index],
    };
  }
  const parts = (await digestParts(volume, deployed)).map((part, i) => ({
    ...part,
    path: `${imagePath}.parts/${partName(i)}`,
  }));
  return {
    fields: {
      layout: "image",
      parts: parts.map(({ path: at, range, sha256: digest, id, print }) => ({
        path: at,
        size: range.size,
        sha256: digest,
        ...(print === undefined ? {} : { blob: id, print }),
      })),
      index: indexField,
    },
    files: [...parts.map(({ path: at, id, range }) => ({ path: at, id, content: { file, ...range } })), index],
  };
}

interface DigestedPart {
  readonly range: Part;
  readonly sha256: string;
  readonly id: string;
  /** Where the image is known to be what its format makes of its index. */
  readonly print: string | undefined;
}

/** The parts of a volume with their digests; only those are read that are not deployed already. */
async function digestParts(volume: VolumeArtifact, deployed: Deployed | undefined): Promise<readonly DigestedPart[]> {
  const { format, index, size } = volume;
  const layout = volume.layout ?? (format.rebuilds ? layoutOf(format, index, { size }) : undefined);
  const ranges = layout ? cutImage(index, layout.starts, size) : cutPacked(volume);
  const prints = layout && volume.isExact ? partPrints({ layout, index, size }, ranges) : undefined;
  const known = prints ? deployedParts(volume.name, deployed) : new Map<string, never>();
  const isNew = ranges.map((_, i) => !known.has(prints?.[i] ?? ""));
  const read = await digestRanges(
    volume.file,
    ranges.filter((_, i) => isNew[i]),
  );
  let next = 0;
  return ranges.map((range, i) => {
    const print = prints?.[i];
    const digests = (isNew[i] ? read[next++] : known.get(print ?? "")) as Pick<FileDigests, "sha256" | "id">;
    return { range, sha256: digests.sha256, id: digests.id, print };
  });
}

/** Digests of the parts that are deployed, by their prints; of those that lie where the manifest says. */
function deployedParts(
  name: string,
  deployed: Deployed | undefined,
): ReadonlyMap<string, { readonly sha256: string; readonly id: string }> {
  const volume = deployed?.manifest.volumes.filter(isDataVolume).find((candidate) => candidate.name === name);
  const parts = (volume?.layout === "image" && volume.parts) || [];
  return new Map(
    parts.flatMap(({ path: at, sha256: digest, blob, print }) =>
      blob === undefined || print === undefined || deployed?.blobId(at) !== blob
        ? []
        : [[print, { sha256: digest, id: blob }] as const],
    ),
  );
}

/** The parts of a volume whose layout depends on its content, cut where its files begin. */
function cutPacked({ file, format, size }: VolumeArtifact): Part[] {
  using source = openFile(file);
  // Where files are stored once, several begin at the same byte; one of them will do.
  const found = [...format.list(source)].sort((a, b) => a.offset - b.offset);
  const files = found.filter(({ offset }, i) => offset !== found[i - 1]?.offset);
  return cutImage(
    files,
    files.map(({ offset }) => offset),
    size,
  );
}

const partName = (i: number) => String(i).padStart(4, "0");

/** The files of the image as a tree; files over 50 MiB in parts beside it. */
function storeFiles(volume: VolumeArtifact): StoredVolume {
  const { name, format } = volume;
  if (!format.rebuilds) {
    throw new DeployError(
      "CONFIG_INVALID",
      `volume ${name}: a host cannot make a ${format.name} image from its files`,
      {
        hint: "use layout: image for this release",
      },
    );
  }
  const files: RepositoryFile[] = [];
  for (const file of siteFiles(volume)) {
    const { path: at, id, content } = file;
    if (content.size <= PART_THRESHOLD) files.push({ path: `volumes/${name}/${at}`, id, content });
    else
      for (const [i, part] of partsOf(file).entries())
        files.push({ ...part, path: `volumes/${name}.parts/${at}/${partName(i)}` });
  }
  return { fields: { layout: "files", path: `volumes/${name}` }, files };
}

function partsOf({ path: at, content }: SiteFile): RepositoryFile[] {
  const parts: RepositoryFile[] = [];
  for (let done = 0; done < content.size; done += PART_SIZE) {
    const range = { offset: content.offset + done, size: Math.min(PART_SIZE, content.size - done) };
    parts.push({ path: at, id: digestFile(content.file, range).id, content: { file: content.file, ...range } });
  }
  return parts;
}

interface SiteFile extends RepositoryFile {
  readonly content: { readonly file: string; readonly offset: number; readonly size: number };
}

/** The files of a volume where they stand in its image. Throws SITE_UNREPRESENTABLE for names that git refuses. */
export function siteFiles(volume: VolumeArtifact): SiteFile[] {
  const { file, index } = volume;
  const offsets = offsetsOf(volume);
  const files = index.map(({ path: at, size, id }, i) => ({
    path: at,
    id,
    content: { file, offset: offsets[i] as number, size },
  }));
  const problems = files
    .filter(({ path: at }) => isRefusedByGit(at))
    .map(({ path: at }) => `${at}: git stores no path with a segment that some system takes for ".git"`);
  if (problems.length === 0) return files;
  throw new DeployError("SITE_UNREPRESENTABLE", `git cannot hold the files of volume ${volume.name}`, {
    problems,
    hint: "leave these out of the site, or use layout: image with another format",
  });
}

/** Where each file's content begins in the image. */
function offsetsOf({ name, file, format, index, offsets }: VolumeArtifact): Float64Array | readonly number[] {
  if (offsets) return offsets;
  using source = openFile(file);
  const changed = (at: string) =>
    new DeployError("FILE_CHANGED", `${file} changed since its index was made (at ${at})`);
  const found = [...format.list(source)];
  if (found.length < index.length) throw changed((index[found.length] as IndexEntry).path);
  return found.map((entry, i) => {
    const known = index[i];
    if (known?.path !== entry.path || known.size !== entry.size) throw changed(entry.path);
    if (entry.stored) {
      throw new DeployError("CONFIG_INVALID", `volume ${name}: its image does not hold ${entry.path} as it is`, {
        hint: `use layout: image for a ${format.name} volume`,
      });
    }
    return entry.offset;
  });
}

/** `sha256sum -c` form: two spaces, then the path. Only what stands in the repository as it is. */
export function sha256Sums(manifest: ReleaseManifest): string {
  const lines = manifest.kernels.map(({ path: at, sha256: digest }) => `${digest}  ${at}\n`);
  for (const volume of manifest.volumes.filter(isDataVolume)) {
    if (volume.layout !== "image") continue;
    if (volume.parts) for (const part of volume.parts) lines.push(`${part.sha256}  ${part.path}\n`);
    else lines.push(`${volume.sha256}  ${volume.path}\n`);
  }
  return lines.join("");
}
