/**
 * Hostile and broken inputs, one row each: the built command line ends with the documented exit code and error code,
 * says what is at fault, and leaves everything else as it was, down to the bytes of the deployment repository.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { appendFileSync, chmodSync, existsSync, linkSync, mkdirSync, readFileSync } from "node:fs";
import { renameSync, rmSync, symlinkSync, truncateSync, unlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { gzipSync } from "node:zlib";
import type { ErrorCode } from "../../src/errors.ts";
import { cli } from "../support/cli.ts";
import { git, output } from "../support/process.ts";
import {
  BUILD,
  copyWorld,
  createWorld,
  DEPLOY,
  differences,
  type Edit,
  editJson,
  flipped,
  type Json,
} from "../support/site.ts";
import { hostConfig, kernel, picture, readCommitted, SYNC, tamper, WORLD } from "../support/site.ts";
import { type TempDir, tempDir } from "../support/temp.ts";

/** A copy of the world in good order, for one row to spoil. */
interface World {
  readonly root: string;
  readonly source: string;
  readonly site: string;
  readonly release: string;
  readonly repository: string;
  readonly state: string;
}

/** What a row expects. Nothing may be different afterwards but what is at or below `changes`. */
interface Expected {
  readonly code: 0 | 1 | 2 | 3 | 4;
  /** Where it is not fixed, any will do: what git itself says is not ours. */
  readonly error?: ErrorCode;
  /** What standard error names; for codes 0 and 1, standard output. */
  readonly says?: readonly (string | RegExp)[];
  readonly changes?: readonly string[];
  /** Looks at the JSON answer and at what is there afterwards. */
  readonly also?: (answer: Json, world: World, stderr: string) => unknown;
}

/** What the preparation of a row may decide. */
interface Prepared {
  readonly args?: readonly string[];
  readonly under?: readonly string[];
  readonly skip?: string;
  readonly cleanup?: () => unknown;
}

interface Row {
  readonly name: string;
  readonly args: readonly string[];
  readonly prepare: (world: World) => unknown;
  readonly expected: Expected;
}

/** A row of a group whose command is `args`; `prepare` may return a `Prepared`. */
const rows =
  (args: readonly string[]) =>
  (name: string, prepare: Row["prepare"], expected: Expected): Row => ({
    name,
    args,
    prepare,
    expected,
  });

const isRoot = process.getuid?.() === 0;
const RELEASE = [WORLD.release];
const REPOSITORY = [WORLD.repository];
const STATE = [WORLD.state];

const put = (file: string, content: string | Uint8Array = "x") => {
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, content);
};
const bytesPath = (directory: string, ...name: number[]) =>
  Buffer.concat([Buffer.from(`${directory}/`), Buffer.from(name)]);

const refusedSite: Expected = { code: 2, error: "SITE_UNREADABLE" };
const builds: Expected = { code: 0, changes: RELEASE };
const inVolume = (...paths: readonly string[]) => ({
  ...builds,
  also: (_: unknown, { release }: World) => {
    const index = readFileSync(join(release, "volumes/data.index"), "utf8");
    for (const path of paths) assert.ok(index.includes(` ${path}\n`), `${path} is not in the index:\n${index}`);
  },
});

/** Path of exactly `length` bytes in segments of at most 200. */
function longPath(length: number): string {
  const segments: string[] = [];
  for (let left = length; left > 0; left -= 201) segments.push("p".repeat(Math.min(200, left)));
  return segments.join("/").slice(0, length).replace(/\/$/, "p");
}

const build = rows(BUILD);
/** A format that must know how large files are before it reads them; a tar takes them as it finds them. */
const FAT = ["--format", "fat32"];
const SITES: readonly Row[] = [
  build("the directory is missing", ({ site }) => rmSync(site, { recursive: true }), {
    ...refusedSite,
    says: ["_site: no such directory"],
  }),
  build(
    "a file stands where the directory is expected",
    ({ site }) => {
      rmSync(site, { recursive: true });
      put(site);
    },
    { ...refusedSite, says: ["_site is not a directory"] },
  ),
  build(
    "the directory is a link to itself",
    ({ site }) => {
      rmSync(site, { recursive: true });
      symlinkSync("_site", site);
    },
    { ...refusedSite, says: ["_site: no such directory, or not readable"] },
  ),
  build(
    "the directory is empty",
    ({ site }) => {
      rmSync(site, { recursive: true });
      mkdirSync(site);
    },
    { ...refusedSite, says: ["_site holds no files"] },
  ),
  build(
    "there are only empty directories",
    ({ site }) => {
      rmSync(site, { recursive: true });
      mkdirSync(join(site, "a/b"), { recursive: true });
    },
    { ...refusedSite, says: ["_site holds no files"] },
  ),
  build("a link leaves the site", ({ site }) => symlinkSync("../../www.hvt", join(site, "about/kernel")), {
    ...refusedSite,
    says: ["about/kernel: a symbolic link that leaves the site"],
  }),
  build("a link names an absolute path outside", ({ site }) => symlinkSync("/etc/passwd", join(site, "passwd")), {
    ...refusedSite,
    says: ["passwd: a symbolic link that leaves the site (to /etc/passwd)"],
  }),
  build(
    "a link leads outside and back in",
    ({ site }) => {
      symlinkSync("..", join(site, "up"));
    },
    { ...refusedSite, says: ["up: a symbolic link that leaves the site"] },
  ),
  build(
    "a link leads to a directory whose name only begins like the site's",
    ({ source, site }) => {
      put(join(source, "_site-secret/key"));
      symlinkSync("../_site-secret/key", join(site, "key"));
    },
    { ...refusedSite, says: ["key: a symbolic link that leaves the site"] },
  ),
  build("a link dangles", ({ site }) => symlinkSync("nowhere", join(site, "style/dangling")), {
    ...refusedSite,
    says: ["style/dangling: a symbolic link to nothing"],
  }),
  build(
    "links to files loop",
    ({ site }) => {
      symlinkSync("pong", join(site, "ping"));
      symlinkSync("ping", join(site, "pong"));
    },
    { ...refusedSite, says: ["ping: a symbolic link that loops", "pong: a symbolic link that loops"] },
  ),
  build("a directory links to one above it", ({ site }) => symlinkSync("..", join(site, "about/up")), {
    ...refusedSite,
    says: ["about/up: a symbolic link that loops"],
  }),
  build(
    "two directories link to each other",
    ({ site }) => {
      symlinkSync("../style", join(site, "about/style"));
      symlinkSync("../about", join(site, "style/about"));
    },
    { ...refusedSite, says: ["about/style/about: a symbolic link that loops"] },
  ),
  build(
    "links multiply the site without end",
    ({ site }) => {
      for (let i = 0; i < 40; i++) {
        mkdirSync(join(site, `d${i}`));
        for (const name of ["a", "b"]) symlinkSync(`../d${i + 1}`, join(site, `d${i}`, name));
      }
      put(join(site, "d40/file"));
    },
    { ...refusedSite, says: ["more than 10000 directories are reached by links"] },
  ),
  build(
    "a link leads to a fifo",
    ({ site }) => {
      execFileSync("mkfifo", [join(site, "style/fifo")]);
      symlinkSync("style/fifo", join(site, "link"));
    },
    { ...refusedSite, says: ["link: a link to a fifo", "style/fifo: a fifo"] },
  ),
  build(
    "there is a socket",
    async ({ site }) => {
      const server = createServer();
      // A socket's path has at most 107 bytes.
      const directory = process.cwd();
      process.chdir(site);
      await new Promise<void>((resolve) => void server.listen("socket", resolve)).finally(() =>
        process.chdir(directory),
      );
      return { cleanup: () => server.close() };
    },
    { ...refusedSite, says: ["socket: a socket"] },
  ),
  build(
    "there is a device",
    ({ site }) => {
      try {
        execFileSync("mknod", [join(site, "null"), "c", "1", "3"], { stdio: "pipe" });
      } catch {
        return { skip: "only root may make devices" };
      }
      return {};
    },
    { ...refusedSite, says: ["null: a device"] },
  ),
  build("a name has a line break", ({ site }) => put(join(site, "two\nlines")), {
    ...refusedSite,
    says: ['"two\\nlines": a control character'],
  }),
  build("a directory's name has a tab", ({ site }) => put(join(site, "a\tb/c")), {
    ...refusedSite,
    says: ['"a\\tb/c": a control character'],
  }),
  build("a name is not UTF-8", ({ site }) => writeFileSync(bytesPath(site, 0x61, 0xff), "x"), {
    ...refusedSite,
    says: ["the name is not UTF-8"],
  }),
  build(
    "a directory's name is not UTF-8",
    ({ site }) => {
      mkdirSync(bytesPath(site, 0xe4));
      writeFileSync(bytesPath(site, 0xe4, 0x2f, 0x61), "x");
    },
    { ...refusedSite, says: ["the name is not UTF-8"] },
  ),
  build(
    "a name has U+FFFD, and really is spelt so",
    ({ site }) => put(join(site, "odd\ufffd.txt")),
    inVolume("odd\ufffd.txt"),
  ),
  build(
    "names of 101 to 255 bytes",
    ({ site }) => {
      for (const length of [100, 101, 155, 156, 254, 255]) put(join(site, "n".repeat(length)));
    },
    inVolume("n".repeat(101), "n".repeat(255)),
  ),
  build("a path of 511 bytes", ({ site }) => put(join(site, longPath(511))), inVolume(longPath(511))),
  build("a path of 512 bytes", ({ site }) => put(join(site, longPath(512))), {
    code: 2,
    error: "SITE_UNREPRESENTABLE",
    says: ["512 bytes of path", longPath(512)],
  }),
  build(
    "a path longer than the system can open",
    ({ site }) => {
      execFileSync(
        "bash",
        ["-c", `for i in {1..25}; do mkdir ${"d".repeat(200)} && cd ${"d".repeat(200)}; done; : > file`],
        { cwd: site },
      );
      return { cleanup: () => execFileSync("rm", ["-rf", site]) };
    },
    { ...refusedSite, says: ["cannot be read", "ENAMETOOLONG"] },
  ),
  rows(["image", "create", "--from", "../source/_site", "--out", "site.img"])(
    "a file may not be read",
    (world) => {
      chmodSync(join(world.site, "style/site.css"), 0o000);
      mkdirSync(join(world.root, "tmp"), { recursive: true });
      chmodSync(join(world.root, "tmp"), 0o777);
      const args = ["image", "create", "--from", "_site", "--out", "../tmp/site.img"];
      return isRoot ? { args, under: ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] } : { args };
    },
    { code: 3, error: "IO_FAILED", says: ["style/site.css", "EACCES"] },
  ),
  rows(["image", "create", "--from", "../source/_site", "--out", "../site.img"])(
    "a directory may not be read",
    (world) => {
      chmodSync(join(world.site, "style"), 0o000);
      mkdirSync(join(world.root, "tmp"), { recursive: true });
      chmodSync(join(world.root, "tmp"), 0o777);
      const args = ["image", "create", "--from", "_site", "--out", "../tmp/site.img"];
      const cleanup = () => chmodSync(join(world.site, "style"), 0o755);
      return isRoot
        ? { args, cleanup, under: ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] }
        : { args, cleanup };
    },
    { ...refusedSite, says: ["style/: cannot be read"] },
  ),
  build("files shrink while a FAT volume is made", () => virtualSite("/sys/class/net/lo/statistics", FAT), {
    code: 3,
    error: "FILE_CHANGED",
    says: ["/statistics/", /it ends after \d+ of 4096 bytes/],
  }),
  build("files grow while a FAT volume is made", () => virtualSite("/proc/sys/net/ipv4/neigh/lo", FAT), {
    code: 3,
    error: "FILE_CHANGED",
    says: ["/neigh/lo/", "it is longer than 0 bytes"],
  }),
  build(
    "files of a tar are shorter than the system says",
    () => virtualSite("/sys/class/net/lo/statistics"),
    inVolume("rx_bytes"),
  ),
  build("files of a tar are longer than the system says", () => virtualSite("/proc/sys/net/ipv4/neigh/lo"), {
    ...builds,
    also: ({ manifest }) => assert.ok(manifest.volumes[0].bytes > 0),
  }),
  build(
    "a file of 8 GiB",
    ({ site }) => {
      put(join(site, "video.mp4"));
      truncateSync(join(site, "video.mp4"), 8 * 1024 ** 3);
    },
    { code: 2, error: "SITE_UNREPRESENTABLE", says: ["video.mp4: 8589934592 bytes"] },
  ),
  build(
    "two things are wrong at once",
    ({ site }) => {
      symlinkSync("nowhere", join(site, "dangling"));
      execFileSync("mkfifo", [join(site, "fifo")]);
    },
    {
      ...refusedSite,
      says: ["dangling: a symbolic link to nothing", "fifo: a fifo", "2 entries"],
      also: ({ error }) => assert.equal(error.problems.length, 2),
    },
  ),
  build(
    "a directory is linked inside the site",
    ({ site }) => symlinkSync("about", join(site, "company")),
    inVolume("company/index.html", "about/index.html"),
  ),
  build(
    "two names are one file",
    ({ site }) => linkSync(join(site, "index.html"), join(site, "home.html")),
    inVolume("home.html", "index.html"),
  ),
  build(
    "empty directories are left out, and it is said",
    ({ site }) => mkdirSync(join(site, "drafts/old"), { recursive: true }),
    {
      ...builds,
      also: (_answer, _world, stderr) => assert.match(stderr, /volume data: 1 empty directory left out/),
    },
  ),
  rows(["image", "create", "--from", "_site", "--size", "4KiB", "--out", "../site.img"])(
    "the volume is too small",
    () => {},
    {
      code: 2,
      error: "SITE_UNREPRESENTABLE",
      says: [/the files need \d+ bytes, the volume is given 4096/],
    },
  ),
  build("a .git directory", ({ site }) => put(join(site, ".git/config"), "[core]\n"), {
    code: 1,
    says: [".git"],
    changes: RELEASE,
    also: ({ report }) => assert.equal(report.findings[0].check, "site-hygiene"),
  }),
  rows(DEPLOY)(
    "a .git directory, in layout files",
    ({ source, site }) => {
      put(join(site, ".git/config"), "[core]\n");
      put(join(site, "about/.GIT/HEAD"));
      put(join(source, "unikernel.yml"), "checks: {ignore: [site-hygiene]}\n");
      return rebuilt(source, [...DEPLOY, "--layout", "files"]);
    },
    {
      code: 2,
      error: "SITE_UNREPRESENTABLE",
      says: [".git/config: git stores no path", "about/.GIT/HEAD"],
    },
  ),
];

