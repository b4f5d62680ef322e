/** A repository on this machine: git's programs, asked one request at a time as a web server would ask them. */
import { fileURLToPath } from "node:url";
import { exec } from "../../util/exec.ts";
import type { Access } from "../access.ts";
import { Answer, type Transport, WireRefusal } from "./transport.ts";

export function localTransport({ url, env }: Access): Transport | undefined {
  const directory = url.startsWith("file://") ? fileURLToPath(url) : url;
  if (!directory.startsWith("/")) return undefined;
  const program = programEnvironment(env);
  const ask = async (service: string, input: Buffer | AsyncIterable<Buffer>): Promise<Buffer> => {
    const answer = new Answer();
    const result = await exec(["git", service, "--stateless-rpc", directory], {
      env: service === "upload-pack" ? { ...program, GIT_PROTOCOL: "version=2" } : program,
      input,
      onStdout: (chunk) => answer.add(chunk),
    });
    if (result.code === 0) return answer.bytes();
    throw new WireRefusal(result.stderr.trim().split("\n").at(-1) ?? `exit code ${result.code}`);
  };
  return {
    fetch: (request) => ask("upload-pack", request),
    push: (body) => ask("receive-pack", body),
    [Symbol.dispose]() {},
  };
}

/** Without our settings for git: the repository has its own, and its hooks are its owner's. */
function programEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("GIT_CONFIG")));
}
