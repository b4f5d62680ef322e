/**
 * Secret volumes: made on this host, from a directory or given as an image, of mode 0600, in the runtime directory. Their
 * content is in no release, no log and no argument.
 */
import { createHash } from "node:crypto";
import { chmodSync, existsSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { DeployError } from "../errors.ts";
import { layoutOf } from "../image/format.ts";
import { formatNamed, isFormat } from "../image/formats.ts";
import { type FileEntry, sortTree, treeProblems } from "../image/tree.ts";
import type { ReleaseManifest, SecretVolume } from "../manifest/schema.ts";
import { ioError, makeDirectories, openFile } from "../util/files.ts";
import { ImageWriter } from "../util/image-writer.ts";
import type { HostContext } from "./context.ts";

export interface SecretImage {
  readonly volume: string;
  readonly device: string;
  /** Absolute path. */
  readonly file: string;
  readonly sha256: string;
}

/** More than this in a directory of secrets is a mistake (files). */
const MAX_FILES = 10_000;
const CHUNK = 1024 * 1024;

/**
 * Makes the secret volumes that a release declares. Throws USAGE for one that host.yml says nothing of, SITE_UNREADABLE
 * for files that cannot be read; what was there before is then still whole.
 */
export function makeSecrets(context: HostContext, manifest: ReleaseManifest, runtime: string): SecretImage[] {
  const directory = path.join(runtime, "secrets");
  makeDirectories(directory, 0o700);
  chmodSync(directory, 0o700);
  return declaredSecrets(context, manifest).map((volume) => makeSecret(context, volume, runtime));
}

/** Throws USAGE for a secret volume of the release whose content is not where host.yml says, or of which it says nothing. */
export function requireSecrets(context: HostContext, manifest: ReleaseManifest): void {
  for (const volume of declaredSecrets(context, manifest)) sourceOf(context, volume);
}

/** Where the secret volumes of a release are, or would be, made. Throws USAGE for one that host.yml says nothing of. */
export function secretFiles(
  context: HostContext,
  manifest: ReleaseManifest,
  runtime: string,
): Pick<SecretImage, "volume" | "file">[] {
  return declaredSecrets(context, manifest).map((volume) => ({
    volume: volume.name,
    file: fileOf(context, volume, runtime),
  }));
}

type SecretContent = HostContext["config"]["secrets"][string];

/** Names come from a manifest: "constructor" is one, and no entry of host.yml. */
const contentOf = ({ secrets }: HostContext["config"], name: string): SecretContent | undefined =>
  Object.hasOwn(secrets, name) ? secrets[name] : undefined;

// Two releases may want it in two formats, and one of them runs while the other is made ready.
const fileOf = ({ config }: HostContext, { name, format }: SecretVolume, runtime: string): string =>
  path.join(runtime, "secrets", `${name}.${contentOf(config, name)?.format ?? format}.img`);

function declaredSecrets(context: HostContext, manifest: ReleaseManifest): SecretVolume[] {
  const declared = manifest.volumes.filter((volume): volume is SecretVolume => volume.secret === true);
  const missing = declared.filter(({ name }) => contentOf(context.config, name) === undefined);
  if (missing.length > 0) {
    throw new DeployError(
      "USAGE",
      `host.yml has no content for secret volume ${missing.map(({ name }) => name).join(", ")}`,
      {
        hint: "add secrets: {NAME: {from: DIRECTORY}} to host.yml",
      },
    );
  }
  return declared;
}

/** Removes all but these images. */
export function removeSecrets(runtime: string, keep: readonly string[]): void {
  const directory = path.join(runtime, "secrets");
  if (!existsSync(directory)) return;
  for (const entry of readdirSync(directory)) {
    const file = path.join(directory, entry);
    if (!keep.includes(file)) rmSync(file, { force: true });
  }
}

/** One digest over all of them, to notice a change by. */
export function secretsPrint(images: readonly SecretImage[]): string {
  const hash = createHash("sha256");
  for (const { volume, device, sha256 } of images) hash.update(`${volume} ${device} ${sha256}\n`);
  return hash.digest("hex");
}

/** Where its content is; throws USAGE where nothing is there. */
function sourceOf({ config, directory }: HostContext, volume: SecretVolume): string {
  const source = path.resolve(directory, (contentOf(config, volume.name) as SecretContent).from);
  if (!existsSync(source)) throw unreadable(volume, `${source}: no such file or directory`);
  return source;
}

function makeSecret(context: HostContext, volume: SecretVolume, runtime: string): SecretImage {
  const { format } = contentOf(context.config, volume.name) as SecretContent;
  const source = sourceOf(context, volume);
  const formatName = format ?? volume.format;
  const target = fileOf(context, volume, runtime);
  // The next one beside it: the guest may have the old one open.
  const fresh = `${target}.next`;
  const sha256 = statSync(source).isDirectory()
    ? buildImage(volume, source, formatName, fresh)
    : copyImage(volume, source, formatName, fresh);
  return { volume: volume.name, device: volume.device, file: settle(fresh, target, sha256), sha256 };
}

/** Keeps the image that is there where it has these bytes: a guest that has it open goes on with the same file. */
function settle(fresh: string, target: string, sha256: string): string {
  if (existsSync(target) && digestOf(target) === sha256) {
    rmSync(fresh, { force: true });
    chmodSync(target, 0o600);
    return target;
  }
  try {
    renameSync(fresh, target);
  } catch (error) {
    throw ioError(`cannot write ${target}`, error);
  }
  return target;
}

function buildImage(volume: SecretVolume, source: string, formatName: string, target: string): string {
  const tree = sortTree(listFiles(source, volume));
  const problems = treeProblems(tree);
  if (problems.length > 0 || tree.length === 0)
    throw unreadable(volume, tree.length === 0 ? `${source} has no files` : (problems[0] as string));
  const layout = layoutOf(formatNamed(formatName), tree);
  using writer = new ImageWriter(target, 0o600);
  for (const piece of layout.pieces()) {
    if (piece.kind === "bytes") writer.bytes(piece.bytes);
    else if (piece.kind === "zeros") writer.zeros(piece.length);
    else {
      const { path: name, size } = tree[piece.file] as FileEntry;
      using file = openFile(path.join(source, name));
      if (file.size !== size) throw unreadable(volume, `${name} changed while it was read`);
      pour(file, writer);
    }
  }
  return writer.finish().sha256;
}

/** An image in a format that the guest does not expect would end it, and be held against the release. */
function copyImage(volume: SecretVolume, source: string, formatName: string, target: string): string {
  using file = openFile(source);
  if (isFormat(formatName) && !formatNamed(formatName).detect(file))
    throw unreadable(volume, `${source} is no ${formatName} image`);
  using writer = new ImageWriter(target, 0o600);
  pour(file, writer);
  return writer.finish().sha256;
}

function pour(file: { readonly size: number; read(at: number, length: number): Uint8Array }, to: ImageWriter): void {
  for (let at = 0; at < file.size; at += CHUNK) to.bytes(file.read(at, Math.min(CHUNK, file.size - at)));
}

/** Regular files below a directory. Links are followed: certbot's live/ is made of them. */
function listFiles(directory: string, volume: SecretVolume, prefix = ""): FileEntry[] {
  const entries: FileEntry[] = [];
  for (const name of readdirSync(path.join(directory, prefix)).toSorted()) {
    const relative = prefix === "" ? name : `${prefix}/${name}`;
    const stat = statSync(path.join(directory, relative), { throwIfNoEntry: false });
    if (stat?.isDirectory() && relative.split("/").length < 16) entries.push(...listFiles(directory, volume, relative));
    else if (stat?.isFile()) entries.push({ path: relative, size: stat.size });
    else throw unreadable(volume, `${relative} is no regular file`);
    if (entries.length > MAX_FILES) throw unreadable(volume, `more than ${MAX_FILES} files`);
  }
  return entries;
}

function digestOf(file: string): string {
  const hash = createHash("sha256");
  using source = openFile(file);
  for (let at = 0; at < source.size; at += CHUNK) hash.update(source.read(at, Math.min(CHUNK, source.size - at)));
  return hash.digest("hex");
}

const unreadable = (volume: SecretVolume, why: string) =>
  new DeployError("SITE_UNREADABLE", `secret volume ${volume.name}: ${why}`, {
    hint: "secrets in host.yml say where its files are",
  });
