/** check: site-index. A visitor of "/" finds a page. Pure. */
import type { VolumeArtifact } from "../artifact/artifact.ts";
import { count } from "../util/size.ts";
import type { Check, Remark } from "./check.ts";

const INDEX = "index.html";

export const siteIndex: Check = {
  id: "site-index",
  title: "the site has an index.html at its root",
  severity: "warning",
  *run({ release: { volumes } }) {
    // Of several volumes one is the site and the others may be anything, unless they hold pages too.
    const sites = volumes.length === 1 ? volumes : volumes.filter(hasPages);
    for (const volume of sites) yield* missingIndex(volume);
  },
};

const hasPages = ({ index }: VolumeArtifact) => index.some(({ path }) => /\.html?$/i.test(path));

function* missingIndex({ name, index }: VolumeArtifact): Iterable<Remark> {
  if (index.some(({ path }) => path === INDEX)) return;
  yield {
    path: INDEX,
    message: `volume ${name} has no ${INDEX} at its root, among ${count(index.length, "file")}: "/" leads nowhere`,
    hint: remedy(index.map(({ path }) => path)),
  };
}

/** The commonest causes: an empty build, the directory above the site, another spelling. */
function remedy(paths: readonly string[]): string {
  if (paths.length === 0) return "the volume is empty: was the site built?";
  const spelled = paths.find((path) => path.toLowerCase() === INDEX || path === "index.htm");
  if (spelled !== undefined) return `rename ${spelled} to ${INDEX}`;
  const roots = new Set(paths.map((path) => path.slice(0, path.indexOf("/") + 1)));
  const [root = ""] = roots;
  if (roots.size === 1 && root !== "" && paths.includes(`${root}${INDEX}`))
    return `the site is one directory deeper: make the volume from ${root}`;
  return `add one, or ignore site-index if the kernel makes the front page itself`;
}
