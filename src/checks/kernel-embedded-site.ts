/** check: kernel-embedded-site. The site is in the volume only, not in the kernel as well. Pure. */
import type { ByteSource } from "../util/bytes.ts";
import { type EmbeddedReport, findEmbedded } from "../kernel/embedded.ts";
import { count, formatSize, thousands } from "../util/size.ts";
import type { Check, CheckSubject, Remark } from "./check.ts";
import { type Contents, kernelsOf, openContents } from "./contents.ts";

/**
 * From so much of the site on it is the site and not something that the kernel has for reasons of its own: a licence
 * text, a stock icon.
 */
const SHARE = 0.2;
const MIN_FILES = 2;

export const kernelEmbeddedSite: Check = {
  id: "kernel-embedded-site",
  title: "the site is in the volume, and not in the kernel as well",
  severity: "warning",
  *run(subject) {
    using site = openSite(subject);
    if (site.files.length === 0) return;
    for (const { path, kernel } of kernelsOf(subject)) {
      using source = subject.open(kernel.file);
      const report = findEmbedded(source, site.files, (file, offset, length) => site.read(file, offset, length));
      if (report.total.files > 0) yield describe(path, report);
    }
  },
};

function describe(path: string, report: EmbeddedReport): Remark {
  const { embedded, total, lookedFor, notLookedFor, partial, kernelBytes } = report;
  const copies = embedded.reduce((most, file) => Math.max(most, file.copies), 1);
  const facts = [
    `${thousands(total.files)} of ${count(lookedFor.files, "file")} of the site (${formatSize(total.bytes)} of ${formatSize(lookedFor.bytes)}) ${total.files === 1 ? "is" : "are"} in ${path} as well`,
    copies > 1 ? `up to ${copies} times` : "",
    partial.files > 0 ? `parts of ${count(partial.files, "other file")}` : "",
    notLookedFor.files > 0 ? `${count(notLookedFor.files, "file")} too small to recognise` : "",
  ];
  const message = `${facts.filter((fact) => fact !== "").join(", ")}; without them the kernel and the guest's memory would be ${formatSize(kernelBytes)} smaller, twice that where crunch copies them at start`;
  const isSite =
    embedded.some((file) => /^index\.html?$/.test(file.path)) ||
    (total.files >= MIN_FILES && total.bytes >= SHARE * lookedFor.bytes);
  if (!isSite) {
    const names = embedded.slice(0, 3).map((file) => file.path);
    return {
      path,
      severity: "note",
      message: `${message}: ${names.join(", ")}`,
      hint: "if the kernel needs them itself (a licence, an icon), all is well",
    };
  }
  return {
    path,
    message,
    hint: 'serve them from the volume: in config.ml, tar_kv_ro (block_of_file "…") instead of crunch or generic_kv_ro',
  };
}

interface Site extends Disposable {
  readonly files: readonly { readonly path: string; readonly size: number }[];
  read(file: number, offset: number, length: number): Uint8Array;
}

/** The files of all volumes as one list. */
function openSite(subject: CheckSubject): Site {
  const volumes: Contents[] = [];
  const close = () => volumes.forEach((volume) => volume[Symbol.dispose]());
  try {
    for (const volume of subject.release.volumes) volumes.push(openContents(subject, volume));
  } catch (error) {
    close();
    throw error;
  }
  const files = volumes.flatMap((volume) => volume.files);
  const images: ByteSource[] = volumes.flatMap(({ image, files: { length } }) => Array<ByteSource>(length).fill(image));
  return {
    files,
    read(number, offset, length) {
      const file = files[number] as (typeof files)[number];
      return (images[number] as ByteSource).read(file.offset + offset, Math.min(length, file.size - offset));
    },
    [Symbol.dispose]: close,
  };
}
