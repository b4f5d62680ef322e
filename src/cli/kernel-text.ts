/** A kernel in words. Pure. */
import type { KernelInfo } from "../kernel/kernel.ts";
import { formatSize } from "../util/size.ts";

export function renderKernel(file: string, info: KernelInfo, size: number, sha256: string | undefined): string {
  const what = info.target === null ? `not identified: ${info.reason}` : `kernel for ${info.target}`;
  const lines = [`${file}: ${what}`, `  ${[info.format, info.arch, formatSize(size)].filter(Boolean).join(", ")}`];
  if (info.abiVersion !== undefined) lines.push(`  ABI version ${info.abiVersion}`);
  for (const { name, type } of info.devices) lines.push(`  ${type} device "${name}"`);
  for (const { code, message } of info.problems) lines.push(`  problem ${code}: ${message}`);
  if (info.hint) lines.push(`  → ${info.hint}`);
  if (sha256) lines.push(`  sha256 ${sha256}`);
  return lines.join("\n");
}
