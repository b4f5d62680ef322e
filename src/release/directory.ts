/**
 * The release directory, which crosses from the build job to the deploy job. It is written beside its place and moved
 * there whole; read back, nothing in it is trusted.
 */
import { isUtf8 } from "node:buffer";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import type { KernelArtifact, VolumeArtifact } from "../artifact/artifact.ts";
import { readKernel } from "../artifact/kernels.ts";
import { digestFile, scanClaimed, type ScannedImage, scanImage } from "../artifact/scan-image.ts";
import { DeployError } from "../errors.ts";
import type { ImageFormat } from "../image/format.ts";
import { FORMAT_NAMES, formatNamed } from "../image/formats.ts";
import { encodeIndex, type IndexFile, parseIndex } from "../image/index-file.ts";
import { encodeManifest, MAX_MANIFEST, parseManifest } from "../manifest/manifest.ts";
import { type DataVolume, isDataVolume, type ManifestKernel, type ReleaseManifest } from "../manifest/schema.ts";
import { ioError, makeDirectories } from "../util/files.ts";
import { KEY_MARK } from "../util/pem.ts";
import type { Release } from "./release.ts";

export const MANIFEST_FILE = "manifest.json";
export const REPORT_FILE = "report.json";
const OURS = new Set([MANIFEST_FILE, "manifest.json.sig", REPORT_FILE, "kernels", "volumes"]);

/** A release directory being made: beside its place until `commit`, gone if that is never reached. */
export interface Staging extends Disposable {
  readonly directory: string;
  /** Moves everything to its place, replacing an older release of ours. Throws OUTPUT_NOT_OURS as stageRelease does. */
  commit(): void;
}

/**
 * Begins a release directory that will be `out`. Throws OUTPUT_NOT_OURS, before anything is done, when `out` holds
 * something that is not a release of ours.
 */
export function stageRelease(out: string): Staging {
  const target = path.resolve(out);
  refuseForeign(target);
  const directory = path.join(path.dirname(target), `.${path.basename(target)}.${process.pid}.tmp`);
  try {
    rmSync(directory, { recursive: true, force: true });
    makeDirectories(path.join(directory, "kernels"));
    mkdirSync(path.join(directory, "volumes"));
  } catch (error) {
    throw ioError(`cannot write beside ${out}`, error);
  }
  return {
    directory,
    commit() {
      // The user's build ran meanwhile, and may have put something of its own there.
      refuseForeign(target);
      replaceDirectory(directory, target);
    },
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  };
}

function refuseForeign(target: string): void {
  const entries = entriesOf(target);
  if (entries.length === 0) return;
  const foreign = entries.filter((name) => !OURS.has(name));
  if (foreign.length > 0) throw notOurs(target, `it holds ${foreign.slice(0, 3).join(", ")}`);
  if (!entries.includes(MANIFEST_FILE)) throw notOurs(target, "it has no manifest.json");
  if (!isManifest(path.join(target, MANIFEST_FILE))) {
    throw notOurs(target, "its manifest.json is not a release manifest");
  }
}

function entriesOf(target: string): readonly string[] {
  try {
    const stat = statSync(target, { throwIfNoEntry: false });
    if (!stat) return [];
    if (!stat.isDirectory()) throw notOurs(target, "it is not a directory");
    return readdirSync(target);
  } catch (error) {
    if (error instanceof DeployError) throw error;
    throw ioError(`cannot use ${target}`, error);
  }
}

/** Whether a file says that it is a release manifest, of whatever version. */
function isManifest(file: string): boolean {
  try {
    const document = JSON.parse(readFileSync(file, "utf8")) as { type?: unknown } | null;
    return document?.type === "unikernel-deploy.release";
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw ioError(`cannot read ${file}`, error);
  }
}

function notOurs(target: string, why: string): DeployError {
  return new DeployError("OUTPUT_NOT_OURS", `${target} is not an empty directory or a release of ours: ${why}`, {
    hint: "choose another --out, or empty this one yourself",
  });
}

