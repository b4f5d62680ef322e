/** Where a link in a page leads, by the rules of the URL standard for a site at the root of its host. Pure. */

/** Where relative links start: the page's own directory, or what `<base>` says. */
export interface LinkBase {
  /** Of the page itself, which a link of only a fragment means. */
  readonly page: string;
  /** "" or a path that ends in "/"; undefined once `<base>` points outside the site. */
  readonly directory: string | undefined;
}

export const baseOf = (page: string): LinkBase => ({ page, directory: page.slice(0, page.lastIndexOf("/") + 1) });

/**
 * The path in the site that a link without its fragment means: absolute, decoded, without the leading slash; a directory
 * ends in "/" or is "". Undefined when the link leads out of the site or is none that a file could answer.
 */
export function linkPath(href: string, base: LinkBase, origin: string | undefined): string | undefined {
  const text = withinSite(clean(href), origin);
  if (text === undefined) return undefined;
  const query = text.indexOf("?");
  const path = (query < 0 ? text : text.slice(0, query)).replaceAll("\\", "/");
  if (path === "") return base.page;
  if (path.startsWith("/")) return resolve(decode(path.slice(1)));
  return base.directory === undefined ? undefined : resolve(base.directory + decode(path));
}

/** The base after `<base href>`. */
export function rebase(href: string, base: LinkBase, origin: string | undefined): LinkBase {
  const path = linkPath(href.replace(/#.*$/s, ""), base, origin);
  if (path === undefined) return { ...base, directory: undefined };
  return { page: base.page, directory: path.slice(0, path.lastIndexOf("/") + 1) };
}

/** Browsers drop line breaks and tabs anywhere in a URL, and spaces around it. */
function clean(href: string): string {
  return /[\t\n\r]|^[\0- ]|[\0- ]$/.test(href) ? href.replace(/[\t\n\r]/g, "").replace(/^[\0- ]+|[\0- ]+$/g, "") : href;
}

/** What is left of a URL of this site after its origin; undefined for another scheme, host or a template's hole. */
function withinSite(href: string, origin: string | undefined): string | undefined {
  if (/\{\{|\$\{|<%/.test(href)) return undefined;
  const isAbsolute = /^[a-z][a-z0-9+.-]*:/i.test(href);
  if (!isAbsolute && !/^[/\\]{2}/.test(href)) return href;
  if (origin === undefined) return undefined;
  const address = isAbsolute ? href : `${origin.slice(0, origin.indexOf(":") + 1)}${href}`;
  if (!address.toLowerCase().startsWith(origin.toLowerCase())) return undefined;
  const rest = address.slice(origin.length);
  if (rest === "") return "/";
  return /^[/?#]/.test(rest) ? (rest.startsWith("/") ? rest : `/${rest}`) : undefined;
}

/** Without percent-encoding, where what it encodes is text. */
export function decode(text: string): string {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    // Not UTF-8, or a lone "%": browsers send it as it is.
    return text;
  }
}

/** Resolves "." and ".."; above the root is the root, as in a browser. */
function resolve(path: string): string {
  if (!/(?:^|\/)\.{0,2}(?:\/|$)/.test(path)) return path;
  const segments: string[] = [];
  const parts = path.split("/");
  const last = parts.pop() as string;
  for (const part of parts) {
    if (part === "..") segments.pop();
    else if (part !== "." && part !== "") segments.push(part);
  }
  if (last === "..") segments.pop();
  const isDirectory = last === "" || last === "." || last === "..";
  const directory = segments.length === 0 ? "" : `${segments.join("/")}/`;
  return isDirectory ? directory : directory + last;
}