/** A directory of the kernel's, whose files do not have the size they say; a build that reads it. */
function virtualSite(directory: string, more: readonly string[] = []): Prepared {
  if (!existsSync(directory)) return { skip: `there is no ${directory} here` };
  return { args: [...BUILD.map((arg) => (arg === "_site" ? directory : arg)), ...more] };
}

/** A new commit with a new release of it, then `args`. */
async function rebuilt(source: string, args: readonly string[]): Promise<Prepared> {
  await git(source, "commit", "--quiet", "--allow-empty", "-m", "Another");
  const { code, stderr } = await cli(BUILD, { cwd: source });
  assert.equal(code, 0, stderr);
  return { args };
}

const CONFIGURED = ["build", "--out", "../release"];
const badConfig: Expected = { code: 2, error: "CONFIG_INVALID" };

/** A row whose unikernel.yml has these lines. */
const config = (name: string, lines: readonly string[], expected: Expected) =>
  rows(CONFIGURED)(
    name,
    ({ source }) => writeFileSync(join(source, "unikernel.yml"), `${lines.join("\n")}\n`),
    expected,
  );
const GOOD = ["kernels: [www.hvt]", "volumes:", "  data: {from: _site}"];
/** A row with these flags. */
const flags = (name: string, args: readonly string[], expected: Expected, prepare: Row["prepare"] = () => {}) =>
  rows(args)(name, prepare, expected);
const usage: Expected = { code: 2, error: "USAGE" };

