/**
 * Blobs of a registry on the host's disk, by digest: what has been fetched once is not fetched again after a cut, a kill or
 * a full disk. Each appears under its name only when it is whole and its digest is right.
 */
import { createHash } from "node:crypto";
import { createReadStream, existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import type { Registry } from "../registry/registry.ts";
import { sha256 } from "../util/digest.ts";
import { ioError, makeDirectories } from "../util/files.ts";
import { OutputFile } from "../util/output-file.ts";
import type { TipFile } from "./source.ts";

const CHUNK = 1024 * 1024;

export class BlobStore {
  readonly #directory: string;

  /** Creates the directory; throws IO_FAILED. */
  constructor(directory: string) {
    this.#directory = directory;
    try {
      makeDirectories(directory);
    } catch (error) {
      throw ioError(`cannot make ${directory}`, error);
    }
  }

  has(id: string): boolean {
    return existsSync(this.#fileOf(id));
  }

  /** A small one at once; undefined where it is not here, or not whole. */
  readWhole(id: string): Buffer | undefined {
    if (!this.has(id)) return undefined;
    const bytes = readFileSync(this.#fileOf(id));
    return sha256(bytes) === id ? bytes : undefined;
  }

  write(id: string, bytes: Uint8Array): void {
    using output = new OutputFile(this.#fileOf(id), 0o444);
    output.append(bytes);
    output.commit();
  }

  /** The content, from disk or from the registry. Throws DIGEST_MISMATCH at its end where it is not what its id says. */
  async *read(file: TipFile, registry: Registry): AsyncGenerator<Uint8Array> {
    if (await this.#isWhole(file)) {
      yield* createReadStream(this.#fileOf(file.id), { highWaterMark: CHUNK });
      return;
    }
    using output = new OutputFile(this.#fileOf(file.id), 0o444);
    for await (const chunk of registry.readBlob({ digest: `sha256:${file.id}`, size: file.size })) {
      output.append(chunk);
      yield chunk;
    }
    output.commit();
  }

  /** Removes all but these, and what a fetch left that was killed. */
  keepOnly(ids: ReadonlySet<string>): void {
    for (const entry of readdirSync(this.#directory)) {
      if (!ids.has(entry)) rmSync(path.join(this.#directory, entry), { recursive: true, force: true });
    }
  }

  /** A disk forgets: what is here is hashed before anybody is given it. */
  async #isWhole({ id, size }: TipFile): Promise<boolean> {
    const file = this.#fileOf(id);
    if (statSync(file, { throwIfNoEntry: false })?.size !== size) return false;
    const hash = createHash("sha256");
    try {
      for await (const chunk of createReadStream(file, { highWaterMark: CHUNK })) hash.update(chunk as Buffer);
    } catch (error) {
      throw ioError(`cannot read ${file}`, error);
    }
    if (hash.digest("hex") === id) return true;
    rmSync(file, { force: true });
    return false;
  }

  #fileOf(id: string): string {
    return path.join(this.#directory, id);
  }
}
