/** Tar archives byte by byte, sound or not. */

export interface MemberSpec {
  readonly path: string;
  readonly type?: string;
  readonly content?: string | Uint8Array;
  /** Replaces bytes of the header before the checksum is made: text by offset. */
  readonly header?: Readonly<Record<number, string | Uint8Array>>;
}

const BLOCK = 512;

/** A header and the content, each in whole blocks. */
export function tarMember({ path, type = "0", content = "", header = {} }: MemberSpec): Buffer {
  const body = Buffer.from(content);
  const block = Buffer.alloc(BLOCK);
  block.write(path, 0, 100);
  block.write("0000644\0" + "0000000\0" + "0000000\0", 100, "latin1");
  block.write(`${body.length.toString(8).padStart(11, "0")}\0` + "00000000000\0" + "        ", 124, "latin1");
  block.write(type, 156, "latin1");
  block.write("ustar\0" + "00", 257, "latin1");
  for (const [offset, bytes] of Object.entries(header)) Buffer.from(bytes).copy(block, Number(offset));
  const sum = block.reduce((so, byte) => so + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return Buffer.concat([block, body, Buffer.alloc((BLOCK - (body.length % BLOCK)) % BLOCK)]);
}

/** A pax record: its length counts itself. */
export function paxRecord(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest;
  while (String(length).length + rest !== length) length = String(length).length + rest;
  return `${length} ${key}=${value}\n`;
}

/** The members, two blocks of zeros, and zeros up to a whole number of 4096 bytes. */
export function tarImage(...members: readonly MemberSpec[]): Buffer {
  const archive = Buffer.concat([...members.map(tarMember), Buffer.alloc(2 * BLOCK)]);
  return Buffer.concat([archive, Buffer.alloc((4096 - (archive.length % 4096)) % 4096)]);
}
