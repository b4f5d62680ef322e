/** Text of others in Markdown of ours: names of files, messages, titles come from a site and must not become markup. Pure. */

/** This much of one text is shown (characters). */
const MAX_TEXT = 500;

/** What Markdown, or the HTML it becomes, gives a meaning to. */
const MARKUP = /[\\`*_{}[\]()<>#|!&@~$:+=^"'-]/g;
/** Invisible; keeps GitHub from making links and mentions out of text, which it does after all escapes are resolved. */
const BREAK = "&#8203;";

/** Any text, on one line, as itself. Mentions notify nobody, and what looks like an address is no link. */
export function plain(text: string): string {
  const short = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
  return short
    .toWellFormed()
    .replaceAll(/[\p{Cc}\p{Bidi_Control}\s]+/gu, " ")
    .replaceAll(MARKUP, (char) => `&#${char.charCodeAt(0)};`)
    .replaceAll("&#64;", `&#64;${BREAK}`)
    .replaceAll("&#35;", `&#35;${BREAK}`)
    .replaceAll("&#58;//", `&#58;${BREAK}//`)
    .replaceAll(/\b(www|gh)(\.|&#45;)/gi, `$1${BREAK}$2`);
}

/** Any text as code. */
export function code(text: string): string {
  return /^[\w./][\w./ +-]*$/.test(text) && text.length <= MAX_TEXT ? `\`${text}\`` : `<code>${plain(text)}</code>`;
}

/** A table; cells are Markdown already. A column that begins with ">" in `head` is aligned to the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return "";
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = head.map((name) => (name.startsWith(">") ? "---:" : "---"));
  return [line(head.map((name) => name.replace(/^>/, ""))), line(rule), ...rows.map(line)].join("\n");
}

/** Parts one below the other, leaving out those that do not fit; says so where any is left out. */
export function fit(parts: readonly string[], limit: number, rest: string): string {
  const end = `\n\n${rest}\n`;
  let text = "";
  let complete = true;
  for (const part of parts) {
    if (part === "") continue;
    const longer = text === "" ? part : `${text}\n\n${part}`;
    if (longer.length + end.length > limit) complete = false;
    else text = longer;
  }
  return complete ? `${text}\n` : `${text}${end}`;
}
