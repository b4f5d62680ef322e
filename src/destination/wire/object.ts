/** Git's objects and their ids (gitformat-objects; SHA-1). Pure. */
import { createHash } from "node:crypto";

export type ObjectType = "commit" | "tree" | "blob" | "tag";

export interface GitObject {
  readonly type: ObjectType;
  readonly bytes: Buffer;
}

export function objectId({ type, bytes }: GitObject): string {
  return createHash("sha1").update(`${type} ${bytes.length}\0`).update(bytes).digest("hex");
}

/** The header field of a commit or tag; undefined where there is none. */
export function headerField({ bytes }: GitObject, name: string): string | undefined {
  const text = bytes.toString("utf8");
  const head = text.slice(0, text.indexOf("\n\n") + 1);
  return head
    .split("\n")
    .find((line) => line.startsWith(`${name} `))
    ?.slice(name.length + 1);
}

/** The later of a commit's author and committer times, seconds since the epoch; undefined where it has none. */
export function commitTime(commit: GitObject): number | undefined {
  const times = ["author", "committer"].map((who) =>
    Number(/> (\d+) [+-]\d{4}$/.exec(headerField(commit, who) ?? "")?.[1]),
  );
  return times.every(Number.isSafeInteger) ? Math.max(...times) : undefined;
}
