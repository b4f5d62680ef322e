/** Attaches what vouches for a release to it, in the registry that holds it. */
import type { Registry } from "../registry/registry.ts";
import type { Referrer } from "./provenance.ts";

/** Safe to repeat: the same referrer is the same manifest. */
export async function attachReferrers(
  registry: Pick<Registry, "putBlob" | "attach">,
  referrers: readonly Referrer[],
  release: string,
): Promise<void> {
  for (const { manifest, blobs } of referrers) {
    for (const { digest, bytes } of blobs)
      await registry.putBlob({ digest, size: bytes.length, open: () => once(bytes) });
    await registry.attach(manifest, release);
  }
}

async function* once(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes;
}
