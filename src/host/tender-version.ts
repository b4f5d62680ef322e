/** Which Solo5 release the tender on this host is of, asked once. */
import { messageOf } from "../errors.ts";
import { exec } from "../util/exec.ts";
import { findProgram } from "../util/programs.ts";
import type { HostContext } from "./context.ts";

const asked = new Map<string, Promise<string | undefined>>();

/** "0.12.1"; undefined for other tenders, and where the tender is not installed or does not say. */
export function solo5Release({ config, env }: HostContext): Promise<string | undefined> {
  const { tender, solo5 } = config.launch;
  if (solo5 !== undefined) return Promise.resolve(solo5);
  const own = config.target === "hvt" || config.target === "spt" ? `solo5-${config.target}` : undefined;
  const name = tender === "auto" ? own : tender;
  const program = name?.startsWith("solo5-") ? findProgram(name, env.PATH) : undefined;
  if (program === undefined) return Promise.resolve(undefined);
  const known = asked.get(program) ?? ask(program);
  asked.set(program, known);
  return known;
}

async function ask(program: string): Promise<string | undefined> {
  try {
    const { stdout, stderr } = await exec([program, "--version"]);
    return releaseIn(`${stdout.toString("utf8")}${stderr}`);
  } catch (error) {
    // What cannot be asked will say at the launch what is wrong with it.
    return releaseIn(messageOf(error));
  }
}

/** "solo5-hvt v0.12.1" as the tenders print it. */
const releaseIn = (text: string) => /\bsolo5-\w+ v?(\d+\.\d+(?:\.\d+)?)/.exec(text)?.[1];
