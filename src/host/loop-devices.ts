/** Read-only loop devices over the images of releases, for tenders that open what they are given for writing. */
import path from "node:path";
import * as v from "valibot";
import { exec } from "../util/exec.ts";
import { findProgram } from "../util/programs.ts";
import type { HostContext } from "./context.ts";

const listing = v.object({
  loopdevices: v.array(v.object({ name: v.string(), "back-file": v.nullable(v.string()), ro: v.boolean() })),
});

/** A device that reads as `file` and cannot be written to; undefined where none can be made here. */
export async function readOnlyDevice({ env }: HostContext, file: string): Promise<string | undefined> {
  const losetup = findProgram("losetup", `${env.PATH ?? ""}:/usr/sbin:/sbin`);
  if (losetup === undefined || process.getuid?.() !== 0) return undefined;
  const there = (await devices(losetup)).find((device) => device.file === file && device.readOnly);
  if (there) return there.name;
  const made = await exec([losetup, "--read-only", "--find", "--show", file]);
  const name = made.stdout.toString("utf8").trim();
  return made.code === 0 && /^\/dev\/loop\d+$/.test(name) ? name : undefined;
}

/**
 * Gives back the devices over releases other than those kept, which is asked again for each: others are made meanwhile. The
 * kernel lets go of one in use when its user ends.
 */
export async function releaseDevices({ store, env }: HostContext, keep: () => readonly string[]): Promise<void> {
  const losetup = findProgram("losetup", `${env.PATH ?? ""}:/usr/sbin:/sbin`);
  if (losetup === undefined || process.getuid?.() !== 0) return;
  const releases = `${path.join(store.directory, "releases")}/`;
  for (const { name, file } of await devices(losetup)) {
    const release = file.startsWith(releases) ? file.slice(releases.length).split("/")[0] : undefined;
    if (release !== undefined && !keep().includes(release)) await exec([losetup, "--detach", name]);
  }
}

async function devices(losetup: string): Promise<{ name: string; file: string; readOnly: boolean }[]> {
  const { code, stdout } = await exec([losetup, "--list", "--json", "--output", "NAME,BACK-FILE,RO"]);
  const text = stdout.toString("utf8").trim();
  // No devices: no document.
  if (code !== 0 || text === "") return [];
  const result = v.safeParse(listing, JSON.parse(text));
  return result.success
    ? result.output.loopdevices.map((device) => ({
        name: device.name,
        file: device["back-file"] ?? "",
        readOnly: device.ro,
      }))
    : [];
}
