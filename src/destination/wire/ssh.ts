/** Git's programs over ssh, with the very options that git is given: our key, our known hosts, and nothing else. */
import { exec, type ExecResult } from "../../util/exec.ts";
import type { Access } from "../access.ts";
import { findFlush } from "./pkt-line.ts";
import { Answer, type Transport, WireRefusal } from "./transport.ts";

/** Only where a key was given: else the user's own configuration says how ssh is run, and git knows how to ask it. */
export function sshTransport({ url, env, secrets }: Access): Transport | undefined {
  const config = env["UNIKERNEL_DEPLOY_SSH_CONFIG"];
  const place = parseAddress(url);
  if (config === undefined || !place) return undefined;
  const open = (service: string): Conversation => {
    const port = place.port === "" ? [] : ["-p", place.port];
    const command = `${service} ${quote(place.path)}`;
    const argv = ["ssh", "-F", config, "-o", "SendEnv=GIT_PROTOCOL", ...port, place.host, command] as const;
    return converse(argv, service === "git-upload-pack" ? { ...env, GIT_PROTOCOL: "version=2" } : env, secrets);
  };
  let reader: Conversation | undefined;
  let writer: Conversation | undefined;
  const readerOnce = async (): Promise<Conversation> => {
    if (reader) return reader;
    reader = open("git-upload-pack");
    const greeting = await reader.untilFlush();
    if (!greeting.toString("latin1", 4, 13).startsWith("version 2"))
      throw new WireRefusal("it speaks no protocol version 2");
    return reader;
  };
  return {
    async fetch(request) {
      const talk = await readerOnce();
      talk.say(request);
      return talk.untilFlush();
    },
    async advertised() {
      writer?.close();
      writer = open("git-receive-pack");
      return writer.untilFlush();
    },
    async push(body) {
      const talk = writer ?? open("git-receive-pack");
      if (talk !== writer) await talk.untilFlush();
      writer = undefined;
      return talk.finish(body);
    },
    [Symbol.dispose]() {
      reader?.close();
      writer?.close();
      reader = writer = undefined;
    },
  };
}

function parseAddress(url: string): { host: string; port: string; path: string } | undefined {
  const scp = /^([\w.-]+@[\w.-]+):(?!\/\/)(.+)$/.exec(url);
  if (scp) return { host: scp[1] as string, port: "", path: scp[2] as string };
  const full = /^ssh:\/\/((?:[\w.-]+@)?[\w][\w.-]*)(?::(\d+))?(\/.+)$/.exec(url);
  if (!full) return undefined;
  const path = decodeURIComponent(full[3] as string);
  return { host: full[1] as string, port: full[2] ?? "", path: path.startsWith("/~") ? path.slice(1) : path };
}

/** As git quotes for the shell at the other end. */
const quote = (text: string) => `'${text.replaceAll(/['!]/g, "'\\$&'")}'`;

/** A program that is spoken with line by line. */
interface Conversation {
  say(bytes: Buffer): void;
  /** What it says up to the next flush. */
  untilFlush(): Promise<Buffer>;
  /** Says all of this, and nothing after it; what it says to that. */
  finish(body: AsyncIterable<Buffer>): Promise<Buffer>;
  close(): void;
}

function converse(
  argv: readonly [string, ...string[]],
  env: NodeJS.ProcessEnv,
  secrets: readonly string[],
): Conversation {
  const said = queue();
  let heard = Buffer.alloc(0);
  let scanned = 0;
  let wake = () => {};
  let ended: Promise<ExecResult> | undefined;
  let over = false;
  const answer = new Answer();
  let rest = false;
  const onStdout = (chunk: Buffer) => {
    if (rest) answer.add(chunk);
    else heard = Buffer.concat([heard, chunk]);
    wake();
  };
  ended = exec(argv, { env, input: said.chunks(), onStdout });
  ended
    .catch(() => {})
    .finally(() => {
      over = true;
      wake();
    });
  const failure = async (): Promise<never> => {
    const { stderr, code } = await (ended as Promise<ExecResult>);
    const text = secrets.reduce((so, secret) => so.replaceAll(secret, "***"), stderr);
    throw new WireRefusal(text.trim().split("\n").at(-1) || `ssh ended with exit code ${code}`);
  };
  return {
    say: (bytes) => said.add(bytes),
    async untilFlush() {
      for (;;) {
        const flush = findFlush(heard, scanned);
        if (!flush) throw new WireRefusal("an answer that is not of git's protocol");
        scanned = flush.end;
        if (flush.found) {
          const lines = heard.subarray(0, scanned);
          heard = heard.subarray(scanned);
          scanned = 0;
          return lines;
        }
        if (over) return failure();
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
    async finish(body) {
      rest = true;
      said.pass(body);
      const { code } = await (ended as Promise<ExecResult>);
      return code === 0 ? answer.bytes() : failure();
    },
    close: () => said.end(),
  };
}

/** Bytes that are handed on as they come. */
function queue() {
  const waiting: (Buffer | AsyncIterable<Buffer>)[] = [];
  let over = false;
  let wake = () => {};
  return {
    add(bytes: Buffer) {
      waiting.push(bytes);
      wake();
    },
    pass(body: AsyncIterable<Buffer>) {
      waiting.push(body);
      over = true;
      wake();
    },
    end() {
      over = true;
      wake();
    },
    async *chunks(): AsyncGenerator<Buffer> {
      for (;;) {
        const next = waiting.shift();
        if (next === undefined) {
          if (over) return;
          await new Promise<void>((resolve) => (wake = resolve));
        } else if (Buffer.isBuffer(next)) yield next;
        else yield* next;
      }
    },
  };
}
