/** Git's delta encoding: a new object as copies out of an old one and bytes of its own (gitformat-pack, deltified). Pure. */

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

/** A delta for bytes that differ in one place, as a tree does when one file changes: its ends are copied. */
export function trimDelta(base: Uint8Array, target: Uint8Array): Buffer {
  const most = Math.min(base.length, target.length);
  let head = 0;
  while (head < most && base[head] === target[head]) head++;
  let tail = 0;
  while (tail < most - head && base[base.length - 1 - tail] === target[target.length - 1 - tail]) tail++;
  return encodeDelta(base.length, target.length, [
    { kind: "copy", offset: 0, length: head },
    { kind: "insert", bytes: target.subarray(head, target.length - tail) },
    { kind: "copy", offset: base.length - tail, length: tail },
  ]);
}

/** A delta for text of which whole lines come and go, as an index does. */
export function lineDelta(base: Buffer, target: Buffer): Buffer {
  const places = new Map<string, number>();
  for (const { line, offset } of linesOf(base)) places.set(line, offset);
  const steps: DeltaStep[] = [];
  for (const { line, offset, length } of linesOf(target)) {
    const at = places.get(line);
    const last = steps.at(-1);
    if (at === undefined) steps.push({ kind: "insert", bytes: target.subarray(offset, offset + length) });
    else if (last?.kind === "copy" && last.offset + last.length === at) {
      steps[steps.length - 1] = { ...last, length: last.length + length };
    } else steps.push({ kind: "copy", offset: at, length });
  }
  return encodeDelta(base.length, target.length, steps);
}

function* linesOf(text: Buffer): Generator<{ line: string; offset: number; length: number }> {
  for (let offset = 0; offset < text.length; ) {
    const end = text.indexOf(0x0a, offset);
    const next = end < 0 ? text.length : end + 1;
    yield { line: text.toString("latin1", offset, next), offset, length: next - offset };
    offset = next;
  }
}
