/** The verbs of the command line. Each is loaded only when it is asked for. */
import type { Command } from "./command.ts";

interface Verb {
  readonly summary: string;
  load(): Promise<Command>;
}

export const VERBS: Readonly<Record<string, Verb>> = {
  build: {
    summary: "run your build and split what it leaves into kernels and volumes: a release directory",
    load: async () => (await import("./build.ts")).build,
  },
  check: {
    summary: "look for what would break a release, before it is deployed",
    load: async () => (await import("./check.ts")).check,
  },
  deploy: {
    summary: "push a release to a deployment repository",
    load: async () => (await import("./deploy.ts")).deploy,
  },
  prune: {
    summary: "keep the last N deployments of a deployment repository",
    load: async () => (await import("./prune.ts")).prune,
  },
  "image create": {
    summary: "make a block image from a directory",
    load: async () => (await import("./image.ts")).imageCreate,
  },
  "image ls": { summary: "list the files in an image", load: async () => (await import("./image.ts")).imageLs },
  "image cat": { summary: "print one file of an image", load: async () => (await import("./image.ts")).imageCat },
  "image extract": {
    summary: "write the files of an image to a directory",
    load: async () => (await import("./image.ts")).imageExtract,
  },
  "image diff": {
    summary: "list what changed between two images, whatever their formats",
    load: async () => (await import("./image-diff.ts")).imageDiff,
  },
  "image replace": {
    summary: "put another volume into a kernel that one is linked into",
    load: async () => (await import("./image-replace.ts")).imageReplace,
  },
  inspect: {
    summary: "say what a kernel, an image, a manifest or a release directory is",
    load: async () => (await import("./inspect.ts")).inspect,
  },
  "host sync": {
    summary: "fetch the newest release, verify all of it, and make it current",
    load: async () => (await import("./host.ts")).hostSync,
  },
  "host up": {
    summary: "follow the repository and keep its guest running; go back where a release does not serve",
    load: async () => (await import("./host.ts")).hostUpVerb,
  },
  "host status": {
    summary: "what runs on this host, what is bad and why, what the last looks found",
    load: async () => (await import("./host-control.ts")).hostStatusVerb,
  },
  "host rollback": {
    summary: "go back to an earlier release, and stay there",
    load: async () => (await import("./host-control.ts")).hostRollback,
  },
  "host resume": {
    summary: "follow the repository again after a rollback, and forgive bad releases",
    load: async () => (await import("./host-control.ts")).hostResume,
  },
  demo: { summary: "the whole job, end to end, on this machine", load: async () => (await import("./demo.ts")).demo },
};

/** The verb that argv begins with (one word or two), and the rest. */
export function findVerb(argv: readonly string[]): { name: string; verb: Verb; rest: readonly string[] } | undefined {
  for (const words of [2, 1]) {
    const name = argv.slice(0, words).join(" ");
    if (argv.length >= words && Object.hasOwn(VERBS, name))
      return { name, verb: VERBS[name] as Verb, rest: argv.slice(words) };
  }
  return undefined;
}

/** The verb that was probably meant by words that are none: misspelt, or the second of two; undefined where none is near. */
export async function nearestVerb([first = "", second = ""]: readonly string[]): Promise<string | undefined> {
  const { nearestOf } = await import("../util/nearest.ts");
  const names = Object.keys(VERBS);
  const group = names.filter((name) => name.startsWith(`${first} `)).map((name) => name.slice(first.length + 1));
  if (group.length > 0) {
    const nearest = nearestOf(second, group);
    return nearest === undefined ? undefined : `${first} ${nearest}`;
  }
  const words = `${first} ${second}`.trim();
  return nearestOf(words, names) ?? nearestOf(first, names) ?? names.find((name) => name.endsWith(` ${first}`));
}

/** The verbs that begin with this word, for those who know no more than it; undefined where none does. */
export function renderGroup(word: string): string | undefined {
  const names = Object.keys(VERBS).filter((name) => name.startsWith(`${word} `));
  if (names.length === 0) return undefined;
  return `Usage: unikernel-deploy ${word} VERB [options]

${rowsOf(names)}

unikernel-deploy ${word} VERB --help tells more.
`;
}

function rowsOf(names: readonly string[]): string {
  const width = Math.max(...names.map((name) => name.length));
  return names.map((name) => `  ${name.padEnd(width)}  ${VERBS[name]?.summary}`).join("\n");
}

export function renderOverview(version: string): string {
  return `unikernel-deploy ${version}: from pull request to running VM, for sites served by a unikernel

Usage: unikernel-deploy VERB [options]

${rowsOf(Object.keys(VERBS))}

unikernel-deploy VERB --help tells more. --version prints the version.
Exit codes: 0 done; 1 a check found an error; 2 wrong usage, configuration or input; 3 something failed while doing;
4 verification failed (digest, signature, downgrade).
`;
}
