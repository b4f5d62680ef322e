/**
 * SSH signatures (`ssh-keygen -Y`, PROTOCOL.sshsig) over exact bytes. Made with a key in a 0600 file, verified against an
 * allowed-signers file.
 */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DeployError } from "../errors.ts";
import { exec } from "./exec.ts";
import { tempDir } from "./files.ts";
import { readPrivateKey, readPublicKey } from "./ssh-key.ts";

/** Keeps signatures for other purposes from being replayed as ours. */
const NAMESPACE = "unikernel-deploy";

const ARMOR =
  /^-----BEGIN SSH SIGNATURE-----\n(?:[A-Za-z0-9+/]{70}\n)*[A-Za-z0-9+/=]{1,70}\n-----END SSH SIGNATURE-----\n$/;

/** Makes an SSH signature over exactly this text. */
export type Signer = (text: string) => Promise<string>;

/**
 * Signs with a private key (its text), or with the private half that an ssh-agent (SSH_AUTH_SOCK) holds of a public key.
 * Throws KEY_INVALID now, and not at the first signature, for a key that cannot sign.
 */
export async function openSigner(key: string, env: NodeJS.ProcessEnv): Promise<Signer> {
  const publicKey = readPublicKey(key);
  if (publicKey !== undefined && !env.SSH_AUTH_SOCK) {
    throw new DeployError("KEY_INVALID", "the signing key (signing-key) is a public key, and there is no ssh-agent", {
      hint: "give the private key, or start an ssh-agent that holds it and set SSH_AUTH_SOCK",
    });
  }
  const text = publicKey ?? readPrivateKey(key, { what: "the signing key", input: "signing-key" });
  const sign: Signer = (message) => signText(message, `${text.trim()}\n`, publicKey !== undefined, env);
  await sign("Can this key sign?");
  return sign;
}

async function signText(text: string, key: string, byAgent: boolean, env: NodeJS.ProcessEnv): Promise<string> {
  using directory = tempDir("unikernel-deploy-sign");
  const keyFile = path.join(directory.path, byAgent ? "key.pub" : "key");
  const file = path.join(directory.path, "text");
  writeFileSync(keyFile, key, { mode: 0o600 });
  writeFileSync(file, text, { mode: 0o600 });
  // Nothing may ask on a terminal or a screen, and nothing needs to know our inputs.
  const quiet = { PATH: env.PATH, HOME: env.HOME, LC_ALL: "C", SSH_ASKPASS_REQUIRE: "never" };
  const agent = byAgent ? { SSH_AUTH_SOCK: env.SSH_AUTH_SOCK } : {};
  const options = { env: { ...quiet, ...agent }, input: "" };
  const result = await exec(["ssh-keygen", "-q", "-Y", "sign", "-f", keyFile, "-n", NAMESPACE, file], options);
  if (result.code !== 0) throw cannotSign(result.stderr, byAgent);
  const signature = `${file}.sig`;
  const check = ["ssh-keygen", "-q", "-Y", "check-novalidate", "-n", NAMESPACE, "-s", signature] as const;
  const checked = await exec(check, { ...options, input: text });
  if (checked.code !== 0) throw cannotSign(checked.stderr || checked.stdout.toString("utf8"), byAgent);
  return readFileSync(signature, "utf8");
}

/** Fingerprint of the key that signed exactly this text, whoever's it is; undefined where the signature is none of it. */
export async function signerOf(text: string, signature: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  if (!ARMOR.test(signature)) return undefined;
  using directory = tempDir("unikernel-deploy-verify");
  const file = path.join(directory.path, "sig");
  writeFileSync(file, signature);
  const check = ["ssh-keygen", "-Y", "check-novalidate", "-n", NAMESPACE, "-s", file] as const;
  const { code, stdout } = await exec(check, { env: { PATH: env.PATH, HOME: env.HOME, LC_ALL: "C" }, input: text });
  if (code !== 0) return undefined;
  return /^Good "[^"]*" signature with \S+ key (SHA256:[A-Za-z0-9+/]+)$/m.exec(stdout.toString("utf8"))?.[1];
}

