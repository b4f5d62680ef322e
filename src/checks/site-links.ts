/** check: site-links. Every link and asset of a page that stays in the site leads to a file of it, and anchors exist. Pure. */
import type { ImageEntry } from "../image/format.ts";
import type { Parser } from "../util/html.ts";
import { type Hash64, HashSet, hash64 } from "../util/hash-set.ts";
import { count } from "../util/size.ts";
import type { Check, CheckSubject, Remark } from "./check.ts";
import { type Contents, openContents } from "./contents.ts";
import { baseOf, decode, type LinkBase, linkPath, rebase } from "./link-target.ts";
import { latin1, visitPage } from "./page-links.ts";

export const siteLinks: Check = {
  id: "site-links",
  title: "links and assets inside the site lead somewhere",
  severity: "warning",
  async *run(subject) {
    if (!subject.release.volumes.some(({ index }) => index.some(isPage))) return;
    const { Parser: HtmlParser } = await import("../util/html.ts");
    const paths = new Paths(subject);
    for (const volume of subject.release.volumes) {
      using contents = openContents(subject, volume);
      yield* new LinkWalk(subject, contents, paths, HtmlParser).findings();
    }
  },
};

const isPage = ({ path }: { readonly path: string }) => /\.x?html?$/i.test(path);

/** What the files of the site answer to; links of one volume may lead to files of another. */
class Paths {
  readonly #files = new Map<string, number>();
  readonly #directories = new Set<string>();
  readonly #cleanUrls: boolean;

  constructor(subject: CheckSubject) {
    this.#cleanUrls = subject.settings("site-links")["clean-urls"] === true;
    let number = 0;
    for (const { index } of subject.release.volumes) {
      for (const { path } of index) {
        this.#files.set(path, number++);
        for (let slash = path.lastIndexOf("/"); slash > 0; slash = path.lastIndexOf("/", slash - 1)) {
          const directory = path.slice(0, slash);
          if (this.#directories.has(directory)) break;
          this.#directories.add(directory);
        }
      }
    }
  }

  /** The file that a server sends for a path: itself, or the index of the directory. */
  find(path: string): string | undefined {
    if (path === "" || path.endsWith("/")) return this.#file(`${path}index.html`) ?? this.#file(`${path}index.htm`);
    return (
      this.#file(path) ?? this.#file(`${path}/index.html`) ?? (this.#cleanUrls ? this.#file(`${path}.html`) : undefined)
    );
  }

  /** A number for each file. */
  numberOf(path: string): number {
    return this.#files.get(path) ?? -1;
  }

  isDirectory(path: string): boolean {
    return this.#directories.has(path.replace(/\/$/, ""));
  }

  #file(path: string): string | undefined {
    return this.#files.has(path) ? path : undefined;
  }
}

/** A target missed from more pages than this is one finding about the target. */
const PAGES_SHOWN = 5;
/** Distinct missing targets that are kept apart; a site with more has one fault, not many. */
const MAX_MISSING = 10_000;
const MAX_CACHED = 100_000;

interface Missing {
  pages: number;
  lastPage: string;
  /** Set once the finding about the target is made. */
  told: boolean;
}

/** Where a link leads: the path it means, and the file that answers to it. */
interface Target {
  readonly path: string;
  readonly file: string | undefined;
}

/** The same text in memory of its own: a piece of a page's text keeps all of that in memory. */
const copy = (text: string) => Buffer.from(text).toString();

/** An anchor that some page wants, and the first page that does. */
interface WantedAnchor {
  /** Of the fragment as it is written, and of what its percent-encoding stands for. */
  readonly hashes: readonly Hash64[];
  /** The file it should be in. */
  readonly file: string;
  readonly page: ImageEntry;
}

/**
 * Two walks over the pages: the first resolves every link and takes down which anchors there are and which are wanted;
 * the second reads again only pages in which something is wrong, to say where.
 */
