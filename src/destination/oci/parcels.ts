/** The files of a release as blobs of a registry: named by their digests, sent where they are not there yet. */
import { DeployError } from "../../errors.ts";
import { namedFiles } from "../../manifest/manifest.ts";
import type { Registry } from "../../registry/registry.ts";
import { sha256 } from "../../util/digest.ts";
import type { Log } from "../../util/log.ts";
import { count } from "../../util/size.ts";
import { chunks } from "../blob-stream.ts";
import { type Content, type Contents, contentSize } from "../contents.ts";
import { EMPTY_CONFIG, type Layer } from "./artifact.ts";

export interface Parcel extends Layer {
  readonly content: Content;
}

/** The manifest comes first, where a reader looks for it. */
export function parcelsOf({ manifest, files }: Contents): readonly Parcel[] {
  const digests = new Map(namedFiles(manifest).map(({ path, sha256: digest }) => [path, digest]));
  return files.map(({ path, content }) => {
    const digest = "bytes" in content ? sha256(content.bytes) : digests.get(path);
    if (digest === undefined) throw new Error(`the manifest does not name ${path}`);
    return { path, digest: `sha256:${digest}`, size: contentSize(content), content };
  });
}

const EMPTY: Parcel = { path: "", digest: EMPTY_CONFIG.digest, size: 2, content: { bytes: Buffer.from("{}") } };

/** At once: one is hashed there while another is on its way. */
const HANDS = 3;

/** Sends what the registry lacks; bytes sent. */
export async function sendParcels(registry: Registry, parcels: readonly Parcel[], log: Log): Promise<number> {
  const unique = [...new Map([EMPTY, ...parcels].map((parcel) => [parcel.digest, parcel])).values()];
  const queue = unique.values();
  let sent = 0;
  let done = 0;
  const work = async () => {
    for (const { digest, size, content } of queue) {
      sent += await registry.putBlob({ digest, size, open: () => asyncChunks(content) });
      log.progress(`${++done} of ${count(unique.length, "file")} there`);
    }
  };
  const results = await Promise.allSettled(Array.from({ length: HANDS }, work));
  const failed = results.find((result) => result.status === "rejected");
  if (failed) throw failed.reason instanceof DeployError ? failed.reason : (failed.reason as Error);
  return sent;
}

async function* asyncChunks(content: Content): AsyncGenerator<Uint8Array> {
  yield* chunks(content);
}
