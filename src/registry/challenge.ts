/** What a registry asks for before it answers: the WWW-Authenticate header (RFC 9110, section 11.6.1). Pure. */

export type Challenge =
  | { readonly scheme: "basic" }
  | {
      readonly scheme: "bearer";
      readonly realm: string;
      readonly service: string | undefined;
      readonly scope: string | undefined;
    };

/** A header is no longer than this (characters). */
const MAX_HEADER = 8192;
const PARAMETER = /([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g;

/** The challenge that can be met best: a token's, else a user name's; undefined where there is neither. */
export function parseChallenge(header: string | null): Challenge | undefined {
  const text = (header ?? "").slice(0, MAX_HEADER);
  const bearer = /(?:^|,\s*)bearer\s+(.*)$/is.exec(text)?.[1];
  const parameters = new Map<string, string>();
  for (const [, name, quoted, bare] of (bearer ?? "").matchAll(PARAMETER)) {
    const key = (name as string).toLowerCase();
    if (!parameters.has(key)) parameters.set(key, quoted?.replaceAll(/\\(.)/g, "$1") ?? (bare as string));
  }
  const realm = parameters.get("realm");
  if (realm !== undefined) {
    return { scheme: "bearer", realm, service: parameters.get("service"), scope: parameters.get("scope") };
  }
  return /(?:^|,\s*)basic(?:\s|$)/i.test(text) ? { scheme: "basic" } : undefined;
}
