/** The peer that a Node program would use: npm's tar, and crypto for the digest. Arguments: DIRECTORY IMAGE. */
import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { create } from "tar";

const [directory, image] = process.argv.slice(2) as [string, string];
const hash = createHash("sha256");
const digest = new Transform({
  transform(chunk: Buffer, _encoding, done) {
    hash.update(chunk);
    done(null, chunk);
  },
});
const pack = create({ cwd: directory, portable: true, mtime: new Date(0) }, ["."]);
await pipeline(pack as unknown as NodeJS.ReadableStream, digest, createWriteStream(image));
process.stdout.write(`${hash.digest("hex")}\n`);
