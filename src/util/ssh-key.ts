/**
 * SSH keys as people paste them into secrets: what a store of secrets does to them is mended, everything else is told
 * before anything is built or pushed (PROTOCOL.key of OpenSSH; RFC 1421 and 5958 for PEM). Pure.
 */
import { DeployError } from "../errors.ts";

/** What a key is for, as messages call it: "the deploy key", "the signing key". */
export interface KeyName {
  readonly what: string;
  /** Where it is given, e.g. "ssh-key". */
  readonly input: string;
}

const DEPLOY_KEY: KeyName = { what: "the deploy key", input: "ssh-key" };
const MAGIC = "openssh-key-v1\0";
const PRIVATE = /^-----BEGIN ([A-Z0-9 ]*)PRIVATE KEY-----\n([\s\S]+)\n-----END \1PRIVATE KEY-----\n$/;
/** Types of keys that ssh-keygen makes. */
const PUBLIC = /^(?:ssh-(?:ed25519|rsa|dss)|ecdsa-sha2-\S+|sk-\S+)[ \t]+[A-Za-z0-9+/]+={0,3}(?:[ \t].*)?$/;

/** One line of a `.pub` file, without what stands around it; undefined for anything else. */
export function readPublicKey(text: string): string | undefined {
  const line = text.trim();
  return PUBLIC.test(line) && !line.includes("\n") ? line : undefined;
}

/**
 * The key as ssh wants it: with plain line ends, the last one among them, and nothing around it. Throws KEY_INVALID for what
 * is no private key, a damaged one, or one with a passphrase.
 */
export function readPrivateKey(key: string, name: KeyName = DEPLOY_KEY): string {
  const text = `${key
    .replace(/^\uFEFF/, "")
    .replaceAll(/\r\n?/g, "\n")
    .replaceAll(/[ \t]+$/gm, "")
    .replaceAll(/^[ \t]+/gm, "")
    .trim()}\n`;
  const [, kind, body] = PRIVATE.exec(text) ?? [];
  if (kind === undefined || body === undefined) throw invalid(name, mistakeOf(text), WHOLE_FILE);
  if (kind === "ENCRYPTED " || /^Proc-Type: 4,ENCRYPTED/m.test(body)) throw passphrase(name);
  if (kind === "OPENSSH ") checkOpenSsh(body, name);
  return text;
}

const WHOLE_FILE =
  "give the whole file that ssh-keygen made without .pub, from its BEGIN line to its END line, line ends included";

function mistakeOf(text: string): string {
  if (text === "\n") return "is empty";
  if (readPublicKey(text)) return "is a public key; the private half is needed";
  if (text.startsWith("PuTTY-User-Key-File")) return "is in PuTTY's form (convert it: puttygen KEY -O private-openssh)";
  if (/^[A-Za-z0-9+/=\n]+$/.test(text) && decode(text).toString("latin1").startsWith("-----BEGIN "))
    return "is base64 of a key; give the key itself (base64 -d)";
  if (/^[A-Za-z0-9+/=\n]+$/.test(text) && decode(text).toString("latin1").startsWith(MAGIC))
    return "lacks its BEGIN and END lines";
  if (text.includes("-----BEGIN ") && text.includes("\\n")) return 'has "\\n" written out where lines should end';
  if (/^-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[ A-Za-z0-9+/=]+-----END/.test(text)) return "lost its line ends";
  if (/^-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----\n/.test(text)) return "ends before its END line";
  if (text.startsWith("-----BEGIN CERTIFICATE")) return "is a certificate";
  return "is not a private key in OpenSSH or PEM form";
}

const decode = (text: string) => Buffer.from(text.replaceAll("\n", ""), "base64");

/** The clear part of an OpenSSH key: magic, cipher, key derivation, number of keys, public key, private part. */
function checkOpenSsh(body: string, name: KeyName): void {
  const damaged = () => invalid(name, "is damaged: its base64 does not hold a whole key", WHOLE_FILE);
  if (!/^[A-Za-z0-9+/=\n]+$/.test(body)) throw damaged();
  const bytes = decode(body);
  if (bytes.toString("latin1", 0, MAGIC.length) !== MAGIC) throw damaged();
  let at = MAGIC.length;
  const field = (): Buffer => {
    const length = at + 4 <= bytes.length ? bytes.readUInt32BE(at) : Number.POSITIVE_INFINITY;
    if (at + 4 + length > bytes.length) throw damaged();
    at += 4 + length;
    return bytes.subarray(at - length, at);
  };
  const cipher = field().toString("latin1");
  field();
  field();
  at += 4;
  field();
  if (cipher !== "none") throw passphrase(name);
  field();
}

const passphrase = (name: KeyName) =>
  invalid(name, "has a passphrase, and nobody is there to type it", `make one without: ssh-keygen -t ed25519 -N ''`);

/** The mistake without anything of the key. */
function invalid({ what, input }: KeyName, mistake: string, hint: string): DeployError {
  return new DeployError("KEY_INVALID", `${what} (${input}) ${mistake}`, { hint });
}
