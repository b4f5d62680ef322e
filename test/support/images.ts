/** Images made in memory: a layout with the content of its files. */
import type { LaidOutFormat } from "../../src/image/format.ts";
import { sortTree } from "../../src/image/tree.ts";

/** The image of these files, byte by byte. */
export function imageOf(format: LaidOutFormat, files: Readonly<Record<string, string | Buffer>>): Buffer {
  const tree = sortTree(
    Object.entries(files).map(([path, content]) => {
      const bytes = Buffer.from(content);
      return { path, size: bytes.length, bytes };
    }),
  );
  const layout = format.layout(tree);
  const chunks: Uint8Array[] = [];
  for (const piece of layout.pieces()) {
    if (piece.kind === "bytes") chunks.push(Uint8Array.from(piece.bytes));
    else if (piece.kind === "zeros") chunks.push(Buffer.alloc(piece.length));
    else chunks.push((tree[piece.file] as (typeof tree)[number]).bytes);
  }
  return Buffer.concat(chunks);
}
