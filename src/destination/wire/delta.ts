/** Git's delta encoding: a new object as copies out of an old one and bytes of its own (gitformat-pack, deltified). Pure. */
import { sameLines } from "../../util/same-lines.ts";
import { WireRefusal } from "./transport.ts";

/** A copy of old bytes, or new bytes. */
export type DeltaStep =
  | { readonly kind: "copy"; readonly offset: number; readonly length: number }
  | { readonly kind: "insert"; readonly bytes: Uint8Array };

/** One instruction copies at most this much, and starts below 2^32. */
const MAX_COPY = 0xff_ff_ff;
const MAX_INSERT = 127;

/** The delta that makes `targetSize` bytes out of an object of `baseSize` bytes. */
export function encodeDelta(baseSize: number, targetSize: number, steps: Iterable<DeltaStep>): Buffer {
  const chunks: Uint8Array[] = [sizeBytes(baseSize), sizeBytes(targetSize)];
  for (const step of steps) {
    if (step.kind === "copy") {
      for (let done = 0; done < step.length; done += MAX_COPY) {
        chunks.push(copyBytes(step.offset + done, Math.min(MAX_COPY, step.length - done)));
      }
    } else {
      for (let done = 0; done < step.bytes.length; done += MAX_INSERT) {
        const part = step.bytes.subarray(done, done + MAX_INSERT);
        chunks.push(Buffer.of(part.length), part);
      }
    }
  }
  return Buffer.concat(chunks);
}

/** Seven bits a byte, lowest first; the high bit says that more follow. */
function sizeBytes(size: number): Buffer {
  const bytes: number[] = [];
  let left = size;
  do {
    const low = left % 128;
    left = Math.floor(left / 128);
    bytes.push(left > 0 ? low | 0x80 : low);
  } while (left > 0);
  return Buffer.from(bytes);
}

/** The first byte says which of four offset bytes and three length bytes follow; zero bytes are left out. */
function copyBytes(offset: number, length: number): Buffer {
  const bytes = [0x80];
  for (let i = 0; i < 7; i++) {
    const byte = i < 4 ? Math.floor(offset / 256 ** i) % 256 : Math.floor(length / 256 ** (i - 4)) % 256;
    if (byte === 0) continue;
    bytes[0] = (bytes[0] as number) | (1 << i);
    bytes.push(byte);
  }
  return Buffer.from(bytes);
}

/** A piece of an object that stays whole: where it is, and its bytes as text. */
interface Piece {
  readonly text: string;
  readonly offset: number;
  readonly length: number;
}

/** A delta for text of which whole lines come and go, as an index does. */
export function lineDelta(base: Buffer, target: Buffer): Buffer {
  // Of thousands of lines nearly all are the same in front and behind; those between are looked at one by one.
  const { front, back } = sameLines(base, target);
  const middle = pieceSteps(
    base.subarray(front, base.length - back),
    target.subarray(front, target.length - back),
    linesOf,
  ).map((step) => (step.kind === "copy" ? { ...step, offset: step.offset + front } : step));
  const copy = (offset: number, length: number): DeltaStep[] => (length > 0 ? [{ kind: "copy", offset, length }] : []);
  return encodeDelta(base.length, target.length, [...copy(0, front), ...middle, ...copy(base.length - back, back)]);
}

const NEWLINE = 0x0a;

/** A delta for a tree of which entries come and go. Both must be trees. */
export const treeDelta = (base: Buffer, target: Buffer): Buffer =>
  encodeDelta(base.length, target.length, pieceSteps(base, target, entriesOf));

function pieceSteps(base: Buffer, target: Buffer, pieces: (bytes: Buffer) => Iterable<Piece>): DeltaStep[] {
  const places = new Map<string, number>();
  for (const { text, offset } of pieces(base)) places.set(text, offset);
  const steps: DeltaStep[] = [];
  for (const { text, offset, length } of pieces(target)) {
    const at = places.get(text);
    const last = steps.at(-1);
    if (at === undefined) steps.push({ kind: "insert", bytes: target.subarray(offset, offset + length) });
    else if (last?.kind === "copy" && last.offset + last.length === at) {
      steps[steps.length - 1] = { ...last, length: last.length + length };
    } else steps.push({ kind: "copy", offset: at, length });
  }
  return steps;
}

function* linesOf(text: Buffer): Generator<Piece> {
  for (let offset = 0; offset < text.length; ) {
    const end = text.indexOf(NEWLINE, offset);
    const next = end < 0 ? text.length : end + 1;
    yield { text: text.toString("latin1", offset, next), offset, length: next - offset };
    offset = next;
  }
}

/** Mode, space, name, zero, and twenty bytes of id. */
function* entriesOf(tree: Buffer): Generator<Piece> {
  for (let offset = 0; offset < tree.length; ) {
    const next = tree.indexOf(0, offset) + 21;
    yield { text: tree.toString("latin1", offset, next), offset, length: next - offset };
    offset = next;
  }
}

/** What a delta makes of its base. Throws WireRefusal for one that is not for this base; it is hostile. */
export function applyDelta(base: Buffer, delta: Buffer): Buffer {
  let at = 0;
  const next = () => {
    if (at >= delta.length) throw new WireRefusal("a delta that ends early");
    return delta[at++] as number;
  };
  const size = () => {
    let value = 0;
    for (let scale = 1, byte = 0x80; byte & 0x80; scale *= 128) {
      byte = next();
      value += (byte & 0x7f) * scale;
      if (value > MAX_RESULT) throw new WireRefusal("a delta that makes too much");
    }
    return value;
  };
  if (size() !== base.length) throw new WireRefusal("a delta for another base");
  const target = Buffer.alloc(size());
  let done = 0;
  while (at < delta.length) {
    const code = next();
    let source = delta;
    let offset = at;
    let length = code;
    if (code & 0x80) {
      const fields = [0, 0];
      for (let i = 0; i < 7; i++) {
        if (code & (1 << i))
          fields[i < 4 ? 0 : 1] = (fields[i < 4 ? 0 : 1] as number) + next() * 256 ** (i < 4 ? i : i - 4);
      }
      source = base;
      offset = fields[0] as number;
      length = fields[1] || 0x1_00_00;
    } else at += length;
    if (length === 0 || offset + length > source.length || done + length > target.length) {
      throw new WireRefusal("a delta that leaves its bounds");
    }
    source.copy(target, done, offset, offset + length);
    done += length;
  }
  if (done !== target.length) throw new WireRefusal("a delta that makes too little");
  return target;
}

const MAX_RESULT = 64 * 1024 * 1024;
