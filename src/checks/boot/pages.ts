/** The requests that prove a site is served: what is asked, and where in an image the answer's bytes are. Pure. */
import type { ImageEntry } from "../../image/format.ts";

/** A volume whose files are to be served. */
export interface ServedVolume {
  /** The files with their places in the image. */
  readonly entries: readonly ImageEntry[];
  /** Git blob ids in the same order, as the release was built. */
  readonly ids: readonly string[];
}

export interface Page {
  /** The request target, percent-encoded. */
  readonly target: string;
  /** Index into the volumes. */
  readonly volume: number;
  readonly offset: number;
  readonly size: number;
  /** Whether the content is not in one piece at `offset`, so that only its id can be compared. */
  readonly scattered: boolean;
  /** Git blob id of the content. */
  readonly id: string;
}

/** Every file by its path, and every index.html as its directory too. A path in two volumes is asked for once. */
export function pagesOf(volumes: readonly ServedVolume[]): Page[] {
  const pages = new Map<string, Page>();
  for (const [volume, { entries, ids }] of volumes.entries()) {
    for (const [i, entry] of entries.entries()) {
      const { path, offset, size } = entry;
      const scattered = "stored" in entry && entry.stored !== undefined;
      for (const target of targetsOf(path)) {
        if (!pages.has(target)) pages.set(target, { target, volume, offset, size, scattered, id: ids[i] as string });
      }
    }
  }
  return [...pages.values()];
}

function targetsOf(path: string): string[] {
  const target = `/${path.split("/").map(encodeURIComponent).join("/")}`;
  const directory = /^(.*\/)index\.html$/.exec(target);
  return directory ? [target, directory[1] as string] : [target];
}

/** A target that no page has: a server that says 200 to it would say so to anything. */
export function missingTarget(pages: readonly Page[]): string {
  const taken = new Set(pages.map(({ target }) => target));
  for (let n = 0; ; n++) {
    const target = `/no-such-page${n === 0 ? "" : `-${n}`}.html`;
    if (!taken.has(target)) return target;
  }
}