const CONFIGS: readonly Row[] = [
  config("broken YAML", ["kernels: [www.hvt", "volumes: {"], { ...badConfig, says: [/unikernel\.yml:[23]: /] }),
  config("a key stands twice", [...GOOD, "name: a", "name: b"], {
    ...badConfig,
    says: ["unikernel.yml:5: ", "unique"],
  }),
  config("an unknown key", [...GOOD, "kernel: www.hvt"], {
    ...badConfig,
    says: ["unikernel.yml:4: kernel: unknown key"],
  }),
  config(
    "values of the wrong type",
    ["kernels: www.hvt", "name: [www]", "volumes: none", "launch: {memory: lots, args: x}"],
    {
      ...badConfig,
      says: [
        "5 mistakes",
        'unikernel.yml:1: kernels: expected a list, found "www.hvt"',
        'unikernel.yml:2: name: expected text, found ["www"]',
        'unikernel.yml:3: volumes: expected a map, found "none"',
        'unikernel.yml:4: launch.memory: expected a number, found "lots"',
        "unikernel.yml:4: launch.args: expected a list",
      ],
    },
  ),
  config("a list instead of keys and values", ["- www.hvt"], {
    ...badConfig,
    says: ["unikernel.yml:1: expected keys and values"],
  }),
  config("a single word", ["www"], { ...badConfig, says: ["unikernel.yml:1: expected keys and values"] }),
  config("tabs", ["volumes:", "\tdata:", "\t\tfrom: _site"], {
    ...badConfig,
    says: ["unikernel.yml:2: Tabs are not allowed"],
  }),
  config(
    "aliases that multiply without end",
    [
      "a: &a [x,x,x,x,x,x,x,x,x]",
      ..."bcdefgh".split("").map((name, i) => `${name}: &${name} [${`*${"abcdefg"[i]},`.repeat(9)}]`),
    ],
    { ...badConfig, says: ["unikernel.yml: Excessive alias count"] },
  ),
  config("an alias of itself", ["name: &a [*a]"], { ...badConfig, says: ["unikernel.yml"] }),
  config("ten thousand brackets", [`name: ${"[".repeat(10_000)}`], { ...badConfig, says: ["unikernel.yml"] }),
  config("two thousand nested lists", [`name: ${"[".repeat(2000)}${"]".repeat(2000)}`], {
    ...badConfig,
    says: ["unikernel.yml"],
  }),
  config("two documents", [...GOOD, "---", "name: x"], { ...badConfig, says: ["unikernel.yml:4: "] }),
  config("key __proto__", [...GOOD, "__proto__: {name: x}"], { ...badConfig, says: ["unikernel.yml:4: __proto__"] }),
  config("a volume called __proto__", [...GOOD, "  __proto__: {from: _site}"], {
    ...badConfig,
    says: ["unikernel.yml:4: volumes.__proto__"],
  }),
  config("a volume called constructor", [...GOOD, "  constructor: {from: _site}"], {
    ...badConfig,
    says: ["unikernel.yml:4: volumes.constructor"],
  }),
  config("a key that is no text", ["? [a]", ": b"], { ...badConfig, says: ["unikernel.yml:1: "] }),
  config("a name that would climb", ['name: "../www"', ...GOOD], {
    ...badConfig,
    says: ["unikernel.yml:1: name: expected letters, digits"],
  }),
  config("a volume's name that would climb", ["kernels: [www.hvt]", "volumes:", '  "../x": {from: _site}'], {
    ...badConfig,
    says: ["unikernel.yml:3: volumes.../x: expected a volume name"],
  }),
  config("a NUL in a path", ['kernels: ["www\\0.hvt"]', "volumes:", '  data: {from: "_site\\0"}'], {
    ...badConfig,
    says: ["unikernel.yml:1: kernels[0]", "unikernel.yml:3: volumes.data.from"],
  }),
  config("a format that is none", ["kernels: [www.hvt]", "volumes:", "  data:", "    from: _site", "    format: zip"], {
    ...badConfig,
    says: ["unikernel.yml:5: volumes.data.format", '"zip"'],
  }),
  config(
    "two volumes on one device",
    ["kernels: [www.hvt]", "volumes:", "  a: {from: _site, device: storage}", "  b: {from: _site, device: storage}"],
    {
      code: 1,
      says: ['volumes a and b both go to device \\"storage\\"'],
      changes: RELEASE,
      also: ({ passed, report }) => {
        assert.equal(passed, false);
        assert.ok(report.findings.some(({ check }: { check: string }) => check === "kernel-devices"));
      },
    },
  ),
  config("a secret volume with content", [...GOOD, "  tls: {secret: true, from: keys}"], {
    ...badConfig,
    says: ['unikernel.yml:4: volumes.tls: a secret volume has no "from"'],
  }),
  config("a data volume without a directory", ["kernels: [www.hvt]", "volumes:", "  data:", "    device: storage"], {
    ...badConfig,
    says: ["unikernel.yml:3: volumes.data.from: missing"],
  }),
  config("a size that is none", [...GOOD.slice(0, 2), "  data:", "    from: _site", "    size: 20 parsecs"], {
    ...badConfig,
    says: ["unikernel.yml:5: volumes.data.size: expected a size such as 20MB", "20 parsecs"],
  }),
  config("a negative size", [...GOOD, "checks: {max-image-size: -1}"], {
    ...badConfig,
    says: ["unikernel.yml:4: checks.max-image-size: expected a size"],
  }),
  config("a device name that Solo5 does not take", [...GOOD.slice(0, 2), '  data: {from: _site, device: "sto;rage"}'], {
    ...badConfig,
    says: ["unikernel.yml:3: volumes.data.device: expected 1 to 67 letters or digits"],
  }),
  config("a tender that is none", [...GOOD, "checks:", "  boot:", "    tender: vmware", "    port: 99999"], {
    ...badConfig,
    says: ["unikernel.yml:6: checks.boot.tender", "unikernel.yml:7: checks.boot.port: expected a port"],
  }),
  config(
    "mistakes all over",
    [
      "nme: www",
      "kernels:",
      "  - www.hvt",
      "  - 7",
      "volumes:",
      "  data:",
      "    from: _site",
      "    device: a-b",
      "deploy:",
      "  branch: -x",
      "  layout: both",
    ],
    {
      ...badConfig,
      says: [
        "5 mistakes",
        "unikernel.yml:1: nme: unknown key",
        "unikernel.yml:4: kernels[1]: expected text, found 7",
        "unikernel.yml:8: volumes.data.device",
        "unikernel.yml:10: deploy.branch",
        "unikernel.yml:11: deploy.layout",
      ],
    },
  ),
  config("more than a megabyte", ["#".repeat(1024 * 1024), ...GOOD], { ...badConfig, says: ["unikernel.yml: "] }),
  flags("the configuration is missing", [...CONFIGURED, "--config", "site.yml"], {
    ...usage,
    says: ["site.yml: no such file"],
  }),
  flags("the configuration is a directory", [...CONFIGURED, "--config", "_site"], {
    ...usage,
    says: ["_site: EISDIR"],
  }),
  flags("a file that is no configuration at all", [...CONFIGURED, "--config", "www.hvt"], {
    ...badConfig,
    says: ["www.hvt"],
  }),
  flags("an image in the place of a device", ["image", "create", "--from", "_site", "--out", "/dev/full"], {
    ...usage,
    says: ["/dev/full is not a regular file"],
  }),
  flags("an image within what it is made from", ["image", "create", "--from", "_site", "--out", "_site/x.img"], {
    ...usage,
    says: ["would be written into", "_site"],
  }),
  flags("a release within its own data", ["build", "--kernel", "www.hvt", "--data", "_site", "--out", "_site/x"], {
    ...usage,
    says: ["would be written into", "_site"],
  }),
  flags("a release where the kernel lets nobody make a directory", [...BUILD.slice(0, -1), "/proc/release"], {
    code: 3,
    error: "IO_FAILED",
    says: ["/proc/release"],
  }),
  flags("a file where a release is expected", ["check", "--release", "www.hvt"], {
    code: 3,
    error: "IO_FAILED",
    says: ["ENOTDIR", "is a file, not a directory"],
  }),
  flags("an image below a file", ["image", "create", "--from", "_site", "--out", "www.hvt/x.img"], {
    code: 3,
    error: "IO_FAILED",
    says: ["ENOTDIR"],
  }),
  flags("a name that is not UTF-8", ["image", "ls", "caf\ufffd.img"], { ...usage, says: ["not UTF-8"] }),
  flags("a directory where an image is expected", ["image", "ls", "_site"], { ...usage, says: ["_site: a directory"] }),
  flags("no verb that there is", ["bild"], { ...usage, says: ['there is no verb "bild"', "did you mean build?"] }),
  flags("no verb of its group", ["image", "craete"], { ...usage, says: ["did you mean image create?"] }),
  flags("a verb without its group", ["rollback"], { ...usage, says: ["did you mean host rollback?"] }),
  flags("a misspelt flag", [...BUILD, "--comand", "true"], { ...usage, says: ["did you mean --command?"] }),
  flags("a volume that no device can hold", [...BUILD, "--format", "elf-object"], {
    ...badConfig,
    says: ["--format: expected what a device can hold"],
  }),
  flags("an unknown flag", [...BUILD, "--compress"], { ...usage, says: ["--compress: there is no such option"] }),
  flags("a flag without its value", ["build", "--kernel", "www.hvt", "--data", "_site", "--out"], {
    ...usage,
    says: ["--out: needs a value"],
  }),
  flags(
    "a flag in the place of a value",
    ["build", "--kernel", "www.hvt", "--name", "--data", "_site", "--out", "../release"],
    {
      ...usage,
      says: ["--name: needs a value (NAME), found --data"],
    },
  ),
  flags("a single flag given twice", [...BUILD, "--out", "../elsewhere"], { ...usage, says: ["--out: given twice"] }),
  flags("no --out", BUILD.slice(0, -2), { ...usage, says: ["--out: missing"] }),
  flags("a value for a switch, and an argument too many", [...DEPLOY, "--force=yes", "now"], {
    ...usage,
    says: ["--force: takes no value", '"now": one argument too many'],
  }),
  flags("no kernel", ["build", "--data", "_site", "--out", "../release"], {
    ...badConfig,
    says: ["--kernel: missing"],
  }),
  flags(
    "--out holds somebody's files",
    BUILD,
    { code: 2, error: "OUTPUT_NOT_OURS", says: ["../release", "thesis.tex"].map((s) => s.replace("../", "")) },
    ({ release }) => {
      put(join(release, "thesis.tex"));
    },
  ),
  flags(
    "--out holds somebody's manifest.json",
    BUILD,
    { code: 2, error: "OUTPUT_NOT_OURS", says: ["its manifest.json is not a release manifest"] },
    ({ release }) => {
      put(join(release, "manifest.json"), '{"name": "My extension", "manifest_version": 3}');
    },
  ),
  flags(
    "--out holds a manifest.json of nothing",
    BUILD,
    { code: 2, error: "OUTPUT_NOT_OURS", says: ["its manifest.json is not a release manifest"] },
    ({ release }) => {
      put(join(release, "manifest.json"), "null");
    },
  ),
  flags("--out is a file", [...BUILD.slice(0, -1), "www.hvt"], {
    code: 2,
    error: "OUTPUT_NOT_OURS",
    says: ["www.hvt", "it is not a directory"],
  }),
  flags("--out is below a file", [...BUILD.slice(0, -1), "www.hvt/release"], {
    code: 3,
    error: "IO_FAILED",
    says: ["www.hvt/release"],
  }),
  flags(
    "--out is a link that loops",
    [...BUILD.slice(0, -1), "loop"],
    { code: 3, error: "IO_FAILED", says: ["loop"] },
    ({ source }) => symlinkSync("loop", join(source, "loop")),
  ),
  flags("--out has a name that is too long", [...BUILD.slice(0, -1), "o".repeat(300)], {
    code: 3,
    error: "IO_FAILED",
    says: ["oooo"],
  }),
  flags(
    "the build writes its own files to --out",
    [...BUILD.slice(0, -1), "out", "--command", "mkdir out && echo mine > out/page.html"],
    {
      code: 2,
      error: "OUTPUT_NOT_OURS",
      says: ["page.html"],
      changes: ["source/out"],
      also: (_, { source }) => assert.equal(readFileSync(join(source, "out/page.html"), "utf8"), "mine\n"),
    },
  ),
  flags("the build fails", [...BUILD, "--command", "echo nearly; exit 7"], {
    code: 3,
    error: "BUILD_FAILED",
    says: ["nearly", "exit code 7"],
  }),
  flags("two volumes of one name", [...BUILD, "--data", "other"], {
    ...badConfig,
    says: ['--data: two volumes are called "data"'],
  }),
  flags("a volume without a name", [...BUILD, "--data", "=_site"], { ...badConfig, says: ["--data: "] }),
  flags("a volume without a directory", ["build", "--kernel", "www.hvt", "--data", "data=", "--out", "../release"], {
    ...badConfig,
    says: ["--data: "],
  }),
  flags("--data names __proto__", [...BUILD, "--data", "__proto__=_site"], { ...badConfig, says: ["--data: "] }),
  flags("--device with two volumes", [...BUILD, "--data", "more=_site", "--device", "storage"], {
    ...badConfig,
    says: ["--device: there are 2 data volumes (data, more)"],
  }),
  flags("--format without a volume", ["build", "--kernel", "www.hvt", "--format", "tar", "--out", "../release"], {
    ...badConfig,
    says: ["--format: there is no data volume"],
  }),
  flags("--size that is none", ["image", "create", "--from", "_site", "--size", "big", "--out", "../site.img"], {
    ...usage,
    says: ["--size: expected a size", "big"],
  }),
  flags(
    "--format that is none",
    ["image", "create", "--from", "_site", "--format", "__proto__", "--out", "../site.img"],
    { ...usage, says: ['"__proto__"'] },
  ),
  flags("an image that is a kernel", ["image", "ls", "www.hvt"], {
    code: 2,
    error: "IMAGE_INVALID",
    says: ["www.hvt is not an image"],
  }),
  flags("extracting over somebody's files", ["image", "extract", "../release/volumes/data.img", "_site"], {
    code: 2,
    error: "OUTPUT_NOT_OURS",
    says: ["_site is not an empty directory"],
  }),
  flags(
    "no source commit",
    BUILD,
    { code: 2, error: "SOURCE_UNKNOWN", says: ["source is not in a git checkout"] },
    ({ source }) => rmSync(join(source, ".git"), { recursive: true }),
  ),
];

