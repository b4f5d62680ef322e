/** How sizes went over the last deployments, as a small chart that GitHub draws. Pure. */

export interface Point {
  /** Below the axis: a number, or a word of ours. */
  readonly label: string;
  /** Bytes. */
  readonly kernels: number;
  readonly images: number;
}

const UNITS: readonly (readonly [unit: string, bytes: number])[] = [
  ["GB", 1e9],
  ["MB", 1e6],
  ["kB", 1e3],
  ["B", 1],
];

/** Empty where there are fewer than two points. Labels must be plain words. */
export function renderChart(points: readonly Point[]): string {
  if (points.length < 2) return "";
  const largest = Math.max(...points.map(({ kernels, images }) => Math.max(kernels, images)));
  const [unit, bytes] = UNITS.find(([, size]) => largest >= size) ?? ["B", 1];
  const series = (pick: (point: Point) => number) =>
    `[${points.map((point) => Number((pick(point) / bytes).toPrecision(4))).join(", ")}]`;
  const labels = points.map(({ label }) => `"${label.replaceAll(/[^\w ]/g, "")}"`).join(", ");
  return [
    "```mermaid",
    "xychart-beta",
    '  title "Images (bars) and kernels (line) at the last deployments"',
    `  x-axis [${labels}]`,
    `  y-axis "${unit}"`,
    `  bar ${series(({ images }) => images)}`,
    `  line ${series(({ kernels }) => kernels)}`,
    "```",
  ].join("\n");
}
