/** check: reproducible. Building the same commit again gives the same bytes. Runs the user's build, so only on request. */
import { DeployError, messageOf } from "../errors.ts";
import type { Release } from "../release/release.ts";
import { count } from "../util/size.ts";
import type { Check, CheckSubject, Remark } from "./check.ts";
import { imagePath, kernelsOf, openContents } from "./contents.ts";
import { describeDifference } from "./difference.ts";

/** Builds take what they take. */
const TIMEOUT = 2 * 60 * 60 * 1000;

export const reproducible: Check = {
  id: "reproducible",
  title: "building the same commit again gives the same bytes",
  severity: "warning",
  timeout: TIMEOUT,
  async *run(subject) {
    if (subject.settings("reproducible").enabled !== true) return;
    if (subject.rebuild === undefined) {
      yield {
        severity: "note",
        message: "not looked at: there is nothing to build here",
        hint: "a release can be built a second time only where it is built with a build command (build: in unikernel.yml)",
      };
      return;
    }
    const second = await attempt(subject.rebuild);
    if ("message" in second) yield second;
    else {
      using release = second;
      yield* differences(subject, { ...subject, release });
    }
  },
};

async function attempt(rebuild: NonNullable<CheckSubject["rebuild"]>): Promise<(Release & Disposable) | Remark> {
  try {
    return await rebuild();
  } catch (error) {
    // The user's second build may fail where the first did not, and that is what was to be found out.
    if (!(error instanceof DeployError)) throw error;
    const hint = "the build must be able to run twice in one directory; checks.reproducible.clean is run in between";
    return { message: `the second build failed: ${messageOf(error)}`, hint };
  }
}

/** What differs between two releases of the same commit. */
export function* differences(first: CheckSubject, second: CheckSubject): Iterable<Remark> {
  yield* kernelDifferences(first, second);
  for (const volume of first.release.volumes) {
    const other = second.release.volumes.find(({ name }) => name === volume.name);
    if (other === undefined) yield missing(imagePath(volume));
    else if (other.sha256 !== volume.sha256) yield* volumeDifferences(first, second, volume.name);
  }
}

const missing = (path: string): Remark => ({ path, message: `${path} is missing after the second build`, hint: HINT });

const HINT =
  "usual causes: the time or date, a path of the machine, the order of a directory listing, a random seed; set SOURCE_DATE_EPOCH, and sort";

function* kernelDifferences(first: CheckSubject, second: CheckSubject): Iterable<Remark> {
  const others = new Map(kernelsOf(second).map(({ path, kernel }) => [path, kernel]));
  for (const { path, kernel } of kernelsOf(first)) {
    const other = others.get(path);
    if (other === undefined) yield missing(path);
    else if (other.sha256 !== kernel.sha256) {
      using a = first.open(kernel.file);
      using b = second.open(other.file);
      const what = describeDifference({ source: a, offset: 0, size: a.size }, { source: b, offset: 0, size: b.size });
      if (what !== undefined) yield { path, message: `${path} is not the same in a second build: ${what}`, hint: HINT };
    }
  }
}

function* volumeDifferences(first: CheckSubject, second: CheckSubject, name: string): Iterable<Remark> {
  using a = openContents(first, volumeOf(first.release, name));
  using b = openContents(second, volumeOf(second.release, name));
  const others = new Map(b.files.map((file) => [file.path, file]));
  let found = 0;
  for (const { path, offset, size } of a.files) {
    const other = others.get(path);
    others.delete(path);
    const what =
      other === undefined
        ? "it is missing"
        : describeDifference(
            { source: a.image, offset, size },
            { source: b.image, offset: other.offset, size: other.size },
          );
    if (what === undefined) continue;
    found++;
    yield { path, message: `${path} is not the same in a second build: ${what}`, hint: HINT };
  }
  for (const path of others.keys()) {
    found++;
    yield { path, message: `${path} is in the second build only`, hint: HINT };
  }
  if (found > 0) return;
  const path = imagePath({ name });
  yield {
    path,
    message: `${path} differs although its ${count(a.files.length, "file")} are equal`,
    hint: "please report this",
  };
}

function volumeOf(release: Release, name: string): Release["volumes"][number] {
  return release.volumes.find((volume) => volume.name === name) as Release["volumes"][number];
}
