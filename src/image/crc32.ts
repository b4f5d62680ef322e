/** CRC-32 (ISO 3309, polynomial 0xEDB88320) as git's pack index and zlib's tools use it. Pure. */

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** The CRC of `bytes` behind what has the CRC `so`. */
export function crc32(bytes: Uint8Array, so = 0): number {
  let crc = ~so;
  for (let i = 0; i < bytes.length; i++) {
    crc = (TABLE[(crc ^ (bytes[i] as number)) & 0xff] as number) ^ (crc >>> 8);
  }
  return ~crc >>> 0;
}
