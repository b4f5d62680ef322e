/** The verbs for images, in every format, through the shipped command line. */
import assert from "node:assert/strict";
import { readFile, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, test } from "node:test";
import { lacks, sameTree, succeed } from "../image/making.ts";
import { git } from "../support/process.ts";
import { solo5Kernel } from "../support/elf.ts";
import { newProject, runCli, sync } from "../support/project.ts";
import { tempDir, writeTree } from "../support/temp.ts";

const FORMATS = ["tar", "fat", "fat32", "docteur", "elf-object"] as const;
const SITE = {
  "index.html": "<!doctype html>\n",
  "css/style.css": "body {}\n",
  "css/copy.css": "body {}\n",
  "contents.html": "a name of thirteen characters\n",
  empty: "",
};
const CHANGED = {
  "index.html": "<!doctype html><p>changed\n",
  "contents.html": SITE["contents.html"],
  "css/style.css": "body {}\n",
  "new.txt": "",
};

interface Answer {
  readonly [field: string]: unknown;
}

/** What a verb answers with --json; it has to succeed. */
async function ask(cwd: string, ...args: readonly string[]): Promise<Answer> {
  const ran = await runCli(cwd, [...args, "--json"]);
  assert.equal(ran.code, 0, ran.stderr);
  return JSON.parse(ran.stdout) as Answer;
}

