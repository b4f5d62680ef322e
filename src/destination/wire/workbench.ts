/**
 * A repository read and written without git: the tip's trees are kept in memory, new ones are made beside them, and a
 * push sends what is new. Every method throws WireRefusal where the server or the way to it does not allow this.
 */
import { formatSize } from "../../util/size.ts";
import { commitText, type Parcel, type RefUpdate, tagText, type Tip, type Workbench } from "../work-repository.ts";
import { commitTime, type GitObject, headerField, objectId } from "./object.ts";
import { type MadeObject, packObjects, reachedObjects } from "./objects.ts";
import { receivePack, type WireResult } from "./receive-pack.ts";
import { advertisedRefs, fetchObjects, type FoundRefs, listRefs } from "./requests.ts";
import { type Transport, WireRefusal } from "./transport.ts";
import { changeTree, findFile, listFiles, listTrees } from "./tree.ts";

export interface WireOptions {
  readonly transport: Transport;
  /** What is known of the repository, by digest; what is fetched or made joins it. */
  readonly objects: Map<string, GitObject>;
  /** Whether a push follows what is asked: some servers list their refs then. */
  readonly pushing: boolean;
}

export function wireWorkbench({ transport, objects, pushing }: WireOptions): Workbench {
  const made = new Map<string, MadeObject>();
  /** Commits whose trees are all here. */
  const whole = new Set<string>();
  let found: FoundRefs = { refs: new Map(), peeled: new Map() };
  let asked = "";

  const commitOf = (id: string): GitObject | undefined => {
    const object = objects.get(id);
    return object?.type === "commit" ? object : undefined;
  };
  const treeOf = (id: string): string => {
    const commit = commitOf(id);
    const tree = commit && headerField(commit, "tree");
    if (tree === undefined) throw new WireRefusal(`commit ${id} is not at hand`);
    return tree;
  };
  const isWhole = (id: string): boolean => {
    if (whole.has(id)) return true;
    if (!commitOf(id)) return false;
    try {
      listTrees(objects, treeOf(id));
    } catch {
      return false;
    }
    whole.add(id);
    return true;
  };
  const request = async (
    what: "commits" | "files",
    wants: readonly string[],
    have: readonly string[] = [],
  ): Promise<void> => {
    const fetched = await fetchObjects(transport, wants, { what, have, known: (id) => objects.get(id) });
    for (const [id, object] of fetched) objects.set(id, object);
  };
  const fetchWhole = async (commit: string): Promise<void> => {
    if (isWhole(commit)) return;
    await request(
      "commits",
      [commit],
      [...objects.keys()].filter((id) => commitOf(id) && isWhole(id)).slice(-MAX_HAVES),
    );
    if (!isWhole(commit)) throw new WireRefusal(`the server sent commit ${commit} without its trees`);
  };
  const write = (object: GitObject, before?: MadeObject["before"]): string => {
    const id = objectId(object);
    objects.set(id, object);
    made.set(id, { object, before });
    return id;
  };
  const writeText = (type: "commit" | "tag", text: string) => write({ type, bytes: Buffer.from(text) });

  return {
    wholeFiles: WHOLE_FILES,
    async refs(names) {
      // Several questions about what is there have one answer; a push wants the latest.
      if (!pushing && asked === names.join("\n")) return found.refs;
      const isFirst = asked === "";
      found = await (isFirst && pushing && transport.advertised
        ? advertisedRefs(transport, names)
        : listRefs(transport, names));
      asked = names.join("\n");
      return found.refs;
    },
    async fetchTip(commit): Promise<Tip> {
      await fetchWhole(commit);
      const time = commitTime(commitOf(commit) as GitObject);
      if (time === undefined) throw new WireRefusal(`commit ${commit} has no date`);
      return { commit, time, tree: listFiles(objects, treeOf(commit)) };
    },
    async fetchCommit(ref) {
      const id = found.peeled.get(ref) ?? found.refs.get(ref);
      if (id === undefined) throw new WireRefusal(`${ref} is not there`);
      if (!isWhole(id)) await request("commits", [id]);
      const object = objects.get(id);
      const target = object?.type === "tag" ? headerField(object, "object") : id;
      if (target === undefined || !commitOf(target)) throw new WireRefusal(`${ref} is no commit`);
      await fetchWhole(target);
      return target;
    },
    async readFile(commit, file) {
      const entry = findFile(objects, treeOf(commit), file);
      if (!entry) return undefined;
      if (!objects.has(entry.id)) await request("files", [entry.id]);
      const blob = objects.get(entry.id);
      if (blob?.type === "blob") return blob.bytes;
      throw new WireRefusal(`the server did not send ${file}`);
    },
    async writeTree(tip, removed, added) {
      const changed = changeTree(objects, tip && treeOf(tip.commit), { removed, added });
      for (const { object, before } of changed.made) {
        const old = before === undefined ? undefined : objects.get(before);
        write(object, old && before !== undefined ? { id: before, bytes: old.bytes } : undefined);
      }
      return changed.id;
    },
    commit: async (tree, parent, message, time) => writeText("commit", commitText({ tree, parent, message, time })),
    tag: async (name, commit, message, time) => writeText("tag", tagText({ name, commit, message, time })),
    async push(updates, parcel) {
      const result = await pushOver(transport, made, updates, parcel);
      return result.kind === "raced" ? result : { kind: "pushed", sent: formatSize(result.bytes) };
    },
    [Symbol.dispose]: () => transport[Symbol.dispose](),
  };
}

/** Beyond this the deltas that git finds among new files are worth its time. */
const WHOLE_FILES = 32 * 1024 * 1024;
/** The newest commit at hand says nearly all. */
const MAX_HAVES = 4;

async function pushOver(
  transport: Transport,
  made: ReadonlyMap<string, MadeObject>,
  updates: readonly RefUpdate[],
  { blobs, deltas, onProgress }: Parcel,
): Promise<WireResult> {
  const objects = packObjects(
    reachedObjects(
      made,
      updates.flatMap(({ id }) => id ?? []),
    ),
    blobs,
    deltas,
  );
  const total = objects.reduce((sum, object) => sum + (object.type === "delta" ? 0 : object.size), 0);
  let packed = 0;
  try {
    return await receivePack(transport, updates, objects, (bytes) => {
      packed += bytes;
      const percent = Math.min(100, Math.floor((100 * packed) / Math.max(total, 1)));
      onProgress(`sending: ${percent}% of ${formatSize(total)}`);
    });
  } catch (error) {
    // The answer may be lost although the server took everything.
    if (error instanceof WireRefusal && (await isThere(transport, updates))) return { kind: "pushed", bytes: 0 };
    throw error;
  }
}

async function isThere(transport: Transport, updates: readonly RefUpdate[]): Promise<boolean> {
  try {
    const { refs } = await listRefs(
      transport,
      updates.map(({ name }) => name),
    );
    return updates.every(({ name, id }) => refs.get(name) === id);
  } catch {
    return false;
  }
}