class LinkWalk {
  readonly #contents: Contents;
  readonly #paths: Paths;
  readonly #parser: typeof Parser;
  readonly #origin: string | undefined;
  /** The volume's own paths, where there are other volumes. */
  readonly #own: ReadonlySet<string> | undefined;
  readonly #anchors = new HashSet();
  readonly #asked = new HashSet();
  readonly #wanted: WantedAnchor[] = [];
  readonly #missing = new Map<string, Missing>();
  readonly #redirects = new Set<string>();
  readonly #badPages = new Set<ImageEntry>();
  /** By link without fragment; null for one that leads out of the site. */
  #cache = new Map<string, Target | null>();
  #cachedFor: string | undefined;

  constructor(subject: CheckSubject, contents: Contents, paths: Paths, parser: typeof Parser) {
    const { url } = subject.settings("site-links");
    this.#origin = typeof url === "string" ? url.replace(/\/+$/, "") : undefined;
    this.#own = subject.release.volumes.length > 1 ? new Set(contents.files.map(({ path }) => path)) : undefined;
    this.#contents = contents;
    this.#paths = paths;
    this.#parser = parser;
  }

  *findings(): Iterable<Remark> {
    const pages = this.#contents.files.filter(isPage);
    for (const page of pages) this.#survey(page);
    for (const { file, hashes, page } of this.#wanted) {
      if (this.#isRead(file) && !this.#hasAny(hashes)) this.#badPages.add(page);
    }
    for (const page of pages) if (this.#badPages.has(page)) yield* this.#describe(page);
  }

  #survey(page: ImageEntry): void {
    let base = baseOf(page.path);
    const number = this.#paths.numberOf(page.path);
    visitPage(this.#parser, this.#contents, page, {
      anchor: (name) => this.#anchors.add(hash64(number, name)),
      redirect: () => this.#redirects.add(page.path),
      base: (href) => {
        base = rebase(href, base, this.#origin);
      },
      link: (href) => {
        const target = this.#resolve(href, base);
        if (target === undefined) return;
        if (target.file === undefined) this.#miss(target.path, page);
        else if (target.anchor !== undefined) this.#want(target.file, target.anchor, page);
      },
    });
  }

  #miss(path: string, page: ImageEntry): void {
    const missing = this.#missing.get(path);
    if (missing === undefined) {
      this.#badPages.add(page);
      if (this.#missing.size < MAX_MISSING) this.#missing.set(path, { pages: 1, lastPage: page.path, told: false });
      return;
    }
    if (missing.lastPage === page.path) return;
    missing.lastPage = page.path;
    if (++missing.pages <= PAGES_SHOWN) this.#badPages.add(page);
  }

  /** Most wanted anchors were seen before or are asked for again and again; only the others are kept. */
  #want(file: string, anchor: string, page: ImageEntry): void {
    if (!this.#isRead(file)) return;
    const hashes = this.#hashesOf(file, anchor);
    if (!this.#hasAny(hashes) && this.#asked.add(hashes[0] as Hash64)) this.#wanted.push({ hashes, file, page });
  }

  /** A browser looks for the fragment as it is written, then for what its percent-encoding stands for. */
  #hashesOf(file: string, anchor: string): readonly Hash64[] {
    const number = this.#paths.numberOf(file);
    const hash = hash64(number, anchor);
    return anchor.includes("%") ? [hash, hash64(number, decode(anchor))] : [hash];
  }

  #hasAny(hashes: readonly Hash64[]): boolean {
    return hashes.some((hash) => this.#anchors.has(hash));
  }

  /** Whether the anchors of a file are known: of a picture, another volume or a page that sends visitors on they are not. */
  #isRead(path: string): boolean {
    return isPage({ path }) && !this.#redirects.has(path) && (this.#own === undefined || this.#own.has(path));
  }

