/** The links and anchors of an HTML page. Pure; the page may be anything. */
import type { ImageEntry } from "../image/format.ts";
import type { Parser } from "../util/html.ts";
import type { Contents } from "./contents.ts";
import { Names, type StartTag, TagScanner } from "./tag-scan.ts";

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

/** Reads a page out of the image; places in it count bytes. Memory is bounded by the largest tag. */
export function visitPage(HtmlParser: typeof Parser, contents: Contents, file: ImageEntry, visitor: PageVisitor): void {
  const scanner = new TagScanner(WANTED, (tag) => {
    visitTag(tag.name, decodeAttributes(HtmlParser, tag), tag.at, visitor);
  });
  for (let offset = 0; offset < file.size; offset += WHOLE) {
    scanner.write(latin1(contents.read(file, offset, WHOLE)));
  }
}

/** One character a byte: twice as fast as decoding, and all that makes a tag is ASCII. */
export const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");

type Attributes = Readonly<Record<string, string>>;

/** What is not text as it stands: bytes of UTF-8, and character references. */
const ENCODED = /[&\x80-\xff]/;

/** The attributes as text. Few are encoded, and there are thousands of character references: those tags go to a whole parser. */
function decodeAttributes(HtmlParser: typeof Parser, { attributes, text }: StartTag): Attributes {
  if (!ENCODED.test(text)) return attributes;
  let decoded: Attributes = {};
  const parser = new HtmlParser({
    onopentag: (_, all) => {
      decoded = all;
    },
  });
  parser.end(Buffer.from(text, "latin1").toString("utf8"));
  return decoded;
}

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

/** All attributes that `visitTag` looks at. */
const OTHERS = ["id", "name", "rel", "srcset", "imagesrcset", "http-equiv", "content"];
const WANTED = new Names([...Object.values(URLS).flat(), ...OTHERS]);

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
  for (const set of [attributes.srcset, attributes.imagesrcset]) {
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
