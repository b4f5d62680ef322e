/** Files as the input of `git fast-import`, read a chunk at a time: memory does not grow with a file or a site. */
import { closeSync, openSync } from "node:fs";
import { ioError, readFully } from "../util/files.ts";
import type { Content, RepositoryFile } from "./contents.ts";

const CHUNK = 1024 * 1024;

/** The input of git fast-import: a blob command for each file, read a chunk at a time. */
export async function* blobStream(files: readonly RepositoryFile[]): AsyncGenerator<Buffer> {
  const seen = new Set<string>();
  let batch: Buffer[] = [];
  let batched = 0;
  for (const { id, content } of files) {
    if (seen.has(id)) continue;
    seen.add(id);
    const size = "bytes" in content ? content.bytes.length : content.size;
    batch.push(Buffer.from(`blob\ndata ${size}\n`));
    for (const chunk of chunks(content)) {
      batch.push(chunk);
      batched += chunk.length;
      if (batched < CHUNK) continue;
      yield Buffer.concat(batch);
      batch = [];
      batched = 0;
    }
    batch.push(NEWLINE);
  }
  yield Buffer.concat([...batch, Buffer.from("done\n")]);
}

const NEWLINE = Buffer.from("\n");

/** The bytes of a content, a chunk at a time. */
export function* chunks(content: Content): Generator<Buffer> {
  if ("bytes" in content) {
    yield content.bytes;
    return;
  }
  const fd = openSync(content.file, "r");
  try {
    for (let done = 0; done < content.size; ) {
      const buffer = Buffer.allocUnsafe(Math.min(CHUNK, content.size - done));
      const length = readFully(fd, buffer, buffer.length, content.offset + done);
      if (length < buffer.length) throw ioError(`cannot read ${content.file}`, new Error("it ended early"));
      yield buffer;
      done += length;
    }
  } finally {
    closeSync(fd);
  }
}