const noKernel: Expected = { code: 1, changes: RELEASE, also: ({ passed }) => assert.equal(passed, false) };
const unreadableKernel: Expected = { code: 2, error: "KERNEL_UNREADABLE" };
/** A row whose kernel is these bytes. */
const kernelOf = (name: string, bytes: () => Buffer | string, expected: Expected) =>
  build(name, ({ source }) => writeFileSync(join(source, "www.hvt"), bytes()), expected);

const KERNELS: readonly Row[] = [
  build("it is missing", ({ source }) => unlinkSync(join(source, "www.hvt")), {
    code: 2,
    error: "KERNEL_MISSING",
    says: ["www.hvt: no such file"],
  }),
  build(
    "it is a directory",
    ({ source }) => {
      unlinkSync(join(source, "www.hvt"));
      mkdirSync(join(source, "www.hvt"));
    },
    { ...unreadableKernel, says: ["www.hvt is not a regular file"] },
  ),
  build(
    "it is a fifo",
    ({ source }) => {
      unlinkSync(join(source, "www.hvt"));
      execFileSync("mkfifo", [join(source, "www.hvt")]);
    },
    { ...unreadableKernel, says: ["www.hvt is not a regular file"] },
  ),
  build(
    "it is a link that loops",
    ({ source }) => {
      unlinkSync(join(source, "www.hvt"));
      symlinkSync("www.hvt", join(source, "www.hvt"));
    },
    { code: 2, error: "KERNEL_MISSING", says: ["www.hvt"] },
  ),
  build(
    "its name is too long",
    () => ({ args: ["build", "--kernel", "k".repeat(300), "--data", "_site", "--out", "../release"] }),
    {
      code: 2,
      error: "KERNEL_MISSING",
      says: ["kkkk"],
    },
  ),
  kernelOf("it is empty", () => "", { ...noKernel, says: ["www.hvt", "the file is empty [file-empty]"] }),
  kernelOf("it is an ELF file cut off in its header", () => kernel().subarray(0, 40), {
    ...noKernel,
    says: ["www.hvt", "[elf-truncated]"],
  }),
  kernelOf("it is an ELF file cut off in its code", () => kernel().subarray(0, 5000), {
    ...noKernel,
    says: ["www.hvt", "[segment-out-of-range]"],
  }),
  kernelOf("it is compressed", () => gzipSync(kernel()), { ...noKernel, says: ["www.hvt", "compressed (gzip)"] }),
  kernelOf("it is a script", () => "#!/bin/sh\nexec qemu\n", { ...noKernel, says: ["www.hvt"] }),
  build(
    "a pattern that matches nothing",
    () => ({ args: BUILD.map((arg) => (arg === "www.hvt" ? "dist/*.hvt" : arg)) }),
    {
      code: 2,
      error: "KERNEL_MISSING",
      says: ["dist/*.hvt: no such file"],
    },
  ),
  build(
    "two of one name",
    ({ source }) => {
      put(join(source, "a/www.hvt"), kernel());
      put(join(source, "b/www.hvt"), kernel());
      return { args: BUILD.map((arg) => (arg === "www.hvt" ? "*/www.hvt" : arg)) };
    },
    { ...unreadableKernel, says: ["a/www.hvt", "b/www.hvt", "would both be kernels/www.hvt"] },
  ),
  build(
    "a name for a shell",
    ({ source }) => {
      put(join(source, "$(reboot).hvt"), kernel());
      return { args: BUILD.map((arg) => (arg === "www.hvt" ? "$(reboot).hvt" : arg)) };
    },
    { ...unreadableKernel, says: ['"$(reboot).hvt"'] },
  ),
  kernelOf("it lacks the device", () => kernel([{ name: "service", type: "net" }]), {
    code: 1,
    says: ["the kernel declares no block device"],
    changes: RELEASE,
    also: (_, { release }) => {
      const report = JSON.parse(readFileSync(join(release, "report.json"), "utf8"));
      assert.equal(report.passed, false);
      assert.equal(report.findings[0].check, "kernel-devices");
      assert.ok(existsSync(join(release, "manifest.json")));
    },
  }),
  build("--device is none of its devices", () => ({ args: [...BUILD, "--device", "disk"] }), {
    code: 1,
    says: ['goes to device \\"disk\\", but the kernel declares block device storage'],
    changes: RELEASE,
  }),
  kernelOf(
    "it has two block devices",
    () =>
      kernel([
        { name: "storage", type: "block" },
        { name: "tls", type: "block" },
      ]),
    {
      code: 1,
      says: ['the kernel declares block device \\"tls\\", and no volume goes to it'],
      changes: RELEASE,
    },
  ),
];

const check = rows(["check", "--release", "../release"]);
const deployRelease = rows(DEPLOY);
const manifestRow = (name: string, edit: (manifest: Json) => unknown, expected: Expected) =>
  deployRelease(name, ({ release }) => editJson(join(release, "manifest.json"), edit), expected);
const badManifest: Expected = { code: 2, error: "MANIFEST_INVALID" };
const mismatch: Expected = { code: 4, error: "DIGEST_MISMATCH" };
const alter = (file: string, at?: number) => writeFileSync(file, flipped(readFileSync(file), at));