/** Two renames: no file system call that Node offers swaps two directories at once. The old release goes last. */
function replaceDirectory(from: string, to: string): void {
  const old = `${from}.old`;
  try {
    if (existsSync(to)) renameSync(to, old);
    renameSync(from, to);
  } catch (error) {
    if (existsSync(old) && !existsSync(to)) renameSync(old, to);
    throw ioError(`cannot move the release to ${to}`, error);
  }
  rmSync(old, { recursive: true, force: true });
}

/** Writes the manifest and the indexes of the volumes; kernels and images are there already. */
export function writeRelease(directory: string, release: Release): void {
  writeFileSync(path.join(directory, MANIFEST_FILE), encodeManifest(release.manifest));
  for (const { name, index, indexFile } of release.volumes) {
    writeFileSync(path.join(directory, "volumes", `${name}.index`), indexFile ?? encodeIndex(index));
  }
}

/**
 * Reads a release directory, recomputing every digest and id in one pass over each file. Throws RELEASE_INVALID where it
 * is not one, DIGEST_MISMATCH listing every file that is not what the manifest says.
 */
export async function readRelease(directory: string): Promise<Release> {
  const manifest = readManifestFile(directory);
  const problems: string[] = [];
  const kernels = manifest.kernels.map((kernel) => readManifestKernel(directory, kernel, problems));
  const volumes: VolumeArtifact[] = [];
  for (const volume of manifest.volumes.filter(isDataVolume)) {
    volumes.push(await readManifestVolume(directory, volume, problems));
  }
  if (problems.length > 0) throw mismatch(directory, problems);
  return { manifest, kernels, volumes };
}

/** The text of the report that came with a release; undefined where there is none of at most `limit` bytes. */
export function readReport(directory: string, limit: number): string | undefined {
  const file = path.join(directory, REPORT_FILE);
  const stat = lstatSync(file, { throwIfNoEntry: false });
  return stat?.isFile() && stat.size <= limit ? readFileSync(file, "utf8") : undefined;
}

function mismatch(directory: string, problems: readonly string[]): DeployError {
  return new DeployError("DIGEST_MISMATCH", `${directory} is not the release its manifest describes`, {
    problems,
    hint: "build it again; nothing of it was used",
  });
}

function readManifestFile(directory: string): ReleaseManifest {
  const file = path.join(directory, MANIFEST_FILE);
  const stat = lstatSync(file, { throwIfNoEntry: false });
  if (!stat?.isFile()) {
    throw new DeployError("RELEASE_INVALID", `${directory} is not a release directory: it has no manifest.json`, {
      hint: "give the directory that build wrote with --out",
    });
  }
  if (stat.size > MAX_MANIFEST)
    throw new DeployError("RELEASE_INVALID", `${file} has ${stat.size} bytes, too many for a manifest`);
  return parseManifest(readFileSync(file), file);
}

function readManifestKernel(directory: string, kernel: ManifestKernel, problems: string[]): KernelArtifact {
  const artifact = readKernel(requireFile(directory, kernel.path));
  compare(problems, kernel.path, kernel, artifact);
  const { target, arch, devices } = artifact.info;
  if (target !== kernel.target || arch !== kernel.arch || deviceText(devices) !== deviceText(kernel.devices)) {
    problems.push(
      `${kernel.path}: its bytes say ${target} ${arch} [${deviceText(devices)}], the manifest ${kernel.target} ${kernel.arch} [${deviceText(kernel.devices)}]`,
    );
  }
  return artifact;
}

const deviceText = (devices: readonly { name: string; type: string }[]) =>
  devices.map(({ name, type }) => `${type} ${name}`).join(", ");

