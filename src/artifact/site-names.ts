/**
 * The names of the files of a site. A site may have a hundred thousand of them: an object for each costs more time and
 * memory than all else that is to be done with a small file, so they are kept as text, a page for every thousand or so.
 */

/** A file of the site and where its bytes are. */
export interface NamedFile {
  /** Its name in the volume: relative, separated by `/`. */
  readonly path: string;
  /** Absolute path with every link resolved up to the file's own name. */
  readonly source: string;
}

/** Paths on a page. */
export const PAGE = 1024;
/** What stands between two paths: nothing that a name can contain. */
const BETWEEN = "\0";

/** The paths on a page. */
export const pathsOn = (page: string): string[] => page.split(BETWEEN);

export class SiteNames implements Iterable<NamedFile> {
  /** Directory of the files that are where their path says. */
  readonly root: string;
  readonly #pages: string[] = [];
  /** What the next page is made of, each a run of paths. */
  #runs: string[] = [];
  readonly #elsewhere = new Map<number, string>();
  #count = 0;
  #longest = 0;

  constructor(root: string, files: Iterable<NamedFile> = []) {
    this.root = root;
    for (const { path, source } of files) this.add("", [path], source === `${root}/${path}` ? undefined : () => source);
  }

  /**
   * Adds files whose paths are `prefix` ("a/b/" or "") and each of these names; `sourceOf` tells where one of that name is,
   * if that is not where its path says.
   */
  add(prefix: string, names: readonly string[], sourceOf?: (name: string) => string): void {
    for (let at = 0; at < names.length; ) {
      const run = names.slice(at, at + PAGE - (this.#count % PAGE));
      if (sourceOf) run.forEach((name, i) => this.#elsewhere.set(this.#count + i, sourceOf(name)));
      for (const name of run)
        if (prefix.length + name.length > this.#longest) this.#longest = prefix.length + name.length;
      this.#runs.push(prefix + run.join(BETWEEN + prefix));
      this.#count += run.length;
      at += run.length;
      if (this.#count % PAGE === 0) this.#turnPage();
    }
  }

  get count(): number {
    return this.#count;
  }

  /** UTF-16 units of the longest path. */
  get longest(): number {
    return this.#longest;
  }

  /** All paths, `PAGE` on each page but the last, which lists them with `pathsOn`. */
  get pages(): readonly string[] {
    if (this.#runs.length > 0) return [...this.#pages, this.#runs.join(BETWEEN)];
    return this.#pages;
  }

  /** Where those files are, by number, that are not where their path says. */
  get elsewhere(): ReadonlyMap<number, string> {
    return this.#elsewhere;
  }

  *[Symbol.iterator](): Generator<NamedFile> {
    let file = 0;
    for (const page of this.pages) {
      for (const path of pathsOn(page)) {
        const source = this.#elsewhere.get(file++);
        yield source === undefined ? new FileInPlace(path, this.root) : { path, source };
      }
    }
  }

  #turnPage(): void {
    this.#pages.push(this.#runs.join(BETWEEN));
    this.#runs = [];
  }
}

/** The places of all files are more text than is worth keeping. */
class FileInPlace implements NamedFile {
  readonly path: string;
  readonly #root: string;

  constructor(path: string, root: string) {
    this.path = path;
    this.#root = root;
  }

  get source(): string {
    return `${this.#root}/${this.path}`;
  }
}