describe("image", () => {
  for (const format of FORMATS) {
    test(`create, ls, cat, extract and inspect: ${format}`, async () => {
      await using directory = await tempDir("formats");
      await writeTree(directory.join("site"), SITE);
      const cwd = directory.path;
      const made = await ask(cwd, "image", "create", "--from", "site", "--format", format, "--out", "image");
      assert.equal(made["format"], format);
      const listed = (await ask(cwd, "image", "ls", "image")) as { files: { path: string; size: number }[] };
      assert.deepEqual(
        listed.files.map(({ path: name, size }) => [name, size]),
        Object.entries(SITE)
          .map(([name, text]) => [name, text.length] as const)
          .toSorted(([a], [b]) => (a < b ? -1 : 1)),
      );
      const cat = await runCli(cwd, ["image", "cat", "image", "css/style.css"]);
      assert.equal(cat.stdout, "body {}\n");
      await ask(cwd, "image", "extract", "image", "out");
      await sameTree(directory.join("site"), directory.join("out"));
      const said = await ask(cwd, "inspect", "image");
      assert.deepEqual(said, { kind: "image", ...made });
    });
  }

  test("a secret volume has mode 0600 and head-room, in every format that can have it", async () => {
    await using directory = await tempDir("formats");
    await writeTree(directory.join("tls"), { "key.pem": "secret\n" });
    for (const format of ["tar", "fat", "docteur"]) {
      const size = format === "docteur" ? [] : ["--size", "4MiB"];
      await ask(
        directory.path,
        "image",
        "create",
        "--from",
        "tls",
        "--format",
        format,
        "--out",
        format,
        "--secret",
        ...size,
      );
      const { mode, size: bytes } = await stat(directory.join(format));
      assert.equal(mode & 0o777, 0o600, format);
      if (size.length > 0) assert.equal(bytes, 4 * 1024 * 1024);
    }
  });

  test("diff lists what changed between images of different formats", async () => {
    await using directory = await tempDir("formats");
    await writeTree(directory.join("old"), SITE);
    await writeTree(directory.join("new"), CHANGED);
    for (const [before, after] of [
      ["tar", "docteur"],
      ["fat", "elf-object"],
      ["docteur", "fat32"],
    ] as const) {
      await ask(directory.path, "image", "create", "--from", "old", "--format", before, "--out", "a");
      await ask(directory.path, "image", "create", "--from", "new", "--format", after, "--out", "b");
      assert.deepEqual(await ask(directory.path, "image", "diff", "a", "b"), {
        formats: [before, after],
        added: ["new.txt"],
        removed: ["css/copy.css", "empty"],
        changed: ["index.html"],
      });
    }
    const text = await runCli(directory.path, ["image", "diff", "a", "b"]);
    assert.equal(text.stdout, "- css/copy.css\n- empty\n~ index.html\n+ new.txt\n4 files of 4 differ\n");
    const same = await runCli(directory.path, ["image", "diff", "a", "a"]);
    assert.deepEqual([same.code, same.stdout], [0, "the same files\n"]);
  });

  test("replace puts a new volume into a linked program, or leaves it alone", {
    skip: lacks("ld", "binutils"),
  }, async () => {
    await using directory = await tempDir("formats");
    await writeTree(directory.join("old"), SITE);
    await writeTree(directory.join("new"), CHANGED);
    const cwd = directory.path;
    const create = ["image", "create", "--format", "elf-object", "--name", "www", "--size", "32KiB"];
    await ask(cwd, ...create, "--from", "old", "--out", "www.o");
    await succeed("ld", ["-m", "elf_x86_64", "-e", "0", "-o", directory.join("kernel"), directory.join("www.o")]);
    await ask(cwd, "image", "create", "--from", "new", "--out", "new.img");
    const answer = await ask(cwd, "image", "replace", "kernel", "new.img", "--name", "www");
    assert.equal(answer["reserved"], 32_768);
    const image = await readFile(directory.join("new.img"));
    const kernel = await readFile(directory.join("kernel"));
    const offset = answer["offset"] as number;
    assert.deepEqual(kernel.subarray(offset, offset + image.length), image);
    await ask(cwd, "image", "create", "--from", "new", "--out", "large.img", "--size", "64KiB");
    const refused = await runCli(cwd, ["image", "replace", "kernel", "large.img", "--name", "www"]);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /65536 bytes, the place for www in the kernel has 32768/);
    assert.deepEqual(await readFile(directory.join("kernel")), kernel);
  });

  test("inspect tells an object with a volume from a kernel", { skip: lacks("ld", "binutils") }, async () => {
    await using directory = await tempDir("formats");
    await writeTree(directory.join("site"), SITE);
    await ask(directory.path, "image", "create", "--from", "site", "--format", "elf-object", "--out", "site.o");
    await succeed("ld", ["-m", "elf_x86_64", "-e", "0", "-o", directory.join("kernel"), directory.join("site.o")]);
    assert.equal((await ask(directory.path, "inspect", "site.o", "--no-digest"))["format"], "elf-object");
    assert.equal((await ask(directory.path, "inspect", "kernel"))["kind"], "kernel");
  });

  test("what an option cannot be is wrong usage", async () => {
    await using directory = await tempDir("formats");
    await writeTree(directory.join("site"), SITE);
    const wrong = [
      ["--format", "fat16"],
      ["--format", "fat", "--sector-size", "1000"],
      ["--format", "elf-object", "--arch", "z80"],
      ["--format", "elf-object", "--name", "a b"],
      ["--format", "tar", "--sector-size", "512"],
      ["--format", "fat", "--arch", "arm"],
      ["--format", "docteur", "--size", "1MiB"],
    ];
    for (const options of wrong) {
      const ran = await runCli(directory.path, ["image", "create", "--from", "site", "--out", "image", ...options]);
      assert.equal(ran.code, 2, options.join(" "));
      assert.doesNotMatch(ran.stderr, /This is a fault of/);
    }
  });
});

describe("mistakes in options and images", () => {
  test("are listed all at once", async () => {
    await using directory = await tempDir("formats");
    await writeTree(directory.join("site"), SITE);
    const options = ["--sector-size", "512", "--arch", "arm", "--size", "some"];
    const ran = await runCli(directory.path, ["image", "create", "--from", "site", "--out", "image", ...options]);
    assert.equal(ran.code, 2);
    const lines = ran.stderr.split("\n").filter((line) => line.startsWith("  - "));
    assert.deepEqual(lines, [
      "  - --size: expected a size such as 64MiB, found some",
      "  - --sector-size: tar images have none",
      "  - --arch: tar images have none",
    ]);
  });

  test("name the one of two images that is damaged", async () => {
    await using directory = await tempDir("formats");
    await writeTree(directory.join("site"), SITE);
    await ask(directory.path, "image", "create", "--from", "site", "--out", "good.img");
    const bytes = await readFile(directory.join("good.img"));
    bytes.write("XXXX", 124, "latin1");
    await writeFile(directory.join("bad.img"), bytes);
    for (const pair of [
      ["good.img", "bad.img"],
      ["bad.img", "good.img"],
    ]) {
      const ran = await runCli(directory.path, ["image", "diff", ...pair]);
      assert.equal(ran.code, 2);
      assert.match(ran.stderr, /bad\.img: not a tar image/);
      assert.doesNotMatch(ran.stderr, /good\.img/);
    }
  });
});