async function readManifestVolume(directory: string, volume: DataVolume, problems: string[]): Promise<VolumeArtifact> {
  const name = `volumes/${volume.name}.img`;
  const file = requireFile(directory, name);
  const format = formatOf(volume);
  const indexFile = `volumes/${volume.name}.index`;
  const claimed = claimedIndex(requireFile(directory, indexFile), file);
  const scan: Promise<ScannedImage> = claimed
    ? scanClaimed(file, format, claimed.entries, KEY_MARK)
    : scanImage(file, format);
  const { marks, ...image } = await scan.catch((error: unknown) => damaged(directory, volume, error, problems));
  compare(problems, name, volume, image);
  const bytes = image.index.reduce((sum, entry) => sum + entry.size, 0);
  if (image.index.length !== volume.files || bytes !== volume.bytes) {
    problems.push(
      `${name}: holds ${image.index.length} files of ${bytes} bytes, the manifest says ${volume.files} of ${volume.bytes}`,
    );
  }
  const isAsClaimed = image.index === claimed?.entries;
  if (!isAsClaimed && !holds(path.join(directory, indexFile), encodeIndex(image.index))) {
    problems.push(`${indexFile}: does not list the files in ${name}`);
  }
  return {
    name: volume.name,
    file,
    format,
    ...image,
    emptyDirectories: [],
    isExact: "offsets" in image,
    ...(isAsClaimed ? { indexFile: claimed.bytes } : {}),
    ...(marks ? { keyMarks: marks } : {}),
  };
}

/** What the index file claims to be in the image; undefined where it is no index, or far larger than any of that image. */
function claimedIndex(indexFile: string, image: string): IndexFile | undefined {
  if (statSync(indexFile).size > Math.max(statSync(image).size, SMALL_INDEX)) return undefined;
  const bytes = readFileSync(indexFile);
  if (!isUtf8(bytes)) return undefined;
  try {
    return { entries: parseIndex(bytes.toString("utf8")), bytes };
  } catch (error) {
    if (error instanceof DeployError && error.code === "MANIFEST_INVALID") return undefined;
    throw error;
  }
}

/** An index of so many bytes is read whatever the image: a tar has 512 bytes for each line, but an empty file on FAT 32. */
const SMALL_INDEX = 16 * 1024 * 1024;

/** Throws RELEASE_INVALID for a format of a later version. */
function formatOf({ name, format }: DataVolume): ImageFormat {
  if ((FORMAT_NAMES as readonly string[]).includes(format)) return formatNamed(format);
  throw new DeployError("RELEASE_INVALID", `volume ${name} is of format "${format}", which this version cannot read`, {
    hint: `it reads ${FORMAT_NAMES.join(", ")}; a newer unikernel-deploy may be needed`,
  });
}

/** An image that cannot be read: DIGEST_MISMATCH where it is not the one that was built, else IMAGE_INVALID. */
function damaged(directory: string, volume: DataVolume, error: unknown, problems: string[]): never {
  if (!(error instanceof DeployError) || error.code !== "IMAGE_INVALID") throw error;
  const name = `volumes/${volume.name}.img`;
  compare(problems, name, volume, digestFile(path.join(directory, name)));
  if (problems.length > 0) throw mismatch(directory, [...problems, `${name}: ${error.message}`]);
  throw new DeployError("IMAGE_INVALID", `${name}: ${error.message}`, { hint: error.hint, cause: error });
}

/** Whether a file has exactly this content; a larger one is not read. */
function holds(file: string, content: string): boolean {
  const bytes = Buffer.from(content);
  return statSync(file).size === bytes.length && readFileSync(file).equals(bytes);
}

interface Measured {
  readonly size: number;
  readonly sha256: string;
}

function compare(problems: string[], name: string, expected: Measured, found: Measured): void {
  if (found.size !== expected.size) problems.push(`${name}: ${found.size} bytes, the manifest says ${expected.size}`);
  else if (found.sha256 !== expected.sha256) {
    problems.push(`${name}: sha256 ${found.sha256}, the manifest says ${expected.sha256}`);
  }
}

function requireFile(directory: string, name: string): string {
  const file = path.join(directory, name);
  // A link in a directory that came from another job could point at anything on this machine.
  const parent = lstatSync(path.dirname(file), { throwIfNoEntry: false });
  if (parent?.isDirectory() && lstatSync(file, { throwIfNoEntry: false })?.isFile()) return file;
  throw new DeployError("RELEASE_INVALID", `${directory}: ${name} is missing`, {
    hint: "was the whole release directory carried over?",
  });
}
