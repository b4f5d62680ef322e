/** Artifacts of a workflow run, as the service keeps them: whole files, without modes, named by what is in them. */
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import path from "node:path";

export interface StoredArtifact {
  readonly id: number;
  readonly name: string;
  /** By path, `/`-separated. */
  readonly files: ReadonlyMap<string, Buffer>;
  /** Of the content as it was uploaded. */
  readonly digest: string;
}

export class ArtifactStore {
  readonly #artifacts = new Map<number, StoredArtifact>();

  get all(): readonly StoredArtifact[] {
    return [...this.#artifacts.values()];
  }

  /** Throws where the name is taken, as the service does. */
  async upload(name: string, from: string): Promise<StoredArtifact> {
    if (this.all.some((artifact) => artifact.name === name))
      throw new Error("Failed to CreateArtifact: Received non-retryable error: (409) Conflict");
    const files = await readAll(from);
    if (files.size === 0) throw new Error(`No files were found with the provided path: ${from}.`);
    const artifact = { id: 4000 + this.#artifacts.size, name, files, digest: digestOf(files) };
    this.#artifacts.set(artifact.id, artifact);
    return artifact;
  }

  /** The artifacts asked for; ids win over a name, a name over a pattern, and nothing asked for is everything. */
  find({ ids, name, pattern }: { ids?: string; name?: string; pattern?: string }): readonly StoredArtifact[] {
    if (name)
      return this.#require(
        this.all.filter((artifact) => artifact.name === name),
        `'${name}'`,
      );
    if (ids) {
      const wanted = new Set(ids.split(",").map(Number));
      return this.#require(
        this.all.filter(({ id }) => wanted.has(id)),
        `with id ${ids}`,
      );
    }
    return pattern ? this.all.filter((artifact) => path.matchesGlob(artifact.name, pattern)) : this.all;
  }

  #require(found: readonly StoredArtifact[], what: string): readonly StoredArtifact[] {
    if (found.length === 0) throw new Error(`Artifact ${what} not found`);
    return found;
  }

  /** Puts other files under an id: what a job that can write artifacts could do, or the service itself. */
  swap(id: number, files: ReadonlyMap<string, Buffer>): void {
    const artifact = this.#artifacts.get(id);
    if (!artifact) throw new Error(`no artifact ${id}`);
    this.#artifacts.set(id, { ...artifact, files, digest: digestOf(files) });
  }
}

export async function unpack({ files }: StoredArtifact, into: string): Promise<void> {
  await mkdir(into, { recursive: true });
  for (const [name, content] of files) {
    const file = path.join(into, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, content, { mode: 0o644 });
  }
}

/** A file by its name, or all files of a directory; hidden ones are left out, and so are empty directories. */
export async function readAll(from: string): Promise<Map<string, Buffer>> {
  if ((await stat(from)).isFile()) return new Map([[path.basename(from), await readFile(from)]]);
  const files = new Map<string, Buffer>();
  for (const entry of await readdir(from, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name);
    const name = path.relative(from, file).split(path.sep).join("/");
    if (entry.isFile() && !/(?:^|\/)\./.test(name)) files.set(name, await readFile(file));
  }
  return files;
}

function digestOf(files: ReadonlyMap<string, Buffer>): string {
  const hash = createHash("sha256");
  for (const [name, content] of [...files].sort(([a], [b]) => (a < b ? -1 : 1)))
    hash.update(`${name}\0${content.length}\0`).update(content);
  return hash.digest("hex");
}
