/** A tender of the user's: a command line with placeholders, as an array or split into words here; no shell. Pure. */
import { GUEST_NET, type GuestSpec, type LaunchPlan, refuse } from "./tender.ts";

/** The words that stand for something in a template, for messages and documentation. */
export const PLACEHOLDERS = ["kernel", "image:NAME", "memory", "port", "args", "address", "gateway"] as const;

/**
 * The command line with its placeholders filled in. `{args}` as a word of its own becomes as many words as there are
 * arguments. Throws LAUNCH_FAILED listing every placeholder that means nothing.
 */
export function planCommand(spec: GuestSpec, template: readonly string[], hostPort: number): LaunchPlan {
  const unknown: string[] = [];
  const words = template.flatMap((word) => {
    if (word === "{args}") return [...spec.args];
    return [
      word.replaceAll(
        /\{([^{}]*)\}/g,
        (whole, name: string) => valueOf(name, spec, hostPort) ?? (unknown.push(whole), whole),
      ),
    ];
  });
  const [program, ...rest] = words;
  if (program === undefined || program === "") throw refuse("the command of the tender is empty");
  if (unknown.length > 0) {
    throw refuse(
      `the command has ${unknown.join(", ")}, which stands for nothing`,
      `placeholders: ${PLACEHOLDERS.map((name) => `{${name}}`).join(" ")}; volumes here: ${spec.blocks.map(({ volume }) => volume).join(", ") || "none"}`,
    );
  }
  return { argv: [program, ...rest], reach: { kind: "printed", port: hostPort } };
}

function valueOf(name: string, spec: GuestSpec, hostPort: number): string | undefined {
  if (name === "kernel") return spec.kernel;
  if (name === "memory") return String(spec.memory);
  if (name === "port") return String(hostPort);
  if (name === "args") return spec.args.join(" ");
  if (name === "address") return `${GUEST_NET.address}/${GUEST_NET.prefix}`;
  if (name === "gateway") return GUEST_NET.gateway;
  if (!name.startsWith("image:")) return undefined;
  const wanted = name.slice("image:".length);
  return spec.blocks.find(({ volume, device }) => volume === wanted || device === wanted)?.file;
}

/** Splits a command into words: white space separates, single and double quotes group, a backslash takes what follows. */
export function splitWords(command: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote: string | undefined;
  for (let i = 0; i < command.length; i++) {
    const char = command[i] as string;
    if (char === quote) quote = undefined;
    else if (char === "\\" && quote !== "'") word = (word ?? "") + (command[++i] ?? "");
    else if (quote !== undefined) word = (word ?? "") + char;
    else if (char === '"' || char === "'") {
      quote = char;
      word ??= "";
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? "") + char;
  }
  if (quote !== undefined) throw refuse(`the command of the tender has an open ${quote}`);
  return word === undefined ? words : [...words, word];
}
