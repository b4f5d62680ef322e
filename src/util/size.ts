/** Sizes and durations as people write and read them. Pure. */

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
};

/** Bytes in "20MB", "1.5 GiB" or "4096"; undefined when it is none of those. MB is 10^6, MiB is 2^20. */
export function parseSize(text: string): number | undefined {
  const match = /^([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)$/.exec(text.trim());
  const unit = match ? UNITS[match[2] as string] : undefined;
  if (!match || unit === undefined) return undefined;
  const bytes = Math.round(Number(match[1]) * unit);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** "67.2 MB", "512 B": three significant digits, decimal units. */
export function formatSize(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  let value = bytes;
  for (const unit of ["kB", "MB", "GB", "TB"]) {
    value /= 1000;
    if (value < 999.5)
      return `${value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0)} ${unit}`;
  }
  return `${value.toFixed(0)} TB`;
}

/** "12.0 MB of 67.2 MB", or only what is done where nobody knows how much there is. */
export const doneOf = (done: number, total: number | undefined) =>
  total === undefined ? formatSize(done) : `${formatSize(done)} of ${formatSize(total)}`;

const DURATIONS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds in "30s", "5m", "12h", "250ms"; undefined when it is none of those. */
export function parseDuration(text: string): number | undefined {
  const match = /^([0-9]+)\s*(ms|s|m|h|d)$/.exec(text.trim());
  if (!match) return undefined;
  const milliseconds = Number(match[1]) * (DURATIONS[match[2] as string] as number);
  return Number.isSafeInteger(milliseconds) ? milliseconds : undefined;
}

/** "0.42 s", "12.0 s", "3 min 5 s". */
export function formatDuration(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 10) return `${seconds.toFixed(2)} s`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** "12,345" for a whole number. What the language has for it takes 12 ms the first time. */
export const thousands = (n: number) => String(n).replace(/\B(?=(?:\d{3})+$)/g, ",");

/** "1 file", "3 files", "12,345 files". */
export function count(n: number, noun: string, plural = `${noun}s`): string {
  return `${thousands(n)} ${n === 1 ? noun : plural}`;
}
