/** docteur images read back: commit, trees, and where each blob is. Pure; the bytes are hostile. */
import { DeployError } from "../errors.ts";
import { type ByteSource, compareBytewise } from "../util/bytes.ts";
import type { ImageEntry } from "./format.ts";
import { PackReader } from "./pack-read.ts";
import { pathProblem } from "./tree.ts";

const HEADER = 28;
const MAX_FILES = 1_000_000;
/** Characters of all paths: directories within each other make them long. */
const MAX_PATHS = 64 * 1024 * 1024;
/** Directories may share a tree object, so a small image can name very many. */
const MAX_DIRECTORIES = 1_000_000;

export function detectDocteur(source: ByteSource): boolean {
  const head = source.read(0, HEADER + 8);
  if (head.length < HEADER + 8) return false;
  return Buffer.from(head.buffer, head.byteOffset + HEADER, 8).equals(Buffer.from("PACK\0\0\0\u0002", "latin1"));
}

/** The files sorted by path; throws IMAGE_INVALID for what docteur would not find or not understand. */
export function listDocteur(source: ByteSource): readonly ImageEntry[] {
  if (!detectDocteur(source)) throw invalid(0, "no pack behind the header");
  const head = Buffer.from(source.read(0, HEADER));
  const at = head.readBigUInt64LE(20);
  if (at > BigInt(source.size)) throw invalid(20, `the index at ${at} of ${source.size} bytes`);
  const index = Number(at);
  if (index < HEADER + 12 || index % 512 !== 0)
    throw invalid(20, `the index at ${index}, not at the start of a sector`);
  const pack = new PackReader(source, { pack: HEADER, index }, invalid);
  const commit = pack.read(head.subarray(0, 20), "commit").toString("latin1");
  const tree = /^tree ([0-9a-f]{40})\n/.exec(commit)?.[1];
  if (tree === undefined) throw invalid(0, "a commit without a tree");
  return walk(pack, Buffer.from(tree, "hex")).sort((a, b) => compareBytewise(a.path, b.path));
}

function walk(pack: PackReader, root: Uint8Array): ImageEntry[] {
  const files: ImageEntry[] = [];
  const pending: { path: string; id: Uint8Array }[] = [{ path: "", id: root }];
  let directories = 0;
  let characters = 0;
  for (let next = pending.pop(); next; next = pending.pop()) {
    if (++directories > MAX_DIRECTORIES) throw invalid(0, `more than ${MAX_DIRECTORIES} directories`);
    const seen = new Set<string>();
    for (const { name, mode, id } of treeEntries(pack.read(next.id, "tree"))) {
      const path = next.path === "" ? name : `${next.path}/${name}`;
      const problem = name.includes("/") ? `${path}: a separator in a name` : pathProblem(path);
      if (problem) throw invalid(0, problem);
      if (seen.has(name)) throw invalid(0, `${path}: listed twice`);
      seen.add(name);
      if ((characters += path.length) > MAX_PATHS) throw invalid(0, `more than ${MAX_PATHS} characters of paths`);
      if (mode === "40000") pending.push({ path, id });
      else if (mode !== "100644" && mode !== "100664")
        throw invalid(0, `${path}: mode ${mode}, which docteur does not show`);
      else if (files.push(fileOf(pack, path, id)) > MAX_FILES) throw invalid(0, `more than ${MAX_FILES} files`);
    }
    if (pending.length > MAX_DIRECTORIES) throw invalid(0, `more than ${MAX_DIRECTORIES} directories`);
  }
  return files;
}

function fileOf(pack: PackReader, path: string, id: Uint8Array): ImageEntry {
  const blob = pack.find(id);
  if (!blob) throw invalid(0, `${path}: blob ${Buffer.from(id).toString("hex")} is not in the pack`);
  const { type, size, stream } = blob;
  if (type.endsWith("delta")) {
    throw invalid(
      stream.offset,
      `${path}: stored as a difference from another object, which only git reads (git index-pack)`,
    );
  }
  if (type !== "blob") throw invalid(stream.offset, `${path}: a ${type || "thing"}, not a blob`);
  return { path, size, offset: stream.offset, stored: { kind: "zlib", length: stream.size } };
}

const DECODER = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function* treeEntries(bytes: Buffer): Generator<{ name: string; mode: string; id: Uint8Array }> {
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const end = bytes.indexOf(0, at);
    if (space < 0 || end < space || end + 21 > bytes.length) throw invalid(0, "a damaged tree");
    let name: string;
    try {
      name = DECODER.decode(bytes.subarray(space + 1, end));
    } catch {
      throw invalid(0, "a name that is not UTF-8");
    }
    yield { name, mode: bytes.toString("latin1", at, space), id: bytes.subarray(end + 1, end + 21) };
    at = end + 21;
  }
}

function invalid(offset: number, what: string): DeployError {
  return new DeployError("IMAGE_INVALID", `not a docteur image that can be read: ${what} (at byte ${offset})`, {
    hint: "build the image again; if it was copied, compare its sha256 with the manifest's",
  });
}
