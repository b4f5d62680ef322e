/** Git's tree and commit objects (git, Documentation/user-manual, "The object database"; SHA-1). Pure. */
import { createHash } from "node:crypto";

export interface GitObject {
  /** Hex id. */
  readonly id: string;
  readonly bytes: Buffer;
}

/** The id that git gives `bytes`. */
export function gitId(type: "blob" | "tree" | "commit", bytes: Uint8Array): string {
  return createHash("sha1").update(`${type} ${bytes.length}\0`).update(bytes).digest("hex");
}

interface Directory {
  readonly directories: Map<string, Directory>;
  readonly files: Map<string, string>;
}

/** The tree objects of these files, each once, a directory after what it holds; the last one is the root. */
export function gitTrees(files: readonly { readonly path: string; readonly id: string }[]): GitObject[] {
  const root: Directory = { directories: new Map(), files: new Map() };
  for (const { path, id } of files) {
    const segments = path.split("/");
    const name = segments.pop() as string;
    let at = root;
    for (const segment of segments) {
      let next = at.directories.get(segment);
      if (!next) at.directories.set(segment, (next = { directories: new Map(), files: new Map() }));
      at = next;
    }
    at.files.set(name, id);
  }
  const trees = new Map<string, GitObject>();
  const rootId = addTree(root, trees);
  // The root goes last even where a directory below has the very same content.
  const last = trees.get(rootId) as GitObject;
  trees.delete(rootId);
  return [...trees.values(), last];
}

function addTree(directory: Directory, trees: Map<string, GitObject>): string {
  const entries = [
    ...[...directory.files].map(([name, id]) => ({ name: Buffer.from(name), mode: "100644", id, key: "" })),
    ...[...directory.directories].map(([name, below]) => ({
      name: Buffer.from(name),
      mode: "40000",
      id: addTree(below, trees),
      key: "/",
    })),
  ];
  // Git sorts a directory as if its name ended in a slash.
  const keyed = entries.map((entry) => ({ ...entry, sort: Buffer.concat([entry.name, Buffer.from(entry.key)]) }));
  keyed.sort((a, b) => Buffer.compare(a.sort, b.sort));
  const bytes = Buffer.concat(
    keyed.flatMap(({ name, mode, id }) => [Buffer.from(`${mode} `), name, Buffer.of(0), Buffer.from(id, "hex")]),
  );
  const id = gitId("tree", bytes);
  trees.set(id, { id, bytes });
  return id;
}

/** A commit without parents. Its date is fixed: readers of an image show none, and a clock would change the image. */
export function gitCommit(tree: string): GitObject {
  const who = "unikernel-deploy <unikernel-deploy@localhost> 0 +0000";
  const bytes = Buffer.from(`tree ${tree}\nauthor ${who}\ncommitter ${who}\n\nvolume\n`);
  return { id: gitId("commit", bytes), bytes };
}
