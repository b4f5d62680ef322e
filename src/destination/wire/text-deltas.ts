/** Texts of a release as deltas: of thousands of lines in an index, or of the parts in a manifest, few change. */
import { blobId } from "../../util/digest.ts";
import type { ReleaseManifest } from "../../manifest/schema.ts";
import { type RepositoryFile, SUMS_FILE, sha256Sums } from "../contents.ts";
import type { Tip, Workbench } from "../work-repository.ts";
import { lineDelta } from "./delta.ts";
import type { PackObject } from "./pack.ts";

export interface TextInputs {
  readonly tip: Tip;
  readonly current: ReleaseManifest;
  /** The files that the server does not have. */
  readonly blobs: readonly RepositoryFile[];
  /** "" or "dir/": where the release is in the repository. */
  readonly prefix: string;
}

/** Pack objects by blob id for the manifest and the checksums, where what they were is at hand or follows from it. */
export async function manifestDeltas(
  work: Workbench,
  { tip, current, blobs, prefix }: TextInputs,
): Promise<Map<string, PackObject>> {
  const texts = new Map([
    ["manifest.json", await work.readFile(tip.commit, `${prefix}manifest.json`)],
    [SUMS_FILE, Buffer.from(sha256Sums(current))],
  ]);
  return new Map(
    blobs.flatMap((blob) => {
      const old = texts.get(blob.path.slice(prefix.length));
      const delta = old && "bytes" in blob.content ? textDelta(old, blob.content.bytes) : undefined;
      // Of another program, the checksums may be in other words.
      return old && delta && blobId(old) === tip.tree.get(blob.path)?.id ? [[blob.id, delta] as const] : [];
    }),
  );
}

/** Undefined where git takes none: it knows no delta of nothing, or against it. */
export function textDelta(old: Buffer, text: Buffer): PackObject | undefined {
  if (old.length === 0 || text.length === 0) return undefined;
  return { type: "delta", base: blobId(old), delta: () => lineDelta(old, text) };
}