  #resolve(href: string, base: LinkBase) {
    const hash = href.indexOf("#");
    const target = this.#find(hash < 0 ? href : href.slice(0, hash), base);
    if (target === undefined) return undefined;
    return { ...target, anchor: hash < 0 ? undefined : anchorIn(href.slice(hash + 1)) };
  }

  /** Pages of one directory link to the same files over and over. */
  #find(href: string, base: LinkBase): Target | undefined {
    if (href === "") return { path: base.page, file: base.page };
    const { directory = "" } = base;
    if (this.#cachedFor !== directory || this.#cache.size > MAX_CACHED) {
      this.#cache = new Map();
      this.#cachedFor = directory;
    }
    const known = this.#cache.get(href);
    if (known !== undefined) return known ?? undefined;
    const path = linkPath(href, base, this.#origin);
    const target = path === undefined ? null : { path: copy(path), file: this.#paths.find(path) };
    // A link of a query alone means the page itself, which is not the same for all pages of the directory.
    if (!href.startsWith("?")) this.#cache.set(copy(href), target);
    return target ?? undefined;
  }

  #describe(page: ImageEntry): readonly Remark[] {
    const remarks: Remark[] = [];
    const said = new Set<string>();
    const lines = new Lines(this.#contents, page);
    let base = baseOf(page.path);
    visitPage(this.#parser, this.#contents, page, {
      anchor: () => {},
      redirect: () => {},
      base: (href) => {
        base = rebase(href, base, this.#origin);
      },
      link: (href, at) => {
        const target = this.#resolve(href, base);
        if (target === undefined) return;
        const remark =
          target.file === undefined
            ? this.#missingFile(target.path, href, page)
            : this.#missingAnchor(target.file, target.anchor, href, page);
        if (remark === undefined || said.has(remark.message)) return;
        said.add(remark.message);
        const line = remark.path === page.path ? lines.at(at) : undefined;
        remarks.push(line === undefined ? remark : { ...remark, line });
      },
    });
    return remarks;
  }

  #missingFile(path: string, href: string, page: ImageEntry): Remark | undefined {
    const missing = this.#missing.get(path);
    const hint = this.#remedy(path);
    if (missing === undefined || missing.pages <= PAGES_SHOWN) {
      return { path: page.path, message: `${page.path} links to ${shown(href)}, which is not in the site`, hint };
    }
    if (missing.told) return undefined;
    missing.told = true;
    const message = `${shown(`/${path}`)} is not in the site, and ${count(missing.pages, "page")} link to it (as ${shown(href)} in ${page.path}, for one)`;
    return { path, message, hint };
  }

  #missingAnchor(file: string, anchor: string | undefined, href: string, page: ImageEntry): Remark | undefined {
    if (anchor === undefined || !this.#isRead(file)) return undefined;
    if (this.#hasAny(this.#hashesOf(file, anchor))) return undefined;
    return {
      path: page.path,
      message: `${page.path} links to ${shown(href)}, but nothing in ${file} is called ${JSON.stringify(anchor.slice(0, 100))}`,
      hint: "give the heading or element that id, or correct the part after #",
    };
  }

  #remedy(path: string): string {
    if (this.#paths.isDirectory(path)) return "the directory has no index.html: add one, or link to a file in it";
    if (this.#paths.find(`${path}.html`))
      return `link to ${path}.html, or set checks.site-links.clean-urls if the kernel adds .html`;
    return "correct the link, or add the file; ignore site-links:PAGE for what the kernel makes itself";
  }
}

const shown = (href: string) => (href.length > 120 ? `${href.slice(0, 117)}…` : href);

/**
 * The name that must be there for a fragment; undefined where none need be. "top" always is; "#:~:text=" means text, "#!"
 * and "#/" a script's own pages, and "10-20" lines that a script marks in a listing.
 */
function anchorIn(fragment: string): string | undefined {
  const name = fragment.replace(/:~:.*$/s, "");
  const needsNone = name === "" || name.toLowerCase() === "top" || /^[!/]|^L?[0-9]+-L?[0-9]+$/.test(name);
  return needsNone ? undefined : name;
}

/** Lines of a page by index into its text, read only when asked for. */
class Lines {
  readonly #contents: Contents;
  readonly #page: ImageEntry;
  #text: string | undefined;

  constructor(contents: Contents, page: ImageEntry) {
    this.#contents = contents;
    this.#page = page;
  }

  /** The line of a tag; undefined in pages too large to hold. */
  at(index: number): number | undefined {
    if (this.#page.size > MAX_LINES_OF) return undefined;
    this.#text ??= latin1(this.#contents.read(this.#page, 0, this.#page.size));
    let line = 1;
    for (let at = this.#text.indexOf("\n"); at >= 0 && at < index; at = this.#text.indexOf("\n", at + 1)) line++;
    return line;
  }
}

const MAX_LINES_OF = 8 * 1024 * 1024;