const RELEASES: readonly Row[] = [
  check("the directory is missing", ({ release }) => rmSync(release, { recursive: true }), {
    code: 2,
    error: "RELEASE_INVALID",
    says: ["release", "it has no manifest.json"],
  }),
  check("no manifest", ({ release }) => unlinkSync(join(release, "manifest.json")), {
    code: 2,
    error: "RELEASE_INVALID",
    says: ["it has no manifest.json"],
  }),
  check(
    "the manifest is a directory",
    ({ release }) => {
      unlinkSync(join(release, "manifest.json"));
      mkdirSync(join(release, "manifest.json"));
    },
    { code: 2, error: "RELEASE_INVALID", says: ["it has no manifest.json"] },
  ),
  check(
    "garbage for a manifest",
    ({ release }) => put(join(release, "manifest.json"), Buffer.from([0xff, 0xfe, 0x00])),
    { ...badManifest, says: ["manifest.json", "not JSON"] },
  ),
  check("half a manifest", ({ release }) => truncateSync(join(release, "manifest.json"), 200), {
    ...badManifest,
    says: ["manifest.json", "not JSON"],
  }),
  check("a list for a manifest", ({ release }) => put(join(release, "manifest.json"), "[]"), {
    ...badManifest,
    says: ["expected a JSON object"],
  }),
  check(
    "nine megabytes of manifest",
    ({ release }) => appendFileSync(join(release, "manifest.json"), " ".repeat(9 * 1024 * 1024)),
    {
      code: 2,
      error: "RELEASE_INVALID",
      says: ["too many for a manifest"],
    },
  ),
  deployRelease(
    "a field nested a hundred thousand deep",
    async (world) => {
      await rebuilt(world.source, DEPLOY);
      const file = join(world.release, "manifest.json");
      const deep = `"deep": ${"[".repeat(100_000)}${"]".repeat(100_000)},`;
      writeFileSync(file, readFileSync(file, "utf8").replace("{", `{${deep}`));
    },
    { ...badManifest, says: ["manifest.json", "nested more than"] },
  ),
  manifestRow("another type", (m) => void (m.type = "solo5.manifest"), { ...badManifest, says: ["type: expected"] }),
  manifestRow("a later version", (m) => void (m.version = 2), {
    ...badManifest,
    says: ["version: expected 1, found 2"],
  }),
  manifestRow("a kernel's path that climbs", (m) => void (m.kernels[0].path = "../www.hvt"), {
    ...badManifest,
    says: ["kernels[0].path: "],
  }),
  manifestRow("a kernel outside kernels/", (m) => void (m.kernels[0].path = "volumes/data.img"), {
    ...badManifest,
    says: ["kernels[0].path: "],
  }),
  manifestRow("a kernel below kernels/ but one deeper", (m) => void (m.kernels[0].path = "kernels/a/www.hvt"), {
    ...badManifest,
    says: ["kernels[0].path: "],
  }),
  manifestRow("a volume's name that climbs", (m) => void (m.volumes[0].name = "../../data"), {
    ...badManifest,
    says: ["volumes[0].name: "],
  }),
  manifestRow("a negative size", (m) => void (m.volumes[0].size = -4096), {
    ...badManifest,
    says: ["volumes[0].size: "],
  }),
  manifestRow("a size beyond exact numbers", (m) => void (m.kernels[0].size = 2 ** 60), {
    ...badManifest,
    says: ["kernels[0].size: "],
  }),
  manifestRow(
    "several mistakes",
    (m) => {
      m.name = "a b";
      m.source.commit = "HEAD";
      m.kernels[0].sha256 = "abc";
    },
    { ...badManifest, says: ["name: ", "source.commit: ", "kernels[0].sha256: "] },
  ),
  manifestRow("no kernel at all", (m) => void (m.kernels = []), { ...badManifest, says: ["kernels: "] }),
  manifestRow("an image format that is none", (m) => void (m.volumes[0].format = "zip"), {
    code: 2,
    error: "RELEASE_INVALID",
    says: ['volume data is of format "zip"'],
  }),
  manifestRow("devices that the kernel does not have", (m) => void (m.kernels[0].devices[0].name = "disk"), {
    ...mismatch,
    says: ["kernels/www.hvt", "block disk"],
  }),
  manifestRow("another number of files", (m) => void (m.volumes[0].files = 3), {
    ...mismatch,
    says: ["volumes/data.img: holds 5 files"],
  }),
  check("one bit of the kernel is different", ({ release }) => alter(join(release, "kernels/www.hvt")), {
    ...mismatch,
    says: ["kernels/www.hvt: sha256"],
  }),
  check("the kernel is cut off", ({ release }) => truncateSync(join(release, "kernels/www.hvt"), 100), {
    ...mismatch,
    says: ["kernels/www.hvt: 100 bytes"],
  }),
  check("one bit of a page is different", ({ release }) => alter(join(release, "volumes/data.img"), 520), {
    ...mismatch,
    says: ["volumes/data.img: sha256"],
  }),
  check("one bit of a header in the image is different", ({ release }) => alter(join(release, "volumes/data.img"), 3), {
    ...mismatch,
    says: ["volumes/data.img: sha256"],
  }),
  check("the image is cut off", ({ release }) => truncateSync(join(release, "volumes/data.img"), 1024), {
    ...mismatch,
    says: ["volumes/data.img: 1024 bytes"],
  }),
  check(
    "both the kernel and the image are different",
    ({ release }) => {
      alter(join(release, "volumes/data.img"), 520);
      alter(join(release, "kernels/www.hvt"));
    },
    { ...mismatch, says: ["volumes/data.img: sha256", "kernels/www.hvt: sha256"] },
  ),
  check(
    "the index does not match",
    ({ release }) => {
      const file = join(release, "volumes/data.index");
      writeFileSync(file, readFileSync(file, "utf8").replace("robots.txt", "Robots.txt"));
    },
    { ...mismatch, says: ["volumes/data.index: "] },
  ),
  check("the index is garbage", ({ release }) => put(join(release, "volumes/data.index"), "index\n"), {
    ...mismatch,
    says: ["volumes/data.index: "],
  }),
  check("the index is missing", ({ release }) => unlinkSync(join(release, "volumes/data.index")), {
    code: 2,
    error: "RELEASE_INVALID",
    says: ["volumes/data.index is missing"],
  }),
  check("the image is missing", ({ release }) => unlinkSync(join(release, "volumes/data.img")), {
    code: 2,
    error: "RELEASE_INVALID",
    says: ["volumes/data.img is missing"],
  }),
  check(
    "a link stands for the image",
    ({ release, root }) => {
      renameSync(join(release, "volumes/data.img"), join(root, "data.img"));
      symlinkSync("../../data.img", join(release, "volumes/data.img"));
    },
    { code: 2, error: "RELEASE_INVALID", says: ["volumes/data.img"] },
  ),
  check(
    "a link stands for the directory of kernels",
    ({ release, root }) => {
      renameSync(join(release, "kernels"), join(root, "kernels"));
      symlinkSync("../kernels", join(release, "kernels"));
    },
    { code: 2, error: "RELEASE_INVALID", says: ["kernels"] },
  ),
  check(
    "a link stands for the manifest",
    ({ release, root }) => {
      renameSync(join(release, "manifest.json"), join(root, "manifest.json"));
      symlinkSync("../manifest.json", join(release, "manifest.json"));
    },
    { code: 2, error: "RELEASE_INVALID", says: ["manifest.json"] },
  ),
  check(
    "a fifo stands for the kernel",
    ({ release }) => {
      unlinkSync(join(release, "kernels/www.hvt"));
      execFileSync("mkfifo", [join(release, "kernels/www.hvt")]);
    },
    { code: 2, error: "RELEASE_INVALID", says: ["kernels/www.hvt"] },
  ),
  deployRelease(
    "the image holds something else, and the manifest says so",
    async ({ release }) => {
      const image = join(release, "volumes/data.img");
      const bytes = Buffer.concat([gzipSync("not a tar"), Buffer.alloc(4096)]).subarray(0, 4096);
      writeFileSync(image, bytes);
      const sha256 = createHash("sha256").update(bytes).digest("hex");
      await editJson(join(release, "manifest.json"), (m) => void Object.assign(m.volumes[0], { size: 4096, sha256 }));
    },
    { code: 2, error: "IMAGE_INVALID", says: ["data.img"] },
  ),
];

const deploy = rows(DEPLOY);
const to = (...more: readonly string[]) => ["deploy", "--release", "../release", ...more];
const foreign: Expected = { code: 3, error: "REPOSITORY_FOREIGN" };
const unreachable: Expected = { code: 3, error: "REPOSITORY_UNREACHABLE" };
const deploys: Expected = { code: 0, changes: REPOSITORY };
/** A release of a new commit, so that there is something to deploy. */
const renewed = ({ source }: World) => rebuilt(source, DEPLOY);

