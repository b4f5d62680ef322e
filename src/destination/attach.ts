/** Attaches what vouches for a release to it, in the registry that holds it. */
import type { Registry } from "../registry/registry.ts";
import type { Referrer } from "./provenance.ts";

/** Safe to repeat: the same referrer is the same manifest. Returns the bytes that were sent. */
export async function attachReferrers(
  registry: Pick<Registry, "putBlob" | "attach">,
  referrers: readonly Referrer[],
  release: string,
): Promise<number> {
  let sent = 0;
  for (const { manifest, blobs } of referrers) {
    for (const { digest, size, bytes } of blobs) {
      sent += await registry.putBlob({ digest, size, open: () => once(bytes) });
    }
    await registry.attach(manifest, release);
    sent += manifest.length;
  }
  return sent;
}

async function* once(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes;
}
