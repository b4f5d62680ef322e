/** The links and anchors of an HTML page. Pure; the page may be anything. */
import type { ImageEntry } from "../image/format.ts";
import type { Parser } from "../util/html.ts";
import type { Contents } from "./contents.ts";

export interface PageVisitor {
  /** Something the page links to or loads, and where in the text its tag begins. */
  link(href: string, at: number): void;
  /** `<base href>`. */
  base(href: string): void;
  /** `<meta http-equiv="refresh">` to another page; its link is told as well. */
  redirect(): void;
  /** A name that a fragment can mean. */
  anchor(name: string): void;
}

/** Larger pages are read in pieces; smaller ones, nearly all, at once, which is faster. */
const WHOLE = 1024 * 1024;

/** Reads a page out of the image. Memory is bounded by the largest tag. */
export function visitPage(HtmlParser: typeof Parser, contents: Contents, file: ImageEntry, visitor: PageVisitor): void {
  const parser = new HtmlParser({
    onopentag: (name, attributes) => visitTag(name, attributes, parser.startIndex, visitor),
  });
  const decoder = new TextDecoder();
  for (let offset = 0; offset < file.size; offset += WHOLE) {
    parser.write(decoder.decode(contents.read(file, offset, WHOLE), { stream: true }));
  }
  parser.end(decoder.decode());
}

type Attributes = Readonly<Record<string, string>>;

/** Attributes with one URL, by element; those of other elements are none of a page's links. */
const URLS: Readonly<Record<string, readonly string[]>> = {
  a: ["href", "xlink:href"],
  area: ["href"],
  audio: ["src"],
  embed: ["src"],
  frame: ["src"],
  iframe: ["src"],
  image: ["href", "xlink:href"],
  img: ["src"],
  input: ["src"],
  link: ["href"],
  object: ["data"],
  script: ["src"],
  source: ["src"],
  track: ["src"],
  use: ["href", "xlink:href"],
  video: ["src", "poster"],
};

/** These name a host to connect to, not something to fetch. */
const NO_RESOURCE = /\b(?:preconnect|dns-prefetch)\b/i;

function visitTag(name: string, attributes: Attributes, at: number, visitor: PageVisitor): void {
  const { id } = attributes;
  if (id !== undefined) visitor.anchor(id);
  if (name === "a" && attributes.name !== undefined) visitor.anchor(attributes.name);
  if (name === "base" && attributes.href !== undefined) return visitor.base(attributes.href);
  if (name === "meta") return visitRefresh(attributes, at, visitor);
  const keys = Object.hasOwn(URLS, name) ? (URLS[name] as readonly string[]) : undefined;
  if (keys === undefined || (name === "link" && NO_RESOURCE.test(attributes.rel ?? ""))) return;
  for (const key of keys) {
    const url = attributes[key];
    if (url !== undefined) visitor.link(url, at);
  }
  for (const key of ["srcset", "imagesrcset"]) {
    const set = attributes[key];
    if (set !== undefined) for (const url of srcset(set)) visitor.link(url, at);
  }
}

/** `<meta http-equiv="refresh" content="0; url=there.html">` */
function visitRefresh(attributes: Attributes, at: number, visitor: PageVisitor): void {
  if (attributes["http-equiv"]?.toLowerCase() !== "refresh") return;
  const url = /^[\s\d.]*[;,\s]\s*(?:url\s*=\s*)?["']?([^"']+)/i.exec(attributes.content ?? "")?.[1];
  if (url === undefined) return;
  visitor.redirect();
  visitor.link(url, at);
}

/** Image candidates: URLs without spaces, each with a width or density, parted by commas. */
function* srcset(text: string): Iterable<string> {
  for (const match of text.matchAll(/[\s,]*([^\s,]\S*)((?:\s[^,(]*(?:\([^)]*\))?)*)(?:,|$)/g)) {
    yield (match[1] as string).replace(/,+$/, "");
  }
}
