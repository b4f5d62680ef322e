/**
 * What secrets begin with or hold, so that only text around such a mark is looked at closely. Each mark is part of what
 * one of secretlint's recommended rules looks for, or of a PEM block. Pure.
 */
import { KEY_MARK } from "../util/pem.ts";

interface Mark {
  readonly literal: string;
  /** How many characters of a token must follow for a closer look; fewer are prose or code about tokens. */
  readonly token?: number;
  /** Whether it must be a URL with a password. */
  readonly password?: true;
}

const tokens = (token: number, ...literals: readonly string[]): readonly Mark[] =>
  literals.map((literal) => ({ literal, token }));

/** Number of the mark that begins a private key. */
export const KEY = 0;

const MARKS: readonly Mark[] = [
  { literal: KEY_MARK },
  { literal: "://", password: true },
  ...tokens(36, "ghp_", "gho_", "ghu_", "ghr_", "npm_"),
  ...tokens(20, "ghs_", "github_pat_", "glpat-", "glc_", "glsa_", "sk-ant-api0", "gsk_", "hf_", "lin_api_", "ntn_"),
  ...tokens(20, "shppa_", "shpca_", "shpat_", "shpss_", "sk_live_", "rk_live_", "hvs.", "hvb.", "hvr."),
  ...tokens(
    20,
    "dapi",
    "figd_",
    "vcp_",
    "vci_",
    "vca_",
    "vcr_",
    "vck_",
    "dckr_pat_",
    "cfk_",
    "cfut_",
    "cfat_",
    "tskey-",
    "ops_ey",
  ),
  ...tokens(10, "xoxb-", "xoxp-", "xapp-", "xoxa-", "xoxo-", "xoxr-", "hooks.slack.com/services/", "_authToken="),
  ...tokens(20, "T3BlbkFJ", "SG."),
  ...tokens(0, "ccess_key", "ccess_Key", "CCESS_KEY", "ccessKey", ":x-oauth-basic"),
];

export const MARK_LITERALS: readonly string[] = MARKS.map(({ literal }) => literal);

/** Whether what follows a mark is worth a closer look: a few comparisons for the many marks that are not. */
export function isPromising(number: number, bytes: Uint8Array, at: number): boolean {
  const { literal, token, password } = MARKS[number] as Mark;
  const start = at + literal.length;
  if (password) return hasPassword(bytes, start);
  if (token === undefined) return true;
  let end = start;
  while (end - start < token && isTokenByte(bytes[end])) end++;
  return end - start >= token;
}

/** `user:password@`: rules take letters, digits and little else in both. */
function hasPassword(bytes: Uint8Array, start: number): boolean {
  let colon = -1;
  for (let i = start; i < start + 320; i++) {
    const byte = bytes[i];
    if (
      byte === undefined ||
      byte <= 0x20 ||
      byte === 0x22 ||
      byte === 0x27 ||
      byte === 0x2f ||
      byte === 0x3c ||
      byte === 0x3e
    )
      return false;
    if (byte === 0x40) return colon > start && i > colon + 1;
    if (byte === 0x3a && colon < 0) colon = i;
  }
  return false;
}

/** Letters, digits, and + - . / = _ */
function isTokenByte(byte: number | undefined): boolean {
  if (byte === undefined) return false;
  return (
    (byte >= 0x61 && byte <= 0x7a) ||
    (byte >= 0x41 && byte <= 0x5a) ||
    (byte >= 0x2b && byte <= 0x39 && byte !== 0x2c) ||
    byte === 0x5f ||
    byte === 0x3d
  );
}
