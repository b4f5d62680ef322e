/** Private keys in text, told from words about private keys by taking them apart. Pure. */

export interface FoundKey {
  /** "RSA private key", "OpenSSH private key". */
  readonly kind: string;
  /** Where in the text it begins. */
  readonly at: number;
}

/** RFC 7468 labels, OpenSSH's and OpenPGP's; the body in base64, also with line breaks written as \n in a script. */
const BLOCK =
  /-----BEGIN ((?:RSA |DSA |EC |OPENSSH |ENCRYPTED )?PRIVATE KEY|PGP PRIVATE KEY BLOCK)-----([\s\S]{40,20000}?)-----END \1-----/g;

/** The private keys in a piece of text. A placeholder, a key cut short or the words alone are none. */
export function* findPrivateKeys(text: string): Iterable<FoundKey> {
  for (const match of text.matchAll(BLOCK)) {
    const [, label, body] = match as unknown as [string, string, string];
    const bytes = decodeBody(body);
    if (bytes !== undefined && isKey(label, bytes, body.includes(ENCRYPTED)))
      yield { kind: kindOf(label), at: match.index };
  }
}

function kindOf(label: string): string {
  if (label.startsWith("PGP")) return "OpenPGP private key";
  const [first = ""] = label.split(" PRIVATE KEY");
  const name = { OPENSSH: "OpenSSH ", ENCRYPTED: "encrypted ", "PRIVATE KEY": "" }[first] ?? `${first} `;
  return `${name}private key`;
}

/** Base64 with what may stand around it: header lines, markup's and scripts' line breaks, OpenPGP's checksum. */
function decodeBody(body: string): Buffer | undefined {
  const lines = body
    .replaceAll(/\\[nrt]|&#(?:10|13|x0?[aAdD]);|<br ?\/?>/g, "\n")
    .replaceAll(/["'][\s+,\\]*["']?/g, "\n")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !/^[A-Za-z-]+: /.test(line) && !/^=[A-Za-z0-9+/]{4}$/.test(line));
  const base64 = lines.join("");
  return /^[A-Za-z0-9+/]+={0,2}$/.test(base64) ? Buffer.from(base64, "base64") : undefined;
}

/** The header line of an encrypted key in the older format (RFC 1421). */
const ENCRYPTED = "Proc-Type: 4,ENCRYPTED";
const OPENSSH_MAGIC = "openssh-key-v1\0";
/** Smaller than any: an Ed25519 key has 48 bytes with its wrapping. */
const MIN_DER = 40;

function isKey(label: string, bytes: Buffer, isEncrypted: boolean): boolean {
  // An OpenPGP packet: secret key, in the old or the new format (RFC 9580).
  if (label.startsWith("PGP"))
    return [0x94, 0x95, 0x96, 0x97, 0xc5].includes(bytes[0] as number) && bytes.length > MIN_DER;
  if (label.startsWith("OPENSSH")) return isOpenSsh(bytes);
  // Cipher text: blocks of 8 or 16 bytes without a shape of their own.
  return isEncrypted ? bytes.length >= 64 && bytes.length % 8 === 0 && isRandom(bytes) : isSequence(bytes);
}

/** DER: a SEQUENCE whose length is exactly what follows, and whose first element is an INTEGER or a SEQUENCE. */
function isSequence(bytes: Buffer): boolean {
  if (bytes.length < MIN_DER || bytes[0] !== 0x30) return false;
  const first = bytes[1] as number;
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  if (lengthBytes > 3) return false;
  const length = lengthBytes === 0 ? first : bytes.readUIntBE(2, lengthBytes);
  const inner = bytes[2 + lengthBytes];
  return 2 + lengthBytes + length === bytes.length && (inner === 0x02 || inner === 0x30);
}

/** The magic, then the names of cipher and key derivation, each with its length. */
function isOpenSsh(bytes: Buffer): boolean {
  if (bytes.toString("latin1", 0, OPENSSH_MAGIC.length) !== OPENSSH_MAGIC) return false;
  const at = OPENSSH_MAGIC.length;
  if (bytes.length < at + 64) return false;
  const cipher = bytes.readUInt32BE(at);
  return cipher > 0 && cipher < 64 && /^[a-z0-9@.-]+$/.test(bytes.toString("latin1", at + 4, at + 4 + cipher));
}

/** Cipher text has many different bytes; words in base64 have few. */
function isRandom(bytes: Buffer): boolean {
  return new Set(bytes).size > Math.min(bytes.length / 2, 100) && bytes.some((byte) => byte > 0xc0);
}
