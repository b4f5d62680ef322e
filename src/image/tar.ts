/**
 * Tar volumes: files-only ustar in the profile that every MirageOS tar reader from 2.4 to 3.3 accepts (ocaml-tar,
 * POSIX.1-1988 ustar, GNU long names). No directories, no links, no clocks. Pure.
 *
 * The reader opens a block device, so the image ends in two zero blocks and is padded to 4096 bytes: mirage-block-xen
 * serves sectors of at least 4096 bytes and drops a partial last one.
 */
import { DeployError } from "../errors.ts";
import { count } from "../util/size.ts";
import type { ImageLayout, LaidOutFormat, LayoutOptions, Piece } from "./format.ts";
import {
  encodeHeader,
  headerLength,
  MAX_PATH,
  MAX_SIZE,
  newBlock,
  overLimit,
  padding,
  pathBytes,
  volumeSize,
  wholeSectors,
} from "./tar-frames.ts";
import { detectTar, listTar } from "./tar-read.ts";
import { type FileTree, treeProblems } from "./tree.ts";

export const tar: LaidOutFormat = {
  kind: "laid-out",
  name: "tar",
  summary: "files-only ustar, for MirageOS tar_kv_ro and anything that reads tar",
  rebuilds: true,
  takes: ["size"],
  layout: layoutTar,
  detect: detectTar,
  list: listTar,
};

function layoutTar(tree: FileTree, options: LayoutOptions = {}): ImageLayout {
  const problems = treeProblems(tree);
  const starts: number[] = [];
  let end = 0;
  for (const { path, size } of tree) {
    starts.push(end);
    const bytes = pathBytes(path);
    if (bytes > MAX_PATH) problems.push(`${path}: ${bytes} bytes of path; a MirageOS tar reader takes ${MAX_PATH}`);
    if (size > MAX_SIZE) problems.push(overLimit(path, size));
    end += headerLength(path, bytes) + size + padding(size);
  }
  const needed = volumeSize(end);
  const size = options.size === undefined ? needed : wholeSectors(options.size);
  const rename = problems.length > 0 ? ["rename, shorten or leave out what is listed"] : [];
  const enlarge = size < needed ? [`give it a size of ${needed} or more, or none`] : [];
  if (size < needed) problems.push(`the files need ${needed} bytes, the volume is given ${options.size}`);
  if (problems.length > 0) {
    throw new DeployError("SITE_UNREPRESENTABLE", `a tar volume cannot carry ${count(problems.length, "thing")}`, {
      problems,
      hint: `${[...rename, ...enlarge].join("; ")}; nothing was written`,
    });
  }
  return { size, starts, pieces: () => tarPieces(tree, size - end) };
}

function* tarPieces(tree: FileTree, trailer: number): Generator<Piece> {
  // One for all: there is a header for every file, and memory for each would be half of what is thrown away here.
  const block = newBlock();
  for (let file = 0; file < tree.length; file++) {
    const { path, size } = tree[file] as FileTree[number];
    yield { kind: "bytes", bytes: encodeHeader(path, size, block) };
    if (size > 0) yield { kind: "content", file, size };
    if (padding(size) > 0) yield { kind: "zeros", length: padding(size) };
  }
  yield { kind: "zeros", length: trailer };
}
