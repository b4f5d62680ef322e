/** Names out of a manifest, quoted for where they stand. Pure. */
/** A POSIX shell word. */
export function shellQuote(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Kernel arguments, each a shell word after a space. */
export const quotedArgs = (args: readonly string[]) => args.map((arg) => ` ${shellQuote(arg)}`).join("");

/** Text between XML tags or in an attribute. */
export const xmlEscape = (text: string) =>
  text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll("'", "&apos;")
    .replaceAll('"', "&quot;");
