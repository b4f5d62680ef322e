/** Digests. Pure compute. */
import { createHash } from "node:crypto";

/** Hex sha256 of `bytes`. */
export function sha256(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The git id of a blob with this content: sha1 over `blob <size>\0` and the bytes (gitformat-objects). */
export function blobId(bytes: Uint8Array): string {
  return createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
}