const REPOSITORIES: readonly Row[] = [
  deploy("the same release again", () => {}, {
    code: 0,
    also: ({ deployed }) => assert.equal(deployed.outcome, "unchanged"),
  }),
  deploy("not a repository", () => ({ args: to("--repository", "_site") }), {
    ...unreachable,
    says: ["_site", "there is no repository"],
  }),
  deploy("a path to nothing", () => ({ args: to("--repository", "../nowhere.git") }), {
    ...unreachable,
    says: ["nowhere.git", "there is no repository"],
  }),
  deploy("a file", () => ({ args: to("--repository", "./www.hvt") }), {
    code: 3,
    says: ["source/www.hvt"],
  }),
  deploy(
    "a checkout that is on the branch",
    async ({ root }) => {
      await git(root, "clone", "--quiet", "deployment.git", "checkout");
      await rebuilt(join(root, "source"), []);
      return { args: to("--repository", "../checkout") };
    },
    { code: 3, error: "PUSH_REJECTED", says: ["checkout", "refuse"], changes: ["checkout/.git/objects"] },
  ),
  deploy(
    "a manifest.json of somebody else",
    async (world) => {
      await tamper(world.repository, [{ path: "manifest.json", content: '{"manifest_version": 3}\n' }]);
      return renewed(world);
    },
    { ...foreign, says: ["manifest.json is not a release manifest of ours"] },
  ),
  deploy(
    "releases of another site",
    async (world) => {
      await rebuilt(world.source, DEPLOY);
      await editJson(join(world.release, "manifest.json"), (m) => void (m.name = "blog"));
    },
    { ...foreign, says: ['holds the releases of "www", not of "blog"'] },
  ),
  deploy(
    "a file called kernels",
    async (world) => {
      await tamper(world.repository, [
        { path: "kernels/www.hvt" },
        { path: "manifest.json" },
        { path: "kernels", content: "x" },
      ]);
      return renewed(world);
    },
    { ...foreign, says: ["kernels: a file where a directory is needed"] },
  ),
  {
    ...deploy(
      "a directory called manifest.json",
      async (world) => {
        await tamper(world.repository, [{ path: "manifest.json" }, { path: "manifest.json/x", content: "x" }]);
        return renewed(world);
      },
      { ...foreign, says: ["manifest.json"] },
    ),
  },
  {
    ...deploy(
      "a site whose names only other systems take for .git",
      async (world) => {
        put(join(world.site, "git~1/page.html"));
        return rebuilt(world.source, [...DEPLOY, "--layout", "files"]);
      },
      { code: 2, error: "SITE_UNREPRESENTABLE", says: ["git~1/page.html"] },
    ),
  },
  {
    ...deploy(
      "a file where --path leads",
      async (world) => {
        await rebuilt(world.source, DEPLOY);
        return { args: [...DEPLOY, "--path", "README.md/www"] };
      },
      { ...foreign, says: ["README.md"] },
    ),
  },
  deploy(
    "files that are not ours stay",
    async (world) => {
      await tamper(world.repository, [
        { path: "NOTES", content: "keep" },
        { path: "kernels/old.xen", content: "keep" },
      ]);
      return renewed(world);
    },
    {
      ...deploys,
      also: async (_, { repository }) => {
        assert.equal((await readCommitted(repository, "NOTES")).toString(), "keep");
        assert.equal((await readCommitted(repository, "kernels/old.xen")).toString(), "keep");
      },
    },
  ),
  deploy("a branch name that is none", () => ({ args: [...DEPLOY, "--branch", "a..b"] }), {
    ...badConfig,
    says: ["--branch: expected a branch name"],
  }),
  deploy("a branch name that is a flag", () => ({ args: [...DEPLOY, "--branch=-f"] }), {
    ...badConfig,
    says: ["--branch: expected a branch name"],
  }),
  deploy("a path that climbs", () => ({ args: [...DEPLOY, "--path", "../../etc"] }), {
    ...badConfig,
    says: ["--path: expected a relative directory"],
  }),
  deploy("an address that is a flag", () => ({ args: to("--repository=--upload-pack=touch ../pwned") }), {
    ...usage,
    says: ["--upload-pack=touch ../pwned"],
  }),
  deploy("an address that runs a command", () => ({ args: to("--repository", "ext::sh -c touch% ../pwned") }), {
    ...usage,
    says: ["ext::sh -c touch% ../pwned"],
  }),
  deploy("an address that names a helper", () => ({ args: to("--repository", "fd::17") }), {
    ...usage,
    says: ["fd::17"],
  }),
  deploy(
    "an ssh address whose host is a flag",
    () => ({ args: to("--repository", "ssh://-oProxyCommand=touch%20pwned/x") }),
    { ...usage, says: ["-oProxyCommand"] },
  ),
  deploy("an address with a line break", () => ({ args: to("--repository", "https://example.org/\nevil") }), {
    ...usage,
    says: ["not the address of a repository"],
  }),
  deploy("no address", () => ({ args: to() }), { ...usage, says: ["--repository: missing"] }),
  deploy("a server that is not there", () => ({ args: to("--repository", "http://127.0.0.1:9/www.git") }), {
    ...unreachable,
    says: ["http://127.0.0.1:9/www.git"],
  }),
  deploy(
    "a key that is public",
    ({ root }) => {
      put(join(root, "key.pub"), "ssh-ed25519 AAAA someone\n");
      return { args: [...DEPLOY, "--signing-key", "../key.pub"] };
    },
    { code: 2, error: "KEY_INVALID", says: ["a public key"] },
  ),
  deploy("a key file that is missing", () => ({ args: [...DEPLOY, "--signing-key", "../key"] }), {
    ...usage,
    says: ["../key: no such file"],
  }),
  deploy(
    "a release with an error",
    async (world) => {
      const { code } = await cli([...BUILD, "--device", "disk"], { cwd: world.source });
      assert.equal(code, 1);
    },
    { code: 1, says: ['goes to device \\"disk\\"'] },
  ),
  deploy(
    "the same source commit with another page",
    async ({ source, site }) => {
      writeFileSync(join(site, "index.html"), "changed");
      const { code, stderr } = await cli(BUILD, { cwd: source });
      assert.equal(code, 0, stderr);
    },
    { code: 3, error: "RELEASE_CONFLICT", says: ["volumes/data: sha256", "--force"] },
  ),
  deploy(
    "the same source commit with another kernel",
    async ({ source }) => {
      writeFileSync(join(source, "www.hvt"), Buffer.concat([kernel(), Buffer.from("trailing")]));
      const { code, stderr } = await cli(BUILD, { cwd: source });
      assert.equal(code, 0, stderr);
    },
    { code: 3, error: "RELEASE_CONFLICT", says: ["kernels/www.hvt: sha256"] },
  ),
  deploy(
    "the same source commit with other bytes, by force",
    async ({ source, site }) => {
      writeFileSync(join(site, "index.html"), "changed");
      const { code, stderr } = await cli(BUILD, { cwd: source });
      assert.equal(code, 0, stderr);
      return { args: [...DEPLOY, "--force"] };
    },
    {
      ...deploys,
      also: async ({ deployed, manifest }, { repository }) => {
        assert.equal(deployed.outcome, "deployed");
        assert.equal(manifest.sequence, 2);
        const tag = `source/www/${manifest.source.commit}`;
        assert.equal(await git(repository, "rev-parse", `${tag}^{commit}`), await git(repository, "rev-parse", "main"));
      },
    },
  ),
  deploy(
    "a dry run",
    async (world) => {
      await rebuilt(world.source, DEPLOY);
      return { args: [...DEPLOY, "--dry-run"] };
    },
    { code: 0, also: ({ deployed }) => assert.equal(deployed.outcome, "planned") },
  ),
];

const sync = rows(SYNC);
const untrusted: Expected = { code: 4, error: "RELEASE_UNTRUSTED" };
/** An attacker's commit on top; each edit is a path with a function from what was there to what is there then. */
const attack = (
  name: string,
  path: string,
  change: (bytes: Buffer) => Buffer | string | undefined,
  expected: Expected,
  options: Attack = {},
) =>
  sync(
    name,
    async (world) => {
      await options.first?.(world);
      const before = await readCommitted(world.repository, path);
      await tamper(world.repository, [
        { path, content: change(before), ...(options.mode ? { mode: options.mode } : {}) },
      ]);
    },
    expected,
  );
interface Attack {
  readonly mode?: string;
  readonly first?: (world: World) => unknown;
}
const remade = (edit: (manifest: Json) => unknown) => (bytes: Buffer) => {
  const manifest = JSON.parse(bytes.toString("utf8"));
  return `${JSON.stringify(edit(manifest) ?? manifest, null, 2)}\n`;
};
/** Forty trees that hold the next one twice: git walks through 2^40 directories, and lists no file. */
async function treeWithoutEnd({ repository }: World): Promise<void> {
  let tree = (await git(repository, "hash-object", "-t", "tree", "-w", "/dev/null")).trim();
  const make = (entries: string) =>
    execFileSync("git", ["-C", repository, "mktree", "-z"], { input: entries, encoding: "utf8" }).trim();
  for (let i = 0; i < 40; i++) tree = make(`040000 tree ${tree}\ta\u0000040000 tree ${tree}\tb\u0000`);
  const commit = execFileSync("git", ["-C", repository, "commit-tree", "-m", "x", "-p", "main", tree], {
    encoding: "utf8",
    env: {
      ...process.env,
      GIT_AUTHOR_NAME: "x",
      GIT_AUTHOR_EMAIL: "x",
      GIT_COMMITTER_NAME: "x",
      GIT_COMMITTER_EMAIL: "x",
    },
  }).trim();
  await git(repository, "update-ref", "refs/heads/main", commit);
}

/** As on a host that has never run anything. */
const newHost = ({ state }: World) => rmSync(state, { recursive: true });
/** Store the image in two parts, as if it were a large one. */
async function inParts({ repository }: World): Promise<void> {
  const image = await readCommitted(repository, "volumes/data.img");
  const manifest = JSON.parse((await readCommitted(repository, "manifest.json")).toString("utf8"));
  const pieces = [image.subarray(0, 1024), image.subarray(1024)];
  const parts = pieces.map((bytes, i) => ({
    path: `volumes/data.img.parts/000${i}`,
    size: bytes.length,
    sha256: createHash("sha256").update(bytes).digest("hex"),
  }));
  const { path: _, ...volume } = manifest.volumes[0];
  manifest.volumes[0] = { ...volume, parts };
  const edits: Edit[] = parts.map(({ path }, i) => ({ path, content: pieces[i] }));
  await tamper(repository, [
    ...edits,
    { path: "volumes/data.img" },
    { path: "manifest.json", content: JSON.stringify(manifest) },
  ]);
}
/** Store the site as a tree. */
async function asFiles({ source, state }: World): Promise<void> {
  await git(source, "commit", "--quiet", "--allow-empty", "-m", "Another");
  for (const args of [BUILD, [...DEPLOY, "--layout", "files"]]) {
    const { code, stderr } = await cli(args, { cwd: source });
    assert.equal(code, 0, stderr);
  }
  rmSync(state, { recursive: true });
}
/** Sign with a new key, and tell the host to want a signature of `trusted`. */
async function keys(world: World, trusted: "signer" | "other"): Promise<void> {
  for (const name of ["signer", "other"]) {
    await output("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", join(world.root, name)]);
  }
  const publicKey = readFileSync(join(world.root, `${trusted}.pub`), "utf8");
  put(join(world.root, "host/allowed"), `deploy@example.org ${publicKey}`);
  put(join(world.root, WORLD.host), hostConfig("allowed-signers: allowed\n"));
  const manifest = join(world.root, "manifest.json");
  writeFileSync(manifest, await readCommitted(world.repository, "manifest.json"));
  await output("ssh-keygen", [
    "-q",
    "-Y",
    "sign",
    "-n",
    "unikernel-deploy",
    "-f",
    join(world.root, "signer"),
    manifest,
  ]);
  await tamper(world.repository, [{ path: "manifest.json.sig", content: readFileSync(`${manifest}.sig`) }]);
}
const hostYml = (name: string, text: string, expected: Expected) =>
  sync(name, ({ root }) => put(join(root, WORLD.host), text), expected);
