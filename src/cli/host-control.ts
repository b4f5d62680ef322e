/** The verbs `host status`, `host rollback` and `host resume`. */
import { ask } from "../host/control.ts";
import { hostStatus, type HostStatus } from "../host/status.ts";
import { lookAtHost, openHost } from "../host/sync.ts";
import { formatDuration, formatSize } from "../util/size.ts";
import type { Command } from "./command.ts";
import { HOST_CONFIG, hostOptions } from "./host-options.ts";

export const hostStatusVerb: Command = {
  usage: "--config F",
  about: `
What runs on the host, what it would go back to, which releases are bad and why, what the last looks at the repository and at
the site found, and how much disk all of it takes. Changes nothing, and works whether host up runs or not.`,
  options: { config: HOST_CONFIG },
  positionals: [],
  examples: ["unikernel-deploy host status --config /etc/unikernel-deploy/www.yml --json"],
  async run(args, io) {
    const status = hostStatus(lookAtHost(hostOptions(args, io)));
    io.answer(status, renderStatus(status));
    return 0;
  },
};

export const hostRollback: Command = {
  usage: "--config F [--to COMMIT] [--dry-run]",
  about: `
Goes back to the release before the current one, or to --to: a source commit, a sequence or a release's name, of those still on
this host. The host then stays there until a release arrives that is newer than the one it left, or until host resume. A host
up that runs does it at once and starts the guest; without one, only STATE/current changes.`,
  options: {
    config: HOST_CONFIG,
    to: { value: "COMMIT", help: "where to, instead of the release before" },
    "dry-run": { help: "say what would be done" },
  },
  positionals: [],
  examples: ["unikernel-deploy host rollback --config /etc/unikernel-deploy/www.yml --to 8be2f77"],
  async run(args, io) {
    const dryRun = args.flag("dry-run");
    const done = await ask(openHost(hostOptions(args, io)), { kind: "rollback", to: args.text("to"), dryRun });
    io.answer({ outcome: dryRun ? "planned" : "done", message: done }, done);
    return 0;
  },
};

export const hostResume: Command = {
  usage: "--config F [--dry-run]",
  about: `
Ends the hold after a rollback and forgives bad releases: what the repository offers is tried again at the next look.`,
  options: { config: HOST_CONFIG, "dry-run": { help: "say what would be done" } },
  positionals: [],
  examples: ["unikernel-deploy host resume --config /etc/unikernel-deploy/www.yml"],
  async run(args, io) {
    const dryRun = args.flag("dry-run");
    const done = await ask(openHost(hostOptions(args, io)), { kind: "resume", dryRun });
    io.answer({ outcome: dryRun ? "planned" : "done", message: done }, done);
    return 0;
  },
};

function renderStatus(status: HostStatus): string {
  const { guest, supervisor, checks, disk } = status;
  const row = (what: string, text: string) => `${what.padEnd(11)} ${text}`;
  const lines = [
    row("site", status.name),
    row("current", status.current ?? "none yet"),
    row("rollback", status.rollback ?? "none"),
    ...(status.staged === null ? [] : [row("staged", status.staged)]),
    ...(status.held === null ? [] : [row("held", `since the rollback from ${status.held}; host resume ends it`)]),
    ...status.bad.map(({ release, reason }) => row("bad", `${release}: ${reason}`)),
    row(
      "guest",
      guest
        ? `${guest.release}, up for ${formatDuration(guest.uptime)}${guest.pid === null ? "" : `, process ${guest.pid}`}`
        : "none",
    ),
    row(
      "supervisor",
      supervisor ? `process ${supervisor.pid} since ${supervisor.since}, ${supervisor.phase}` : "does not run",
    ),
    ...(status.restarts > 0 ? [row("restarts", String(status.restarts))] : []),
    ...(["poll", "probe", "change"] as const).flatMap((kind) => {
      const check = checks[kind];
      if (!check) return [];
      const down = "downtime" in check && check.downtime !== null ? `; down for ${formatDuration(check.downtime)}` : "";
      const release = "release" in check ? `${check.release}: ` : "";
      return [row(`last ${kind}`, `${check.at} ${check.ok ? "ok" : "FAILED"}: ${release}${check.message}${down}`)];
    }),
    row("disk", `${formatSize(disk.total)}: releases ${formatSize(disk.releases)}, mirror ${formatSize(disk.mirror)}`),
    ...status.releases.map(({ release, bytes, problem }) =>
      row("", `${release} ${formatSize(bytes)}${problem === null ? "" : `, DAMAGED: ${problem}`}`),
    ),
  ];
  return lines.join("\n");
}
