/** Blobs of a repository as one stream, through `git cat-file --batch`: one process, bounded memory. */
import { DeployError } from "../errors.ts";
import type { Git } from "./git.ts";

export interface BlobReader {
  /** The next blob begins; it has `size` bytes. */
  begin(id: string, size: number): void;
  chunk(bytes: Buffer): void;
  end(): void;
}

/** Reads the blobs in order. Throws RELEASE_UNTRUSTED for an id that is no blob here. */
export async function readBlobs(git: Git, ids: Iterable<string>, reader: BlobReader): Promise<void> {
  const parser = new BatchParser(reader);
  const input = (function* () {
    for (const id of ids) yield `${id}\n`;
  })();
  const result = await git.try(["cat-file", "--batch", "--buffer"], { input, onStdout: (chunk) => parser.feed(chunk) });
  if (result.code !== 0) throw new DeployError("PROGRAM_FAILED", `git cat-file: ${result.stderr.trim()}`);
}

/** `<id> SP blob SP <size> LF <content> LF`, repeated (git-cat-file, batch output). */
class BatchParser {
  readonly #reader: BlobReader;
  #header = "";
  /** Content bytes still to come; -1 while a header is read. */
  #left = -1;

  constructor(reader: BlobReader) {
    this.#reader = reader;
  }

  feed(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#left < 0) {
        const end = chunk.indexOf(0x0a, at);
        this.#header += chunk.toString("latin1", at, end < 0 ? chunk.length : end);
        if (end < 0) return;
        at = end + 1;
        this.#begin();
      } else if (this.#left > 0) {
        const take = Math.min(this.#left, chunk.length - at);
        this.#reader.chunk(chunk.subarray(at, at + take));
        this.#left -= take;
        at += take;
      } else {
        at++;
        this.#left = -1;
        this.#reader.end();
      }
    }
  }

  #begin(): void {
    const match = /^([0-9a-f]+) blob ([0-9]+)$/.exec(this.#header);
    if (!match) throw new DeployError("RELEASE_UNTRUSTED", `the repository has no such file: ${this.#header}`);
    this.#header = "";
    this.#left = Number(match[2]);
    this.#reader.begin(match[1] as string, this.#left);
  }
}