const nothingRuns = {
  changes: STATE,
  also: (_: unknown, { state }: World) => assert.ok(!existsSync(join(state, "current"))),
};
/** What a host that never ran anything has afterwards: its mirror, no release. */
const refusedAtFirst = (says: readonly (string | RegExp)[], error: ErrorCode = "DIGEST_MISMATCH"): Expected => ({
  code: 4,
  error,
  says,
  ...nothingRuns,
});

const HOSTS: readonly Row[] = [
  sync("nothing new", () => {}, { code: 0, also: ({ outcome }) => assert.equal(outcome, "current") }),
  sync(
    "an empty repository",
    async (world) => {
      newHost(world);
      rmSync(world.repository, { recursive: true });
      await git(world.root, "init", "--quiet", "--bare", "deployment.git");
    },
    { code: 3, error: "RELEASE_MISSING", says: ["has no branch main yet"], ...nothingRuns },
  ),
  sync("no repository", ({ repository }) => rmSync(repository, { recursive: true }), {
    ...unreachable,
    says: ["deployment.git"],
  }),
  attack("no manifest", "manifest.json", () => undefined, {
    code: 3,
    error: "RELEASE_MISSING",
    says: ["no manifest.json"],
  }),
  attack("garbage for a manifest", "manifest.json", () => "{", { ...untrusted, says: ["manifest.json", "not JSON"] }),
  attack(
    "a manifest of another name",
    "manifest.json",
    remade((m) => void (m.name = "blog")),
    { ...untrusted, says: ['releases of "blog", this host runs "www"'] },
  ),
  attack(
    "a manifest without a sequence",
    "manifest.json",
    remade((m) => void delete m.sequence),
    { ...untrusted, says: ["no sequence"] },
  ),
  attack(
    "a manifest whose kernel path climbs",
    "manifest.json",
    remade((m) => void (m.kernels[0].path = "../../../etc/cron.d/x")),
    { ...untrusted, says: ["kernels[0].path"] },
  ),
  attack(
    "a manifest whose launch file path climbs",
    "manifest.json",
    remade((m) => void (m.files[0].path = "launch/../../../x")),
    { ...untrusted, says: ["files[0].path"] },
  ),
  attack(
    "a manifest that names one path twice",
    "manifest.json",
    remade((m) => void m.files.push(m.files[0])),
    { ...untrusted, says: ["stands twice"] },
  ),
  attack(
    "a manifest that names a file and one below it",
    "manifest.json",
    remade((m) => void m.files.push({ ...m.files[0], path: "SHA256SUMS/x" })),
    {
      ...untrusted,
      says: ["SHA256SUMS"],
    },
  ),
  attack(
    "a manifest of a million mistakes",
    "manifest.json",
    (bytes) => bytes.toString("utf8").replace('"kernels": [', `"kernels": [${"0,".repeat(1_000_000)}`),
    { ...untrusted, says: ["kernels[0]"] },
  ),
  sync("a tree of a few objects that never ends", treeWithoutEnd, {
    ...untrusted,
    says: ["more files than any site has"],
  }),
  attack(
    "an image larger than the disk",
    "manifest.json",
    remade((m) => void (m.volumes[0].size = 2 ** 50)),
    { code: 3, error: "IO_FAILED", says: ["it takes 1126 TB", "are free"], ...nothingRuns },
    {
      first: async (world) => {
        const again = [...DEPLOY, "--layout", "files", "--force"];
        assert.equal((await cli(again, { cwd: world.source })).code, 0);
        newHost(world);
      },
    },
  ),
  hostYml("a target that the release lacks", hostConfig().replace("hvt", "xen"), {
    ...untrusted,
    says: ["one kernel for target xen is needed, the release has: hvt (x86_64)"],
  }),
  attack("one bit of the kernel, in a release that runs here", "kernels/www.hvt", (bytes) => flipped(bytes), {
    ...mismatch,
    says: ["kernels/www.hvt"],
  }),
  attack("one bit of the image, in a release that runs here", "volumes/data.img", (bytes) => flipped(bytes), {
    ...mismatch,
    says: ["volumes/data.img"],
  }),
  attack("one bit of the index, in a release that runs here", "volumes/data.index", (bytes) => flipped(bytes), {
    ...mismatch,
    says: ["volumes/data.index"],
  }),
  attack("one bit of a launch file, in a release that runs here", "launch/www.hvt.sh", (bytes) => flipped(bytes), {
    ...mismatch,
    says: ["launch/www.hvt.sh"],
  }),
  attack("one bit of SHA256SUMS, in a release that runs here", "SHA256SUMS", (bytes) => flipped(bytes), {
    ...mismatch,
    says: ["SHA256SUMS"],
  }),
  attack(
    "a digest in the manifest, in a release that runs here",
    "manifest.json",
    remade((m) => void (m.kernels[0].sha256 = "0".repeat(64))),
    { ...untrusted, says: ["another manifest for 1-"] },
  ),
  attack(
    "one bit of the kernel, on a new host",
    "kernels/www.hvt",
    (bytes) => flipped(bytes),
    refusedAtFirst(["kernels/www.hvt"]),
    { first: newHost },
  ),
  attack(
    "one bit of the image, on a new host",
    "volumes/data.img",
    (bytes) => flipped(bytes),
    refusedAtFirst(["volumes/data.img"]),
    { first: newHost },
  ),
  attack(
    "a longer image, on a new host",
    "volumes/data.img",
    (bytes) => Buffer.concat([bytes, bytes]),
    refusedAtFirst(["volumes/data.img"]),
    { first: newHost },
  ),
  attack(
    "one bit of the index, on a new host",
    "volumes/data.index",
    (bytes) => flipped(bytes),
    refusedAtFirst(["volumes/data.index"]),
    { first: newHost },
  ),
  attack("the image is missing", "volumes/data.img", () => undefined, {
    ...untrusted,
    says: ["volumes/data.img: named by the manifest, not in the repository"],
  }),
  attack(
    "a link stands for the kernel",
    "kernels/www.hvt",
    () => "/etc/passwd",
    { ...untrusted, says: ["kernels/www.hvt: mode 120000"] },
    { mode: "120000" },
  ),
  attack(
    "a link stands for a launch file",
    "launch/www.hvt.sh",
    (bytes) => bytes,
    { ...untrusted, says: ["launch/www.hvt.sh: mode 120000"] },
    { mode: "120000" },
  ),
  attack(
    "the manifest is executable",
    "manifest.json",
    (bytes) => bytes,
    { ...untrusted, says: ["manifest.json: mode 100755"] },
    { mode: "100755" },
  ),
  sync(
    "an image in parts",
    async (world) => {
      newHost(world);
      await inParts(world);
    },
    { code: 0, changes: STATE, also: (_, world) => assertImage(world) },
  ),
  attack(
    "one bit of a part",
    "volumes/data.img.parts/0001",
    (bytes) => flipped(bytes),
    refusedAtFirst(["volumes/data.img.parts/0001"]),
    {
      first: async (world) => {
        newHost(world);
        await inParts(world);
      },
    },
  ),
  attack(
    "a part is missing",
    "volumes/data.img.parts/0000",
    () => undefined,
    { ...untrusted, says: ["volumes/data.img.parts/0000"] },
    { first: inParts },
  ),
  attack(
    "parts that do not add up",
    "manifest.json",
    remade((m) => void (m.volumes[0].parts[0].size += 1)),
    { ...untrusted, says: ["2 parts add up to"] },
    { first: inParts },
  ),
  sync("the site as files", asFiles, { code: 0, changes: STATE, also: (_, world) => assertImage(world) }),
  attack(
    "one bit of a page, in layout files",
    "volumes/data/index.html",
    (bytes) => flipped(bytes),
    refusedAtFirst(["volumes/data.img"]),
    { first: asFiles },
  ),
  attack(
    "a longer page, in layout files",
    "volumes/data/index.html",
    (bytes) => Buffer.concat([bytes, bytes]),
    refusedAtFirst(["volumes/data"]),
    { first: asFiles },
  ),
  attack(
    "a page is missing, in layout files",
    "volumes/data/style/site.css",
    () => undefined,
    refusedAtFirst(["volumes/data"]),
    { first: asFiles },
  ),
  attack(
    "a page is a link, in layout files",
    "volumes/data/index.html",
    () => "/etc/passwd",
    refusedAtFirst(["volumes/data/index.html: mode 120000"], "RELEASE_UNTRUSTED"),
    {
      first: asFiles,
      mode: "120000",
    },
  ),
  attack(
    "a format that is none, in layout files",
    "manifest.json",
    remade((m) => void (m.volumes[0].format = "zip")),
    refusedAtFirst(["zip"], "RELEASE_UNTRUSTED"),
    { first: asFiles },
  ),
  attack(
    "a page more, of a name no volume can hold",
    "volumes/data/index.html",
    (bytes) => bytes,
    refusedAtFirst(["volumes/data"], "RELEASE_UNTRUSTED"),
    {
      first: async (world) => {
        await asFiles(world);
        await tamper(world.repository, [{ path: "volumes/data/a\tb", content: "x" }]);
      },
    },
  ),
  attack(
    "a part of no file, in layout files",
    "volumes/data/index.html",
    (bytes) => bytes,
    refusedAtFirst(["volumes/data"], "RELEASE_UNTRUSTED"),
    {
      first: async (world) => {
        await asFiles(world);
        await tamper(world.repository, [{ path: "volumes/data.parts/0000", content: "x" }]);
      },
    },
  ),
  sync("an older release is put back", olderAgain, {
    code: 4,
    error: "DOWNGRADE",
    says: ["release 1", "has run release 2", "--allow-downgrade"],
  }),
  sync(
    "an older release is put back, and that is meant",
    async (world) => {
      await olderAgain(world);
      return { args: [...SYNC, "--allow-downgrade"] };
    },
    { code: 0, changes: STATE, also: ({ sequence }) => assert.equal(sequence, 1) },
  ),
  attack(
    "another commit takes the same number",
    "manifest.json",
    remade((m) => void (m.source.commit = "e".repeat(40))),
    { code: 4, error: "DOWNGRADE", says: ["eeeeeeeeeeee"] },
  ),
  sync(
    "the state is a file",
    (world) => {
      newHost(world);
      put(world.state);
    },
    { code: 3, error: "IO_FAILED", says: ["host/state"] },
  ),
  sync("the record is damaged", ({ state }) => put(join(state, "state.json"), "{"), {
    code: 3,
    error: "IO_FAILED",
    says: ["state.json is damaged"],
  }),
  sync(
    "current is a directory",
    ({ state }) => {
      unlinkSync(join(state, "current"));
      mkdirSync(join(state, "current"));
    },
    { code: 3, error: "IO_FAILED", says: ["current"] },
  ),
  sync(
    "the mirror is a file",
    ({ state }) => {
      rmSync(join(state, "mirror"), { recursive: true });
      put(join(state, "mirror"));
    },
    { code: 0, changes: [`${WORLD.state}/mirror`] },
  ),
  sync(
    "the mirror is damaged",
    ({ state }) => {
      rmSync(join(state, "mirror/objects"), { recursive: true });
    },
    { code: 0, changes: [`${WORLD.state}/mirror`] },
  ),
  hostYml(
    "mistakes in host.yml",
    "name: a b\nrepository: ../deployment.git\ntarget: HVT\nstat: state\nkeep: 1\nhealth: {url: http://x, timeout: soon}\n",
    {
      ...badConfig,
      says: [
        "host.yml:1: name: ",
        "host.yml:3: target: ",
        "host.yml:4: stat: unknown key",
        "state: missing",
        "host.yml:5: keep: expected 2 or more",
        "host.yml:6: health.timeout: expected a duration",
      ],
    },
  ),
  hostYml("an empty host.yml", "", {
    ...badConfig,
    says: ["host.yml", "name: missing", "repository: missing", "target: missing", "state: missing"],
  }),
  hostYml("a branch that is none", hostConfig("branch: main:refs/heads/tip\n"), {
    ...badConfig,
    says: ["host.yml:5: branch: expected a branch name"],
  }),
  hostYml("a path that climbs", hostConfig("path: ../x\n"), {
    ...badConfig,
    says: ["host.yml:5: path: expected a relative directory"],
  }),
  hostYml("a path without a release", hostConfig("path: blog\n"), {
    code: 3,
    error: "RELEASE_MISSING",
    says: ["no manifest.json here"],
  }),
  hostYml("an address that runs a command", hostConfig().replace("../deployment.git", "ext::sh -c touch% pwned"), {
    ...usage,
    says: ["ext::sh"],
  }),
  sync("no host.yml", ({ root }) => unlinkSync(join(root, WORLD.host)), { ...usage, says: ["host.yml: no such file"] }),
  sync(
    "no signature, and one is asked for",
    (world) => {
      put(join(world.root, "host/allowed"), "deploy@example.org ssh-ed25519 AAAA\n");
      put(join(world.root, WORLD.host), hostConfig("allowed-signers: allowed\n"));
    },
    { code: 4, error: "SIGNATURE_INVALID", says: ["the release is not signed"] },
  ),
  sync("a good signature", (world) => keys(world, "signer"), {
    code: 0,
    changes: STATE,
    also: ({ signer }) => assert.equal(signer, "deploy@example.org"),
  }),
  sync("a signature by another key", (world) => keys(world, "other"), {
    code: 4,
    error: "SIGNATURE_INVALID",
    says: ["key in", "host/allowed made it"],
  }),
  sync(
    "a signature of another manifest",
    async (world) => {
      await keys(world, "signer");
      const manifest = await readCommitted(world.repository, "manifest.json");
      await tamper(world.repository, [{ path: "manifest.json", content: `${manifest.toString("utf8")} ` }]);
    },
    { code: 4, error: "SIGNATURE_INVALID", says: ["signature"] },
  ),
  sync(
    "a signature that is garbage",
    async (world) => {
      await keys(world, "signer");
      await tamper(world.repository, [{ path: "manifest.json.sig", content: "signed, me\n" }]);
    },
    { code: 4, error: "SIGNATURE_INVALID", says: ["signature"] },
  ),
  sync(
    "a file of signers that is missing",
    async (world) => {
      await keys(world, "signer");
      unlinkSync(join(world.root, "host/allowed"));
    },
    { ...usage, says: ["host/allowed: no such file"] },
  ),
];

