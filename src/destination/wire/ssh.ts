/** Git's programs over ssh, with the very options that git is given: our key, our known hosts, and nothing else. */
import path from "node:path";
import { exec, type ExecResult } from "../../util/exec.ts";
import type { Access } from "../access.ts";
import { findFlush } from "./pkt-line.ts";
import { isAboutRefs } from "./requests.ts";
import { MAX_ANSWER, type Transport, WireRefusal } from "./transport.ts";

/**
 * Only where a key was given: else the user's own configuration says how ssh is run, and git knows how to ask it. Reading and
 * writing are two sessions, of one connection where ssh can share it.
 */
export function sshTransport({ url, env, secrets }: Access): Transport | undefined {
  const config = env["UNIKERNEL_DEPLOY_SSH_CONFIG"];
  const place = parseAddress(url);
  if (config === undefined || !place) return undefined;
  const shared = sharedConnection(path.join(path.dirname(config), "connection"));
  const opened = new Set<Conversation>();
  const open = (service: string): Conversation => {
    const port = place.port === "" ? [] : ["-p", place.port];
    const command = `${service} ${quote(place.path)}`;
    const argv = ["ssh", "-F", config, "-o", "SendEnv=GIT_PROTOCOL", ...shared, ...port, place.host, command] as const;
    const talk = converse(argv, service === "git-upload-pack" ? { ...env, GIT_PROTOCOL: "version=2" } : env, secrets);
    opened.add(talk);
    return talk;
  };
  let reader: Conversation | undefined;
  let writer: Conversation | undefined;
  /** Whether the reader has looked at the refs: it goes on seeing them as they were then. */
  let looked = false;
  const openReader = async (): Promise<Conversation> => {
    const next = open("git-upload-pack");
    const greeting = await next.untilFlush();
    if (!greeting.toString("latin1", 4, 13).startsWith("version 2"))
      throw new WireRefusal("it speaks no protocol version 2");
    return next;
  };
  // The ssh that made the connection ends after all others, however its own session went: nobody may wait for that one while
  // others are open. So the old are closed, and not before the new has joined them.
  const closeBut = (talk: Conversation): void => {
    for (const other of opened) if (other !== talk) other.close();
    opened.clear();
    opened.add(talk);
    reader = writer = undefined;
  };
  return {
    async fetch(request) {
      const look = isAboutRefs(request);
      if (!reader || (look && looked)) {
        const next = await openReader();
        reader?.close();
        reader = next;
        looked = false;
      }
      looked ||= look;
      reader.say(request);
      return reader.untilFlush();
    },
    async advertised() {
      const next = open("git-receive-pack");
      const refs = await next.untilFlush();
      closeBut(next);
      writer = next;
      return refs;
    },
    async push(body) {
      const talk = writer ?? open("git-receive-pack");
      if (talk !== writer) await talk.untilFlush();
      closeBut(talk);
      talk.sayLast(body);
      return talk.untilFlush();
    },
    [Symbol.dispose]() {
      for (const talk of opened) talk.close();
      reader = writer = undefined;
    },
  };
}

/** What the name of a socket may have (unix(7)), less what ssh adds to it for a moment. */
const MAX_SOCKET_NAME = 107 - 17;

/** To connect takes longer than what is said then. Where the name is too long, each ssh connects by itself. */
function sharedConnection(socket: string): readonly string[] {
  if (Buffer.byteLength(socket) > MAX_SOCKET_NAME) return [];
  return ["-o", "ControlMaster=auto", "-o", `ControlPath="${socket.replaceAll("%", "%%")}"`];
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
  /** All of this, and nothing after it. */
  sayLast(body: AsyncIterable<Buffer>): void;
  /**
   * What it says up to the next flush. Not up to its end, which may be late: the ssh that made the connection stays for the
   * sessions of others.
   */
  untilFlush(): Promise<Buffer>;
  close(): void;
}

/** Where a connection cannot be shared, ssh says so and makes one of its own. */
const ABOUT_SHARING = /^(?:ControlSocket |mux_client_)/;

function converse(
  argv: readonly [string, ...string[]],
  env: NodeJS.ProcessEnv,
  secrets: readonly string[],
): Conversation {
  const said = queue();
  const heard = new Heard();
  let wake = () => {};
  let over = false;
  const onStdout = (chunk: Buffer) => {
    heard.add(chunk);
    wake();
  };
  const ended: Promise<ExecResult> = exec(argv, { env, input: said.chunks(), onStdout });
  ended
    .catch(() => {})
    .finally(() => {
      over = true;
      wake();
    });
  const failure = async (): Promise<never> => {
    const { stderr, code } = await ended;
    const text = secrets.reduce((so, secret) => so.replaceAll(secret, "***"), stderr);
    const lines = text.split("\n").filter((line) => line.trim() !== "" && !ABOUT_SHARING.test(line));
    throw new WireRefusal(lines.at(-1)?.trim() || `ssh ended with exit code ${code}`);
  };
  return {
    say: (bytes) => said.add(bytes),
    sayLast: (body) => said.pass(body),
    async untilFlush() {
      for (;;) {
        const lines = heard.takeLines();
        if (lines) return lines;
        if (over) return failure();
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
    close: () => said.end(),
  };
}

/** What was said and not yet taken. */
class Heard {
  #bytes = Buffer.alloc(64 * 1024);
  #length = 0;
  /** Up to here there are lines, and no flush. */
  #scanned = 0;

  /** Throws WireRefusal above MAX_ANSWER. */
  add(chunk: Buffer): void {
    const length = this.#length + chunk.length;
    if (length > MAX_ANSWER) throw new WireRefusal(`an answer of more than ${MAX_ANSWER} bytes`);
    if (length > this.#bytes.length) {
      const larger = Buffer.alloc(2 * length);
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
    chunk.copy(this.#bytes, this.#length);
    this.#length = length;
  }

  /** The lines up to the next flush, with it, once they are all here. Throws WireRefusal for what is no line. */
  takeLines(): Buffer | undefined {
    const flush = findFlush(this.#bytes.subarray(0, this.#length), this.#scanned);
    if (!flush) throw new WireRefusal("an answer that is not of git's protocol");
    this.#scanned = flush.end;
    if (!flush.found) return undefined;
    const lines = Buffer.from(this.#bytes.subarray(0, flush.end));
    this.#bytes.copyWithin(0, flush.end, this.#length);
    this.#length -= flush.end;
    this.#scanned = 0;
    return lines;
  }
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
