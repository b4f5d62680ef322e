/** host.yml: what a host follows and how it runs it. schema/host.v1.json is generated from it. Pure. */
import * as v from "valibot";
import { askable, branch, directory, duration, line, memory, releaseName, TENDERS, text } from "./schema.ts";
import { TARGETS, VOLUME_NAME } from "../manifest/schema.ts";

const ADDRESS = /^(?:\d{1,3}(?:\.\d{1,3}){3}:)?(\d{1,5}):(\d{1,5})$/;

const secret = v.strictObject({ from: text, format: v.optional(text) });

const launch = v.pipe(
  v.strictObject({
    tender: v.optional(v.picklist(TENDERS), "auto"),
    memory: v.optional(memory),
    net: v.optional(
      v.record(
        v.string(),
        v.pipe(v.string(), v.regex(/^[A-Za-z0-9_.-]{1,15}$/, "expected the name of a network interface, such as tap0")),
      ),
      {},
    ),
    forward: v.optional(
      v.array(
        v.pipe(
          v.string(),
          v.check(
            (value) => ADDRESS.exec(value)?.slice(1).every(isPort) === true,
            'expected a port of the host and one of the guest, such as "8080:80" or "127.0.0.1:8080:80"',
          ),
        ),
      ),
      [],
    ),
    args: v.optional(v.array(line)),
    command: v.optional(v.pipe(v.array(text), v.minLength(1, "expected a program and its arguments"))),
    accel: v.optional(v.picklist(["auto", "kvm", "tcg"]), "auto"),
    solo5: v.optional(
      v.pipe(
        v.string(),
        v.regex(/^[0-9]+\.[0-9]+(?:\.[0-9]+)?$/, 'expected the version of a Solo5 release, such as "0.12.1"'),
      ),
    ),
  }),
  v.forward(
    v.check(({ tender, command }) => tender !== "command" || command !== undefined, "missing, with tender: command"),
    ["command"],
  ),
  v.forward(
    v.check(
      ({ tender, command }) => tender === "command" || command === undefined,
      "nothing runs it: that takes tender: command",
    ),
    ["command"],
  ),
);

const health = v.strictObject({
  url: v.pipe(v.string(), v.regex(/^https?:\/\/[^\s]+$/, "expected an http or https URL"), askable),
  timeout: v.optional(duration, "30s"),
  status: v.optional(
    v.pipe(
      v.number(),
      v.integer("expected an HTTP status"),
      v.minValue(100, "expected an HTTP status"),
      v.maxValue(599, "expected an HTTP status"),
    ),
    200,
  ),
  page: v.optional(v.boolean(), true),
  interval: v.optional(duration, "30s"),
});

export const hostSchema = v.strictObject({
  name: releaseName,
  repository: text,
  target: v.picklist(TARGETS),
  state: text,
  branch: v.optional(branch, "main"),
  path: v.optional(directory, ""),
  arch: v.optional(text),
  "allowed-signers": v.optional(text),
  "revoked-signers": v.optional(text),
  "max-age": v.optional(duration),
  "ssh-key": v.optional(text),
  "known-hosts": v.optional(text),
  runtime: v.optional(text),
  secrets: v.optional(
    v.record(v.pipe(v.string(), v.regex(VOLUME_NAME, "expected a volume name: letters, digits, - or _")), secret),
    {},
  ),
  launch: v.optional(launch, {}),
  health: v.optional(health),
  poll: v.optional(duration, "60s"),
  keep: v.optional(
    v.pipe(v.number(), v.integer("expected a whole number"), v.minValue(2, "expected 2 or more: current and rollback")),
    3,
  ),
});

function isPort(text: string): boolean {
  const port = Number(text);
  return port >= 1 && port <= 65_535;
}

/** host.yml, validated, with every default filled in. Durations are in milliseconds. */
export type HostConfig = v.InferOutput<typeof hostSchema>;
