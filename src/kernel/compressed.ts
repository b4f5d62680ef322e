/** Files that are no kernel but say what they are by their first bytes. Pure. */

interface Magic {
  readonly bytes: readonly number[];
  readonly name: string;
  readonly tool: string;
}

const COMPRESSED: readonly Magic[] = [
  { bytes: [0x1f, 0x8b], name: "gzip", tool: "gunzip" },
  { bytes: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], name: "xz", tool: "unxz" },
  { bytes: [0x28, 0xb5, 0x2f, 0xfd], name: "zstd", tool: "unzstd" },
  { bytes: [0x04, 0x22, 0x4d, 0x18], name: "lz4", tool: "unlz4" },
  { bytes: [0x02, 0x21, 0x4c, 0x18], name: "lz4 (legacy)", tool: "unlz4" },
  { bytes: [0x42, 0x5a, 0x68], name: "bzip2", tool: "bunzip2" },
  { bytes: [0x50, 0x4b, 0x03, 0x04], name: "zip", tool: "unzip" },
];

/** What is commonly given in place of a kernel. */
const OTHERS: readonly { readonly bytes: readonly number[]; readonly what: string }[] = [
  { bytes: [0x4d, 0x5a], what: "a UEFI or Windows executable (PE)" },
  { bytes: [0xcf, 0xfa, 0xed, 0xfe], what: "an executable for macOS (Mach-O)" },
  { bytes: [0xca, 0xfe, 0xba, 0xbe], what: "an executable for macOS (Mach-O) or a Java class" },
  { bytes: [0x23, 0x21], what: "a script" },
  { bytes: [0x21, 0x3c, 0x61, 0x72, 0x63, 0x68, 0x3e], what: "a library archive (ar)" },
  { bytes: [0x76, 0x65, 0x72, 0x73, 0x69, 0x6f, 0x6e, 0x20], what: "a Git LFS pointer or another text" },
];

/** The compression of a file by its first bytes, and the program that undoes it; null when there is none. */
export function compressionOf(head: Uint8Array): { readonly name: string; readonly tool: string } | null {
  return COMPRESSED.find(({ bytes }) => startsWith(head, bytes)) ?? null;
}

/** What a file that is no kernel is, in words. */
export function describeOther(head: Uint8Array): string {
  return OTHERS.find(({ bytes }) => startsWith(head, bytes))?.what ?? "no format that is known here";
}

function startsWith(head: Uint8Array, bytes: readonly number[]): boolean {
  return bytes.every((byte, i) => head[i] === byte);
}