describe("a release with three volumes in three formats", () => {
  for (const layout of ["image", "files"]) {
    test(`goes from build to host, layout ${layout}`, { timeout: 300_000 }, async () => {
      await using project = await newProject({ "index.html": "<!doctype html>\n", "a/b.html": "page\n" });
      const packed = layout === "image" ? "docteur" : "tar";
      const volumes = [
        ["site", "tar"],
        ["pages", "fat"],
        ["more", packed],
      ].map(([name, format]) => `  ${name}: {from: site, format: ${format}, device: storage${name}}`);
      const config = `name: www\nkernels: [www.hvt]\nvolumes:\n${volumes.join("\n")}\n  tls: {secret: true, format: fat}\n  keys: {secret: true, format: tar}\n`;
      const blocks = ["storagesite", "storagepages", "storagemore", "tls", "keys"];
      const devices = [
        { name: "service", type: "net" as const },
        ...blocks.map((name) => ({ name, type: "block" as const })),
      ];
      await writeFile(path.join(project.source, "www.hvt"), solo5Kernel({ devices }));
      await writeFile(path.join(project.source, "unikernel.yml"), config);
      await project.commit("Configuration");
      const release = project.directory.join("release");
      const built = await project.cli("build", "--config", "unikernel.yml", "--out", release);
      assert.equal(built.code, 0, built.stderr + built.stdout);
      const manifest = JSON.parse(await readFile(path.join(release, "manifest.json"), "utf8")) as {
        volumes: { secret?: true }[];
      };
      const secrets = manifest.volumes.filter(({ secret }) => secret);
      assert.deepEqual(secrets, [
        { name: "tls", device: "tls", secret: true, format: "fat" },
        { name: "keys", device: "keys", secret: true, format: "tar" },
      ]);
      const repository = project.directory.join("deployment.git");
      await git(project.directory.path, "init", "--quiet", "--bare", "--initial-branch=main", repository);
      const deploy = ["deploy", "--config", "unikernel.yml", "--release", release, "--repository", repository];
      const deployed = await project.cli(...deploy, "--layout", layout);
      assert.equal(deployed.code, 0, deployed.stderr + deployed.stdout);
      const host = project.directory.join("host");
      const synced = await sync(host, repository);
      assert.equal(synced.code, 0, synced.stderr);
      for (const name of ["site", "pages", "more"]) {
        const image = path.join(host, `state/current/volumes/${name}.img`);
        assert.deepEqual(await readFile(image), await readFile(path.join(release, `volumes/${name}.img`)), name);
      }
    });
  }

  test("files of a docteur volume are not stored one by one", async () => {
    await using project = await newProject();
    await writeFile(
      path.join(project.source, "unikernel.yml"),
      "name: www\nkernels: [www.hvt]\nvolumes: {data: {from: site, format: docteur, device: storage}}\n",
    );
    await project.commit("Configuration");
    const release = project.directory.join("release");
    const built = await project.cli("build", "--config", "unikernel.yml", "--out", release);
    assert.equal(built.code, 0, built.stderr + built.stdout);
    const repository = project.directory.join("deployment.git");
    await git(project.directory.path, "init", "--quiet", "--bare", "--initial-branch=main", repository);
    const deploy = ["deploy", "--release", release, "--repository", repository, "--layout", "files"];
    const refused = await project.cli(...deploy);
    assert.equal(refused.code, 2, refused.stderr);
    assert.match(refused.stderr, /layout: image/);
  });
});
