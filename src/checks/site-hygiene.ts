/** check: site-hygiene. Nothing ships that belongs to the people or programs that made the site. Pure. */
import type { VolumeArtifact } from "../artifact/artifact.ts";
import { count, formatSize } from "../util/size.ts";
import type { Check, CheckSubject, Remark, Severity } from "./check.ts";
import { openContents } from "./contents.ts";

export const siteHygiene: Check = {
  id: "site-hygiene",
  title: "the site holds what visitors are meant to get, and nothing else",
  severity: "warning",
  gravest: "error",
  *run(subject) {
    for (const volume of subject.release.volumes) {
      yield* litter(volume);
      yield* lfsPointers(subject, volume);
    }
  },
};

interface Rule {
  readonly severity: Severity;
  readonly what: string;
  readonly hint: string;
}

const rule = (severity: Severity, what: string, hint: string): Rule => ({ severity, what, hint });

const GIT = rule(
  "error",
  "a git repository: with it anyone can read the site's whole history",
  "copy the site without .git (git archive, rsync --exclude .git), or build into a directory of its own",
);
const HISTORY = rule("warning", "the data of a version control system", "copy the site without it");
const SETTINGS = rule(
  "warning",
  "settings of programs, where passwords are kept",
  "keep it out of the directory that is published",
);
const EDITOR = rule("warning", "left over by an editor", "delete it, and let the build start from a clean directory");
const SYSTEM = rule("warning", "left over by an operating system", "delete it; it only takes room");
const TOOLS = rule(
  "warning",
  "what the site was built with",
  "publish the build's output directory, not the one it was built in",
);

/** By a segment of the path that is a directory: all below it is one finding. */
const DIRECTORIES: ReadonlyMap<string, Rule> = new Map([
  [".git", GIT],
  [".hg", HISTORY],
  [".svn", HISTORY],
  [".bzr", HISTORY],
  ["CVS", HISTORY],
  ["_darcs", HISTORY],
  [".ssh", SETTINGS],
  [".aws", SETTINGS],
  [".gnupg", SETTINGS],
  [".idea", EDITOR],
  [".vscode", EDITOR],
  ["__MACOSX", SYSTEM],
  [".Spotlight-V100", SYSTEM],
  [".Trashes", SYSTEM],
  ["node_modules", TOOLS],
  ["_opam", TOOLS],
  [".cache", TOOLS],
]);

/** By the name of the file. */
const FILES: readonly (readonly [RegExp, Rule])[] = [
  // A file in place of the directory: a submodule or a worktree. It names a path on the machine that built the site.
  [/^\.git$/, GIT],
  [/^\.env(?:\.(?!(?:dist|example|sample|template)$).+)?$/, SETTINGS],
  [/^(?:\.htpasswd|\.npmrc|\.netrc|\.pypirc|\.pgpass|\.git-credentials|\.dockercfg|\.dockerconfigjson)$/, SETTINGS],
  [/~$|^\.#|^#.*#$|^\..+\.sw[a-p]$|\.(?:orig|rej|bak)$/, EDITOR],
  [/^(?:\.DS_Store|Thumbs\.db|ehthumbs\.db|[Dd]esktop\.ini|\.directory|\.localized)$|^\._./, SYSTEM],
];

function* litter({ name, index }: VolumeArtifact): Iterable<Remark> {
  const directories = new Map<string, { readonly rule: Rule; files: number }>();
  let maps = { files: 0, bytes: 0, first: "" };
  for (const { path, size } of index) {
    const directory = findDirectory(path);
    if (directory !== undefined) {
      const found = directories.get(directory.path);
      if (found) found.files++;
      else directories.set(directory.path, { rule: directory.rule, files: 1 });
      continue;
    }
    const base = path.slice(path.lastIndexOf("/") + 1);
    const found = FILES.find(([pattern]) => pattern.test(base))?.[1];
    if (found) yield { path, severity: found.severity, message: `${path} ships: ${found.what}`, hint: found.hint };
    else if (/\.(?:js|mjs|cjs|css)\.map$/.test(base)) {
      maps = { files: maps.files + 1, bytes: maps.bytes + size, first: maps.first || path };
    }
  }
  for (const [path, { rule: found, files }] of directories) {
    yield {
      path,
      severity: found.severity,
      message: `${path}/ ships with ${count(files, "file")}: ${found.what}`,
      hint: found.hint,
    };
  }
  if (maps.files === 0) return;
  yield {
    path: maps.first,
    severity: "note",
    message: `${count(maps.files, "source map")} of ${formatSize(maps.bytes)} in volume ${name}: visitors can read the sources of the scripts`,
    hint: "switch them off in the bundler's settings, if that is not intended",
  };
}

function findDirectory(path: string): { readonly path: string; readonly rule: Rule } | undefined {
  for (let start = 0, end = path.indexOf("/"); end >= 0; start = end + 1, end = path.indexOf("/", start)) {
    const found = DIRECTORIES.get(path.slice(start, end));
    if (found) return { path: path.slice(0, end), rule: found };
  }
  return undefined;
}

/** Pointers have three short lines; the longest oid and size leave room for extensions. */
const MIN_POINTER = 100;
const MAX_POINTER = 1024;
/** Git LFS, docs/spec.md: version first, then keys in order, an object id of sha256, a size, and nothing else. */
const POINTER =
  /^version https:\/\/git-lfs\.github\.com\/spec\/v1\n(?:ext-[^\n]+\n)*oid sha256:[0-9a-f]{64}\nsize ([0-9]+)\n$/;

function* lfsPointers(subject: CheckSubject, volume: VolumeArtifact): Iterable<Remark> {
  const isCandidate = ({ size }: { readonly size: number }) => size >= MIN_POINTER && size <= MAX_POINTER;
  if (!volume.index.some(isCandidate)) return;
  using contents = openContents(subject, volume);
  for (const file of contents.files) {
    if (!isCandidate(file)) continue;
    const bytes = contents.read(file, 0, file.size);
    // "v": most files are told apart by their first byte.
    if (bytes[0] !== 0x76) continue;
    const match = POINTER.exec(new TextDecoder("latin1").decode(bytes));
    if (!match) continue;
    yield {
      path: file.path,
      severity: "error",
      message: `${file.path} is a Git LFS pointer, not the file of ${formatSize(Number(match[1]))} that it stands for`,
      hint: "check the site out with its LFS files: actions/checkout with lfs: true, or git lfs pull",
    };
  }
}
