/** Which beginnings of chunks a kernel can have: nearly none of a site's, so that little of the site is kept in mind. Pure. */
import type { ByteSource } from "../util/bytes.ts";
import { ANCHOR, hashOf } from "./chunk-hash.ts";
import { windowsOf } from "./windows.ts";

/** Whether bytes with this hash, as many as an anchor has, may stand somewhere; never false where they do. */
export type MayHave = (anchor: number) => boolean;

/** Eight bits for each place let one hash in nine through that is not there; 16 MiB are the most that still pay. */
const BITS_A_PLACE = 8;
const MIN_BITS = 16;
const MAX_BITS = 27;

/** Reads the kernel once. */
export function anchorsOf(kernel: ByteSource): MayHave {
  const wanted = Math.ceil(Math.log2(BITS_A_PLACE * Math.max(kernel.size, 1)));
  const size = Math.min(Math.max(wanted, MIN_BITS), MAX_BITS);
  const shift = 32 - size;
  const bits = new Uint8Array(2 ** (size - 3));
  for (const { prefixes, end } of windowsOf(kernel)) {
    for (let at = 0; at < end; at++) {
      const bit = hashOf(prefixes, at, ANCHOR) >>> shift;
      bits[bit >>> 3] = (bits[bit >>> 3] as number) | (1 << (bit & 7));
    }
  }
  return (anchor) => {
    const bit = anchor >>> shift;
    return ((bits[bit >>> 3] as number) & (1 << (bit & 7))) !== 0;
  };
}
