/**
 * One run's dealings with a repository: what was read for one question serves the next, only the refs are asked anew.
 * We go ourselves where that is possible, and git goes where we are refused.
 */
import type { TreeEntry } from "../util/git.ts";
import type { Access } from "./access.ts";
import type { Changes } from "./changes.ts";
import type { Memory } from "./memory.ts";
import { lineage } from "./wire/lineage.ts";
import { type GitObject, headerField, objectId } from "./wire/object.ts";
import { openTransport } from "./wire/open-wire.ts";
import { type Transport, WireRefusal } from "./wire/transport.ts";
import { changeTree, findFile, listNames, listTrees } from "./wire/tree.ts";
import { wireWorkbench } from "./wire/workbench.ts";
import { openWorkRepository, type Tip, type Workbench } from "./work-repository.ts";

export interface Session {
  /** Does something with the repository; again from the start, with git, where the wire is refused. */
  work<T>(purpose: "read" | "push", action: (bench: Workbench) => Promise<T>): Promise<T>;
  /** Keeps for the next run what is known of these commits: their trees, and manifest and indexes below `prefix`. */
  remember(commits: readonly string[], prefix: string): void;
  /** The same after a push that went well, whoever pushed. */
  deployed(deployed: Deployed): void;
  /** The branch was written anew, with the trees that it had. */
  shortened(commits: readonly string[], tip: string, prefix: string): void;
  /** Manifests of a commit and those before it, newest first, as far as they are known here: nobody is asked. */
  line(commit: string, prefix: string): readonly Buffer[];
}

/** Releases that are remembered without their files, so that a summary can tell how sizes went. */
const LINE = 8;

/** A commit that we have pushed, and how it came from the tip before. */
export interface Deployed extends Pick<Changes, "removed" | "added"> {
  readonly tip: Tip | undefined;
  readonly commit: string;
  readonly tree: string;
  /** Of the commit. */
  readonly text: string;
  /** Commits of volumes that are branches of their own. */
  readonly volumes: readonly string[];
  /** "" or "dir/". */
  readonly prefix: string;
}

export function openSession(access: Access, memory: Memory): Session {
  let transport: Transport | undefined = openTransport(access);
  let objects: Map<string, GitObject> | undefined;
  let reader: Workbench | undefined;
  let loaded: ReadonlySet<string> = new Set();
  const known = () => {
    if (objects) return objects;
    objects = memory.load();
    loaded = new Set(objects.keys());
    return objects;
  };
  const line = (commit: string, prefix: string) => lineage(known(), commit, `${prefix}manifest.json`, LINE);
  const remember: Session["remember"] = (commits, prefix) => {
    const ids = new Set(commits.flatMap((commit) => [...essence(known(), commit, prefix)]));
    for (const { ids: earlier } of line(commits[0] ?? "", prefix)) for (const id of earlier) ids.add(id);
    const isNews = ids.size !== loaded.size || [...ids].some((id) => !loaded.has(id));
    if (isNews && ids.size > 0) memory.save([...ids].flatMap((id) => known().get(id) ?? []));
  };
  return {
    async work(purpose, action) {
      if (transport) {
        const open = (pushing: boolean) =>
          wireWorkbench({ transport: transport as Transport, objects: known(), pushing });
        using bench = purpose === "push" ? open(true) : (reader ??= open(false));
        try {
          return await action(bench);
        } catch (error) {
          if (!(error instanceof WireRefusal)) throw error;
          // What could not be read this way may still be written.
          if (purpose === "push") transport = undefined;
        }
      }
      using work = await openWorkRepository(access);
      // Awaited here: the repository is gone when this returns.
      return await action(work);
    },
    remember,
    shortened(commits, tip, prefix) {
      for (const text of commits) addObject(known(), { type: "commit", bytes: Buffer.from(text) });
      remember([tip], prefix);
    },
    line: (commit, prefix) => line(commit, prefix).map(({ manifest }) => manifest),
    deployed({ tip, commit, tree, text, added, removed, volumes, prefix }) {
      if (!known().has(commit)) rebuild(known(), { tip, tree, text, added, removed });
      for (const { path, content } of added) {
        if ("bytes" in content && isKept(path, prefix)) addObject(known(), { type: "blob", bytes: content.bytes });
      }
      remember([commit, ...volumes], prefix);
    },
  };
}

/** What git made in its own repository, made once more for us; nothing where the tip is not known here. */
function rebuild(
  objects: Map<string, GitObject>,
  { tip, tree, text, added, removed }: Pick<Deployed, "tip" | "tree" | "text" | "added" | "removed">,
): void {
  const before = tip && objects.get(tip.commit);
  if (tip && !before) return;
  try {
    const { id, made } = changeTree(objects, before && headerField(before, "tree"), { removed, added });
    if (id !== tree) return;
    for (const { object } of made) addObject(objects, object);
    addObject(objects, { type: "commit", bytes: Buffer.from(text) });
  } catch (error) {
    if (!(error instanceof WireRefusal)) throw error;
  }
}

const addObject = (objects: Map<string, GitObject>, object: GitObject) => objects.set(objectId(object), object);

/** The manifest with its signature, and what lists the files of a volume. */
const isKept = (path: string, prefix: string) =>
  [`${prefix}manifest.json`, `${prefix}manifest.json.sig`].includes(path) ||
  (path.startsWith(`${prefix}volumes/`) && INDEX.test(path.slice(prefix.length)));

const INDEX = /^volumes\/[^/]+\.index$/;

/** What lists the files of each volume. */
function indexesOf(objects: ReadonlyMap<string, GitObject>, tree: string, prefix: string): readonly TreeEntry[] {
  const names = listNames(objects, tree, `${prefix}volumes`);
  return names.flatMap((name) =>
    INDEX.test(`volumes/${name}`) ? (findFile(objects, tree, `${prefix}volumes/${name}`) ?? []) : [],
  );
}

/** The objects by which the next run knows a commit; none where its trees are not at hand. */
function essence(objects: ReadonlyMap<string, GitObject>, commit: string, prefix: string): ReadonlySet<string> {
  const object = objects.get(commit);
  const tree = object && headerField(object, "tree");
  if (tree === undefined) return new Set();
  try {
    const ids = listTrees(objects, tree).add(commit);
    const named = ["manifest.json", "manifest.json.sig"].map((name) => findFile(objects, tree, prefix + name));
    const files = [...named, ...indexesOf(objects, tree, prefix)];
    for (const file of files) if (file && objects.has(file.id)) ids.add(file.id);
    return ids;
  } catch (error) {
    if (error instanceof WireRefusal) return new Set();
    throw error;
  }
}