/** Release 2 is deployed and runs; then the branch goes back to release 1. */
async function olderAgain({ root, source, repository }: World): Promise<void> {
  const first = await git(repository, "rev-parse", "main");
  await git(source, "commit", "--quiet", "--allow-empty", "-m", "Another");
  for (const args of [BUILD, DEPLOY, SYNC]) {
    const { code, stderr } = await cli(args, { cwd: join(root, "source") });
    assert.equal(code, 0, stderr);
  }
  await git(repository, "update-ref", "refs/heads/main", first);
}

function assertImage({ release, state }: World): void {
  assert.deepEqual(
    readFileSync(join(state, "current/volumes/data.img")),
    readFileSync(join(release, "volumes/data.img")),
  );
}

describe("hostile and broken inputs", () => {
  let template: TempDir;
  before(async () => {
    template = await tempDir("hostile");
    chmodSync(template.path, 0o755);
    await createWorld(template.join("good"));
  });
  after(async () => {
    await template[Symbol.asyncDispose]();
  });
  for (const [group, members] of Object.entries({ SITES, CONFIGS, KERNELS, RELEASES, REPOSITORIES, HOSTS })) {
    describe(group.toLowerCase(), { concurrency: 2 }, () => {
      members.forEach((row, i) => {
        it(row.name, async (t) => {
          const root = template.join(`${group}-${i}`);
          await copyWorld(template.join("good"), root);
          try {
            await tryRow(row, worldIn(root), t);
          } finally {
            execFileSync("rm", ["-rf", root]);
          }
        });
      });
    });
  }
});

function worldIn(root: string): World {
  const at = (path: string) => join(root, path);
  return {
    root,
    source: at(WORLD.source),
    site: at("source/_site"),
    release: at(WORLD.release),
    repository: at(WORLD.repository),
    state: at(WORLD.state),
  };
}

async function tryRow(row: Row, world: World, t: TestContext): Promise<void> {
  const prepared: Prepared = ((await row.prepare(world)) as Prepared | undefined) ?? {};
  if (prepared.skip !== undefined) return t.skip(prepared.skip);
  try {
    await runRow(row, prepared, world);
  } finally {
    await prepared.cleanup?.();
  }
}

async function runRow({ args: usual, expected }: Row, prepared: Prepared, world: World): Promise<void> {
  const args = prepared.args ?? usual;
  // Keys and work repositories go to the temporary directory; nothing of them may stay.
  const temporary = join(world.root, "tmp");
  mkdirSync(temporary, { recursive: true });
  const before = picture(world.root);
  const believed = beliefs(world);
  const ran = await cli([...args, "--json"], {
    cwd: world.source,
    env: { TMPDIR: temporary },
    ...(prepared.under ? { under: prepared.under } : {}),
  });
  const all = ran.stdout + ran.stderr;
  assert.equal(ran.code, expected.code, `exit code ${ran.code}, expected ${expected.code}\n${all}`);
  assert.doesNotMatch(all, /fault of unikernel-deploy|^\s+at .+:\d+:\d+\)?$/m);
  const answer = JSON.parse(ran.stdout);
  if (expected.error !== undefined || expected.code < 2) assert.equal(answer.error?.code, expected.error, all);
  for (const text of expected.says ?? []) {
    const where = expected.code < 2 ? ran.stdout : ran.stderr;
    assert.ok(typeof text === "string" ? where.includes(text) : text.test(where), `it does not say ${text}:\n${where}`);
  }
  // The host's mirror is a cache of the repository, and its record says which tip it saw; not what it believes.
  const changes = [...(expected.changes ?? []), `${WORLD.state}/mirror`, RECORD];
  if (!changes.includes(WORLD.state)) assert.deepEqual(beliefs(world), believed);
  assert.deepEqual(differences(before, picture(world.root), changes), [], "something else has changed");
  if (changes.includes(WORLD.repository)) await git(world.repository, "fsck", "--strict", "--no-dangling");
  await expected.also?.(answer, world, ran.stderr);
}

const RECORD = `${WORLD.state}/state.json`;

/** What the host has on record of releases. */
function beliefs({ root }: World): Json {
  try {
    const { tip: _, ...rest } = JSON.parse(readFileSync(join(root, RECORD), "utf8"));
    return rest;
  } catch {
    return undefined;
  }
}
