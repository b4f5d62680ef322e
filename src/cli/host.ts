/** The verbs `host sync` and `host up`. */
import { hostUp, planUp } from "../host/up.ts";
import { syncHost } from "../host/sync.ts";
import { renderRelease } from "../report/text.ts";
import type { Command } from "./command.ts";
import { HOST_CONFIG, hostOptions } from "./host-options.ts";

export const hostSync: Command = {
  usage: "--config F [--dry-run] [--allow-downgrade]",
  about: `
One pass on the host: fetches the deployment repository, verifies every digest (and the signature, where host.yml names
allowed-signers), lays the release out below STATE/releases/ and switches STATE/current to it at once. Nothing is started.
Exit code 4 when something is not what was promised; the current release is then untouched. host.yml needs name,
repository, target and state; relative paths in it are relative to the file.`,
  options: {
    config: HOST_CONFIG,
    "dry-run": { help: "fetch and verify, but do not switch" },
    "allow-downgrade": {
      help: "accept a release older than the newest that ran here, or one that a rollback holds back",
    },
  },
  positionals: [],
  examples: ["unikernel-deploy host sync --config /etc/unikernel-deploy/www.yml"],
  async run(args, io) {
    const synced = await syncHost(hostOptions(args, io), {
      allowDowngrade: args.flag("allow-downgrade"),
      dryRun: args.flag("dry-run"),
    });
    const { outcome, manifest, release, revision, signer, warning, reason } = synced;
    if (warning !== undefined) io.log.warning(warning);
    const what = `release ${manifest.sequence} of ${manifest.name} (source ${manifest.source.commit.slice(0, 12)})`;
    const lines = {
      updated: `current is now ${what}`,
      current: `${what} is current already`,
      planned: `dry run: ${what} is good; it was not made current`,
      refused: `${what} is not made current: ${reason}`,
    };
    const text = [
      renderRelease(manifest),
      lines[outcome],
      ...(signer ? [`signed by ${signer}`] : []),
      ...(outcome === "refused" ? [] : [`release: ${release}`]),
    ].join("\n");
    io.answer(
      {
        outcome,
        name: manifest.name,
        sequence: manifest.sequence,
        commit: manifest.source.commit,
        revision,
        release,
        signer: signer ?? null,
        warning: warning ?? null,
        reason: reason ?? null,
      },
      text,
    );
    return 0;
  },
};

export const hostUpVerb: Command = {
  usage: "--config F [--dry-run] [--allow-downgrade]",
  about: `
Follows the deployment repository and keeps its guest running, in the foreground, until SIGTERM or SIGINT, which stop the
guest. A new release is verified and laid out while the old one serves; then the guests change places. One that does not
become healthy in time is bad: the old one is launched again by itself, and the bad one not tried again before host resume.
A guest that ends is started again, later each time. Killed in the middle of anything, it takes up where it was. Under
systemd it says when it is ready and that it is alive. One line of log an event.`,
  options: {
    config: HOST_CONFIG,
    "dry-run": { help: "fetch and verify once, say what would be launched, and end" },
    "allow-downgrade": { help: "accept, once, a release older than the newest that ran here" },
  },
  positionals: [],
  examples: ["unikernel-deploy host up --config /etc/unikernel-deploy/www.yml"],
  async run(args, io) {
    const options = hostOptions(args, io);
    const allowDowngrade = args.flag("allow-downgrade");
    if (args.flag("dry-run")) {
      const { outcome, manifest, reason, command } = await planUp(options, { allowDowngrade });
      const what = `release ${manifest.sequence} (source ${manifest.source.commit.slice(0, 12)})`;
      const text =
        command === undefined
          ? `${what} would not be launched: ${reason}`
          : `${what} would be launched:\n${command.map(quoteWord).join(" ")}`;
      const { sequence, source } = manifest;
      io.answer({ outcome, sequence, commit: source.commit, reason: reason ?? null, command: command ?? null }, text);
      return 0;
    }
    const stop = new AbortController();
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
      // The door's own answer to a signal is to end at once; the guest is to end well.
      process.removeAllListeners(signal);
      process.on(signal, () => stop.abort());
    }
    await hostUp(options, { signal: stop.signal, allowDowngrade });
    io.answer({ outcome: "stopped" }, "stopped");
    return 0;
  },
};

/** As a shell would take it back; for reading, nothing runs it. */
const quoteWord = (word: string) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
