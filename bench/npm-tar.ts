/**
 * The peer that a Node program would use: npm's tar, and crypto for the digest. Arguments: DIRECTORY IMAGE [ids]. With `ids` it
 * does all that ours does: each file's git blob id comes from the same read.
 */
import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { create, type WriteEntry } from "tar";

const [directory, image, ids] = process.argv.slice(2) as [string, string, string | undefined];
const hash = createHash("sha256");
const digest = new Transform({
  transform(chunk: Buffer, _encoding, done) {
    hash.update(chunk);
    done(null, chunk);
  },
});
const found: string[] = [];

/** Content passes through `write`, and nothing else does; the last of it has the padding behind it. */
function takeId(entry: WriteEntry): void {
  const size = entry.stat?.size ?? 0;
  const id = createHash("sha1").update(`blob ${size}\0`);
  let left = size;
  const write = entry.write.bind(entry) as (...args: unknown[]) => boolean;
  const reading = entry as { write: typeof write };
  reading.write = (chunk, ...rest) => {
    id.update((chunk as Buffer).subarray(0, left));
    left -= Math.min(left, (chunk as Buffer).length);
    return write(chunk, ...rest);
  };
  if (entry.type !== "Directory") entry.on("end", () => found.push(`${id.digest("hex")} ${entry.path}`));
}

const pack = create({ cwd: directory, portable: true, mtime: new Date(0), ...(ids ? { onWriteEntry: takeId } : {}) }, [
  ".",
]);
await pipeline(pack as unknown as NodeJS.ReadableStream, digest, createWriteStream(image));
process.stdout.write(`${hash.digest("hex")}\n${found.join("\n")}`);
