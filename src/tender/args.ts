/** The arguments a guest gets when it is booted for a check: those of production, on the check's own network. Pure. */
import { GUEST_NET } from "./tender.ts";

/** Options of production that name a network the check does not have. MirageOS's names. */
const ADDRESSING = /^--(?:ipv4|ipv4-gateway|ipv6|ipv6-gateway)(=|$)/;

/** What MirageOS's kernels take their address by. */
export const ADDRESS_ARGS = ["--ipv4={address}", "--ipv4-gateway={gateway}"] as const;

/**
 * Arguments for a guest in the check's network: `template` where the user gives one, else `production` without its
 * addresses and with the check's. `{address}` (with prefix length), `{ip}`, `{gateway}` and `{port}` are filled in.
 */
export function guestArgs(
  production: readonly string[],
  template: readonly string[] | undefined,
  port: number,
): string[] {
  return (template ?? [...withoutAddressing(production), ...ADDRESS_ARGS]).map((word) => fill(word, port));
}

/**
 * Arguments for a kernel that is a host executable: `template` where the user gives one, else the images' paths,
 * `production`, and a port for the kernel to pick (`--port=0`), which it prints. `{image:NAME}` is filled in as well.
 */
export function unixArgs(
  production: readonly string[],
  template: readonly string[] | undefined,
  images: ReadonlyMap<string, string>,
  port: number,
): string[] {
  if (template === undefined) return [...new Set(images.values()), ...withoutAddressing(production), "--port=0"];
  return template.map((word) =>
    fill(word, port).replaceAll(/\{image:([^{}]*)\}/g, (whole, name: string) => images.get(name) ?? whole),
  );
}

function withoutAddressing(args: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const match = ADDRESSING.exec(args[i] as string);
    if (!match) kept.push(args[i] as string);
    // "--ipv4 10.0.0.2/24": the value is a word of its own.
    else if (match[1] === "") i++;
  }
  return kept;
}

function fill(word: string, port: number): string {
  const { address, prefix, gateway } = GUEST_NET;
  return word
    .replaceAll("{address}", `${address}/${prefix}`)
    .replaceAll("{ip}", address)
    .replaceAll("{gateway}", gateway)
    .replaceAll("{port}", String(port));
}
