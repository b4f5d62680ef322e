/** Who is compared with whom. */
import { spawnSync } from "node:child_process";
import path from "node:path";
import type { Subject } from "./measure.ts";

const ROOT = path.join(import.meta.dirname, "..");
const NODE = JSON.stringify(process.execPath);
const CLI = JSON.stringify(path.join(ROOT, "dist", "cli.js"));
const ACTION = JSON.stringify(path.join(ROOT, "dist", "action.js"));
const NPM_TAR = JSON.stringify(path.join(import.meta.dirname, "npm-tar.ts"));

/** A comparison: the first subject is ours, ratios are to each of the others. */
export interface Comparison {
  readonly title: string;
  readonly subjects: readonly Subject[];
}

const GNU_TAR = "tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --format=ustar -cf - .";

/** Making an image with its digest (ours: and the index of blob ids); all run in the site's directory. */
export function imageComparisons(site: string, directory: string, out: string): Comparison[] {
  const tar: Subject[] = [
    { name: "unikernel-deploy", command: `${NODE} ${CLI} image create --from . --out ${out}/ours.img` },
    { name: "tar | tee | sha256sum", command: `${GNU_TAR} | tee ${out}/peer.img | sha256sum` },
    { name: "tar | tee | openssl sha256", command: `${GNU_TAR} | tee ${out}/peer.img | openssl sha256` },
    ...ifInstalled("bsdtar", `bsdtar --format ustar -cf - . | tee ${out}/peer.img | sha256sum`, " | tee | sha256sum"),
    {
      name: "git hash-object (ids only)",
      command: "find . -type f | git hash-object --no-filters --stdin-paths",
    },
  ];
  if (site === "large-files" || site === "tiny-files") return [{ title: `tar image of ${site}`, subjects: tar }];
  tar.push({ name: "npm tar + crypto", command: `${NODE} ${NPM_TAR} . ${out}/peer.img` });
  tar.push({ name: "npm tar + crypto, blob ids too", command: `${NODE} ${NPM_TAR} . ${out}/peer.img ids` });
  const comparisons: Comparison[] = [{ title: `tar image of ${site}`, subjects: tar }];
  if (ifInstalled("mcopy", "").length > 0) comparisons.push(fatComparison(site, directory, out));
  return comparisons;
}

/** mkfs.fat wants to be told the size: the site's, and some. */
function fatComparison(site: string, directory: string, out: string): Comparison {
  const kilobytes = Number(spawnSync("du", ["-sk", directory], { encoding: "utf8" }).stdout.split("\t")[0]);
  const size = Math.max(Math.ceil(kilobytes * 1.2), 40_000);
  const image = `${out}/peer.img`;
  const make = `/sbin/mkfs.fat -C -F 32 -s 8 ${image} ${size} && mcopy -s -i ${image} ./* ::`;
  return {
    title: `FAT32 image of ${site}`,
    subjects: [
      {
        name: "unikernel-deploy",
        command: `${NODE} ${CLI} image create --format fat32 --from . --out ${out}/ours.img`,
      },
      { name: "mkfs.fat + mcopy -s", command: make },
    ],
  };
}

/** How long a program takes until it does what it was asked for. */
export function startComparison(): Comparison {
  return {
    title: "start",
    subjects: [
      { name: "cli.js --version", command: `${NODE} ${CLI} --version` },
      { name: "node -e 0", command: `${NODE} -e 0` },
      { name: "cli.js --help", command: `${NODE} ${CLI} --help` },
      { name: "action.js, a wrong input", command: `env INPUT_MODE=wrong ${NODE} ${ACTION} || true` },
    ],
  };
}

/** Reading an image that somebody else made: its digest, and every file's blob id. */
export function inspectComparison(site: string, image: string): Comparison {
  const make = spawnSync(process.execPath, [CLI_FILE, "image", "create", "--from", ".", "--out", image], { cwd: site });
  if (make.status !== 0) throw new Error(`no image to inspect: ${String(make.stderr)}`);
  return {
    title: `inspect an image of ${path.basename(site)}`,
    subjects: [
      { name: "unikernel-deploy inspect", command: `${NODE} ${CLI} inspect --json ${image}` },
      { name: "sha256sum", command: `sha256sum ${image}` },
      { name: "openssl sha256", command: `openssl sha256 ${image}` },
      { name: "tar -t", command: `tar -tf ${image}` },
    ],
  };
}

const CLI_FILE = path.join(ROOT, "dist", "cli.js");

function ifInstalled(program: string, command: string, suffix = ""): Subject[] {
  const there = spawnSync(program, ["--version"], { stdio: "ignore" }).error === undefined;
  return there ? [{ name: `${program}${suffix}`, command }] : [];
}
