/** The deploy benchmark's figures as tables, and what they have to come to. Pure. */
import type { DeployResult } from "./deploy.ts";
import type { Figures, Row } from "./deploy-run.ts";

/** The table of one site and one length of history. */
export function renderDeploy(bench: "deploy" | "host", { site, history, rows }: DeployResult): string {
  const peer = fastest(rows);
  const lines = rows.map((row) => {
    const alone = row.alone === undefined ? "" : seconds(row.alone);
    const times =
      peer === undefined || row.kind !== "ours" ? "" : `${(peer.wall / (row.alone ?? row.wall)).toFixed(1)}x`;
    const cells = [seconds(row.wall), alone, seconds(row.best), seconds(row.cpu), times, row.memory.toFixed(0)];
    const bytes = [row.sent, row.received].map((number) => Math.round(number).toLocaleString("en"));
    return `| ${row.name} | ${[...cells, ...bytes, row.requests, row.runs].join(" | ")} |`;
  });
  return [
    `### ${bench === "deploy" ? "deploy" : "host sync"} of ${site}, one page changed, ${history === 1 ? "one commit" : `${history} commits`} of history`,
    "",
    "| | wall s | deploy alone s | best wall s | CPU s | fastest peer's wall / ours | peak MB | sent B | received B | requests | runs |",
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ...lines,
  ].join("\n");
}

const seconds = (number: number) => (number < 1 ? number.toFixed(3) : number.toFixed(2));

export const fastest = (rows: readonly Row[]): Row | undefined =>
  rows.filter(({ kind }) => kind === "peer").toSorted((a, b) => a.wall - b.wall)[0];

/** What must hold, with what was found: "held" or "MISSED" first. */
export function deployTargets(results: readonly DeployResult[]): string[] {
  return [...results.flatMap(targetsOf), ...growth(results)];
}

function targetsOf({ site, history, rows }: DeployResult): string[] {
  const where = `${site}, history ${history}`;
  const peer = fastest(rows);
  const reference = rows.find(({ kind }) => kind === "reference");
  return rows
    .filter(({ kind }) => kind === "ours")
    .flatMap((row) => {
      const isWarm = row.name.endsWith("warm");
      const what = `${where}: ${row.name}`;
      const targets = [target(`${what}: sent`, row.sent, 40_000)];
      if (isWarm) targets.push(target(`${what}: received`, row.received, 5000));
      else if (reference)
        targets.push(target(`${what}: received / blobless fetch`, row.received / reference.received, 1.3));
      if (peer && site === "rust-doc" && history > 1) {
        const alone = (row.alone ?? row.wall) / peer.wall;
        targets.push(target(`${what}: deploy alone / fastest peer's wall`, alone, isWarm ? 1 / 10 : 1 / 6));
      }
      return targets;
    });
}

const GROWTH = ["wall", "cpu", "memory", "sent", "received"] as const satisfies readonly (keyof Figures)[];

/** Longest history against shortest: a longer one shall cost nothing. */
function growth(results: readonly DeployResult[]): string[] {
  return [...new Set(results.map(({ site }) => site))].flatMap((site) => {
    const those = results.filter((result) => result.site === site).toSorted((a, b) => a.history - b.history);
    const [short, long] = [those[0] as DeployResult, those.at(-1) as DeployResult];
    if (short === long) return [];
    return long.rows
      .filter(({ kind }) => kind === "ours")
      .flatMap((row) => {
        const before = short.rows.find(({ name }) => name === row.name) as Row;
        const what = `${site}, history ${long.history} / ${short.history}: ${row.name}`;
        return GROWTH.map((key) => target(`${what}: ${key}`, (row[key] ?? 0) / (before[key] ?? 0), 1.1));
      });
  });
}

function target(what: string, found: number, most: number): string {
  const show = (number: number) => (most > 1000 ? Math.round(number).toLocaleString("en") : number.toFixed(3));
  return `${found <= most ? "held  " : "MISSED"} ${what}: ${show(found)} (at most ${show(most)})`;
}
