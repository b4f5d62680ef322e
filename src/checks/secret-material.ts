/**
 * check: secret-material. No private key and no token is in an image or a kernel. Pure.
 *
 * Every byte that ships is passed once through a search for marks of secrets; only the text around a mark is given to
 * secretlint's rules, and blocks that call themselves private keys are taken apart. Where only errors are wanted the
 * search is for keys alone, since what looks like a token is a warning.
 */
import type { ImageEntry } from "../image/format.ts";
import type { ByteSource } from "../util/bytes.ts";
import { type LiteralSearch, literalSearch, searchOne } from "../util/literals.ts";
import { KEY_MARK } from "../util/pem.ts";
import type { FoundSecret } from "../util/secrets.ts";
import type { Check, CheckSubject, Remark } from "./check.ts";
import { imagePath, kernelsOf, openContents } from "./contents.ts";
import { findPrivateKeys } from "./private-key.ts";
import { isPromising, KEY, MARK_LITERALS } from "./secret-marks.ts";

export const secretMaterial: Check = {
  id: "secret-material",
  title: "no private key or token ships",
  severity: "error",
  async *run(subject) {
    const search = subject.errorsOnly ? searchOne(KEY_MARK) : literalSearch(MARK_LITERALS);
    for (const { path, kernel } of kernelsOf(subject)) {
      using source = subject.open(kernel.file);
      yield* secretsIn(source, marksIn(source, search), () => path);
    }
    for (const volume of subject.release.volumes) yield* secretsInVolume(subject, search, volume);
  },
};

async function* secretsInVolume(
  subject: CheckSubject,
  search: LiteralSearch,
  volume: CheckSubject["release"]["volumes"][number],
): AsyncIterable<Remark> {
  using contents = openContents(subject, volume);
  const known = subject.errorsOnly ? volume.keyMarks?.map((at): Found => ({ at, isKey: true })) : undefined;
  let files: readonly ImageEntry[] | undefined;
  const pathAt = (offset: number) => {
    files ??= contents.files.toSorted((a, b) => a.offset - b.offset);
    // The last file that begins at or before the offset; what is in none is the image's own.
    let [low, high] = [0, files.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((files[middle]?.offset ?? 0) <= offset) low = middle + 1;
      else high = middle;
    }
    const file = files[low - 1];
    return file && offset < file.offset + file.size ? file.path : imagePath(volume);
  };
  yield* secretsIn(contents.image, known ?? marksIn(contents.image, search), pathAt);
}

const CHUNK = 4 * 1024 * 1024;
/** A secret, or as much of it as shows what it is, fits in this behind its mark; a 16384-bit RSA key has 13 kB. */
const BEHIND = 20 * 1024;
/** Some rules look at a name in front of the secret. */
const BEFORE = 200;

/** A stretch of bytes to look at closely. */
interface Window {
  readonly start: number;
  end: number;
  hasKey: boolean;
  hasToken: boolean;
}

/** A mark worth a closer look. */
interface Found {
  readonly at: number;
  readonly isKey: boolean;
}

async function* secretsIn(
  source: ByteSource,
  marks: Iterable<Found>,
  pathAt: (offset: number) => string,
): AsyncIterable<Remark> {
  const said = new Set<string>();
  for (const window of windowsOf(source, marks)) {
    for (const { kind, offset, isKey } of await examine(source, window)) {
      const path = pathAt(offset);
      if (said.has(`${offset}`)) continue;
      said.add(`${offset}`);
      yield isKey ? keyFound(path, kind) : tokenFound(path, kind);
    }
  }
}

const REVOKE = "take it out and replace it everywhere: what has been published once is known";

const keyFound = (path: string, kind: string): Remark => ({
  path,
  message: `${path} holds a whole ${kind}`,
  hint: `${REVOKE}; a key that the guest needs belongs in a secret volume (secret: true), which never leaves the host`,
});

/** Less certain than a key that can be taken apart: documentation shows tokens that look real. */
const tokenFound = (path: string, kind: string): Remark => ({
  path,
  severity: "warning",
  message: `${path} holds what looks like a ${kind}`,
  hint: `if it is real, ${REVOKE}; if it is an example, ignore secret-material:${path}`,
});

/** The stretches around promising marks, in order, those that overlap as one, none much longer than a chunk. */
function* windowsOf(source: ByteSource, marks: Iterable<Found>): Iterable<Window> {
  let current: Window | undefined;
  for (const { at, isKey } of marks) {
    const behind = isKey ? BEHIND : 4096;
    if (current === undefined || at - BEFORE > current.end || at - current.start > CHUNK) {
      if (current !== undefined) yield current;
      current = { start: Math.max(0, at - BEFORE), end: at, hasKey: false, hasToken: false };
    }
    current.end = Math.min(source.size, Math.max(current.end, at + behind));
    current.hasKey ||= isKey;
    current.hasToken ||= !isKey;
  }
  if (current !== undefined) yield current;
}

function* marksIn(source: ByteSource, search: LiteralSearch): Iterable<Found> {
  for (let offset = 0; offset < source.size; offset += CHUNK) {
    // Marks at the end of a chunk are followed into the next one.
    const bytes = source.read(offset, Math.min(CHUNK + BEHIND, source.size - offset));
    const found: Found[] = [];
    search(bytes, (number, at) => {
      if (at < CHUNK && isPromising(number, bytes, at)) found.push({ at: offset + at, isKey: number === KEY });
    });
    yield* found;
  }
}

interface Secret {
  readonly kind: string;
  readonly offset: number;
  readonly isKey: boolean;
}

async function examine(source: ByteSource, { start, end, hasKey, hasToken }: Window): Promise<readonly Secret[]> {
  // One character a byte, so that places in the text are places in the file; all that secrets are made of is ASCII.
  const text = Buffer.from(source.read(start, end - start)).toString("latin1");
  const keys = hasKey
    ? [...findPrivateKeys(text)].map(({ kind, at }) => ({ kind, offset: start + at, isKey: true }))
    : [];
  const tokens = hasToken ? await tokensIn(text) : [];
  return [...keys, ...tokens.map(({ kind, start: at }) => ({ kind, offset: start + at, isKey: false }))];
}

async function tokensIn(text: string): Promise<readonly FoundSecret[]> {
  const { findTokens } = await import("../util/secrets.ts");
  return findTokens(text);
}
