/**
 * Finds the start tags of an HTML page that have an attribute of interest, several times faster than a whole parser: pages
 * are mostly text and tags that only style it, and both are passed over. By the rules of the HTML standard's tokenizer
 * (13.2.5) as far as they decide where a tag begins and ends. Pure; the page may be anything.
 */

export interface StartTag {
  /** In lower case. */
  readonly name: string;
  /** The wanted ones by name, the first of each name, as written: character references are not decoded. */
  readonly attributes: Readonly<Record<string, string>>;
  /** Where in the page it begins. */
  readonly at: number;
  /** The whole tag. */
  readonly text: string;
}

/** A few names, told from the many others by first letter and length before any text is copied. */
export class Names {
  readonly #names: ReadonlySet<string>;
  readonly #hints = new Uint8Array(32 * 32);

  constructor(names: Iterable<string>) {
    this.#names = new Set(names);
    for (const name of this.#names) this.#hints[hint(name.charCodeAt(0), name.length)] = 1;
  }

  /** The name, in lower case, that stands in `text` from `start` to `end`; undefined where it is another one. */
  find(text: string, start: number, end: number): string | undefined {
    if (this.#hints[hint(text.charCodeAt(start), end - start)] !== 1) return undefined;
    const name = text.slice(start, end).toLowerCase();
    return this.#names.has(name) ? name : undefined;
  }
}

const hint = (first: number, length: number) => (first & 31) * 32 + (length & 31);

/** Elements whose content is text up to their end tag. */
const RAW_TEXT = new Names([
  "script",
  "style",
  "textarea",
  "title",
  "xmp",
  "iframe",
  "noembed",
  "noframes",
  "plaintext",
]);

const [TAB, LF, FF, CR, SPACE] = [0x09, 0x0a, 0x0c, 0x0d, 0x20];
const [BANG, QUOTE, APOSTROPHE, SLASH, LESS, EQUALS, MORE, QUESTION] = [0x21, 0x22, 0x27, 0x2f, 0x3c, 0x3d, 0x3e, 0x3f];

const isSpace = (code: number) => code === SPACE || code === LF || code === TAB || code === CR || code === FF;
const isLetter = (code: number) => (code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a;

/** Takes a page in pieces; keeps of each what the next one is needed for: an unfinished tag, but no text. */
export class TagScanner {
  readonly #wanted: Names;
  readonly #tell: (tag: StartTag) => void;
  /** What was not finished, and where in the page it begins. */
  #rest = "";
  #begin = 0;
  /** What ends the comment or the text that the page is inside of, where it is. */
  #until: RegExp | undefined;

  /** `wanted` are names of attributes, in lower case; `tell` is told of each start tag with any of them. */
  constructor(wanted: Names, tell: (tag: StartTag) => void) {
    this.#wanted = wanted;
    this.#tell = tell;
  }

  /** The next piece, one character a byte. */
  write(piece: string): void {
    const text = this.#rest + piece;
    const done = this.#scan(text);
    this.#rest = text.slice(done);
    this.#begin += done;
  }

  /** Scans what is whole; how much of the text that is. */
  #scan(text: string): number {
    let at = 0;
    for (;;) {
      if (this.#until) {
        const end = this.#skip(text, at);
        if (end === undefined) return Math.max(at, text.length - LONGEST_END);
        at = end;
      }
      at = text.indexOf("<", at);
      if (at < 0) return text.length;
      const next = text.charCodeAt(at + 1);
      let end: number | undefined;
      if (isLetter(next)) end = this.#startTag(text, at);
      else if (next === BANG) end = this.#declaration(text, at);
      else if (next === SLASH || next === QUESTION) end = afterMore(text, at + 2);
      else end = Number.isNaN(next) ? undefined : at + 1;
      if (end === undefined) return at;
      at = end;
    }
  }

  /** Where what the page is inside of ends; undefined where not in this text. */
  #skip(text: string, from: number): number | undefined {
    const until = this.#until as RegExp;
    until.lastIndex = from;
    const match = until.exec(text);
    if (!match) return undefined;
    this.#until = undefined;
    // An end tag is a tag again; the end of a comment is none.
    return text.charCodeAt(match.index) === LESS ? match.index : until.lastIndex;
  }

  #declaration(text: string, at: number): number | undefined {
    if (text.length < at + 4) return undefined;
    if (!text.startsWith("--", at + 2)) return afterMore(text, at + 2);
    // "<!-->" and "<!--->" are whole comments.
    this.#until = COMMENT_END;
    return at + 2;
  }

  /** Where the tag ends; undefined where it is not whole. */
  #startTag(text: string, begin: number): number | undefined {
    const { length } = text;
    let at = begin + 1;
    for (
      let code = text.charCodeAt(at);
      code !== MORE && code !== SLASH && !isSpace(code);
      code = text.charCodeAt(at)
    ) {
      if (++at >= length) return undefined;
    }
    const nameEnd = at;
    let attributes: Record<string, string> | undefined;
    let isSelfClosing: boolean;
    for (;;) {
      let code = text.charCodeAt(at);
      const before = at;
      while (isSpace(code) || code === SLASH) code = text.charCodeAt(++at);
      if (at >= length) return undefined;
      isSelfClosing = at > before && text.charCodeAt(at - 1) === SLASH;
      if (code === MORE) break;
      const start = at;
      // A name may begin with "=".
      do code = text.charCodeAt(++at);
      while (at < length && code !== EQUALS && code !== MORE && code !== SLASH && !isSpace(code));
      const end = at;
      while (isSpace(code)) code = text.charCodeAt(++at);
      let [from, to] = [at, at];
      if (code === EQUALS) {
        do code = text.charCodeAt(++at);
        while (isSpace(code));
        if (code === QUOTE || code === APOSTROPHE) {
          from = at + 1;
          to = text.indexOf(code === QUOTE ? '"' : "'", from);
          if (to < 0) return undefined;
          at = to + 1;
        } else {
          from = at;
          while (at < length && code !== MORE && !isSpace(code)) code = text.charCodeAt(++at);
          to = at;
        }
      }
      if (at >= length) return undefined;
      const name = this.#wanted.find(text, start, end);
      if (name === undefined) continue;
      attributes ??= {};
      attributes[name] ??= text.slice(from, to);
    }
    if (attributes) {
      const name = text.slice(begin + 1, nameEnd).toLowerCase();
      this.#tell({ name, attributes, at: this.#begin + begin, text: text.slice(begin, at + 1) });
    }
    const raw = isSelfClosing ? undefined : RAW_TEXT.find(text, begin + 1, nameEnd);
    if (raw !== undefined) this.#until = raw === "plaintext" ? NEVER : endTag(raw);
    return at + 1;
  }
}

function afterMore(text: string, from: number): number | undefined {
  const end = text.indexOf(">", from);
  return end < 0 ? undefined : end + 1;
}

const COMMENT_END = /--!?>/g;
const NEVER = /(?!)/g;
const endTag = (name: string) => new RegExp(`</${name}(?=[\\s/>])`, "gi");
/** Bytes that the longest of these ends, cut short, may take at the end of a piece. */
const LONGEST_END = 16;