function cannotSign(said: string, byAgent: boolean): DeployError {
  if (/(?:unknown|illegal|invalid) option|^usage:/im.test(said)) {
    return new DeployError("PROGRAM_MISSING", "ssh-keygen here cannot sign: OpenSSH 8.1 or newer is needed", {
      hint: "install a newer OpenSSH client, or deploy without signing-key",
    });
  }
  const why =
    said
      .trim()
      .split("\n")[0]
      ?.replaceAll(/\S*unikernel-deploy-sign\S*/g, "the key") ?? "";
  return new DeployError("KEY_INVALID", `the signing key (signing-key) cannot sign: ${why}`, {
    hint: byAgent
      ? "does the ssh-agent hold its private half? ssh-add -L lists what it holds"
      : "give a private ed25519 key without a passphrase (ssh-keygen -t ed25519 -N '')",
  });
}

export interface SignaturePolicy {
  /** Path of a file in ssh-keygen's ALLOWED SIGNERS form: principals, options such as valid-before, keys. */
  readonly allowedSigners: string;
  /** Path of a file of public keys, or of a revocation list (ssh-keygen -k), that are accepted no more. */
  readonly revokedSigners?: string | undefined;
  /** When the signature has to be good, for keys that are valid for a time. */
  readonly at: Date;
}

/**
 * Who signed `text`, by the allowed-signers file. Throws SIGNATURE_INVALID when nobody in it did, with a key that is valid
 * and not revoked. Needs OpenSSH 8.7 or later.
 */
export async function verifySignature(text: Buffer, signature: Buffer, policy: SignaturePolicy): Promise<string> {
  const { allowedSigners, revokedSigners } = policy;
  for (const file of [allowedSigners, ...(revokedSigners === undefined ? [] : [revokedSigners])]) {
    const stat = statSync(file, { throwIfNoEntry: false });
    if (stat && !stat.isDirectory()) continue;
    throw new DeployError("USAGE", `${file}: ${stat ? "a directory" : "no such file"}`, { hint: "host.yml names it" });
  }
  // Readers of armor skip white space: what one byte was changed in would still be the same signature to them.
  if (!ARMOR.test(signature.toString("latin1"))) throw invalid("it is not as ssh-keygen writes one");
  using directory = tempDir("unikernel-deploy-verify");
  const sigFile = path.join(directory.path, "sig");
  writeFileSync(sigFile, signature);
  // Without a zone, which OpenSSH before 9.1 does not read: the time is that of TZ.
  const time = `-Overify-time=${policy.at.toISOString().replaceAll(/[-:TZ]|\.\d+/g, "")}`;
  const env = { ...process.env, TZ: "UTC" };
  const found = await exec(["ssh-keygen", "-Y", "find-principals", "-s", sigFile, "-f", allowedSigners, time], { env });
  // A line is a list of principals as the file has it.
  const principals = found.stdout
    .toString("utf8")
    .split(/[\n,]/)
    .filter((principal) => principal.trim() !== "");
  if (found.code !== 0 || principals.length === 0) throw invalid(`no valid key in ${allowedSigners} made it`);
  const revoked = revokedSigners === undefined ? [] : ["-r", revokedSigners];
  let said = "";
  for (const principal of new Set(principals)) {
    const verified = await exec(
      [
        "ssh-keygen",
        "-Y",
        "verify",
        "-f",
        allowedSigners,
        "-I",
        principal,
        "-n",
        NAMESPACE,
        "-s",
        sigFile,
        time,
        ...revoked,
      ],
      { env, input: text },
    );
    if (verified.code === 0) return principal;
    said ||= (verified.stderr || verified.stdout.toString("utf8")).trim().split("\n")[0] ?? "";
  }
  throw invalid(said);
}

function invalid(why: string): DeployError {
  return new DeployError("SIGNATURE_INVALID", `the manifest's signature is not accepted: ${why}`, {
    hint: "was the release signed with another key? Compare allowed-signers with the signing key's public half",
  });
}
