/** The same site gives the same image, whatever the machine, the user or the order of its making. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { chmod, chown, lutimes, mkdir, readdir, readFile, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { it } from "node:test";
import { cliJson } from "../support/cli.ts";
import { SITE } from "../support/site.ts";
import { tempDir } from "../support/temp.ts";

const BUILDS = 20;
const ZONES = ["UTC", "Pacific/Kiritimati", "America/St_Johns", "Asia/Kathmandu", "Pacific/Pago_Pago"];
const LOCALES = ["C", "C.UTF-8", "tr_TR.UTF-8", "en_US.UTF-8", "ja_JP.EUC-JP"];
const UMASKS = ["0022", "0077", "0002", "0000"];

/** Names that sort in one order bytewise and in others by locale or UTF-16 unit. */
const AWKWARD: Readonly<Record<string, string | Buffer>> = {
  ...SITE,
  "B.txt": "upper",
  "a.txt": "lower",
  "a/b.txt": "in a directory",
  "a-b.txt": "before the slash",
  "i/I/ı/İ.txt": "Turkish",
  "ﬀ.txt": "U+FB00, above the surrogates in UTF-16",
  "😀.txt": "U+1F600, above U+FB00 in UTF-8",
  "e\u0301.txt": "decomposed",
  "é.txt": "composed",
  "exactly-512.bin": Buffer.alloc(512, 1),
  "more-than-a-block.bin": Buffer.alloc(1025, 2),
  [`${"long/".repeat(30)}file.txt`]: "a path in two header fields",
  [`${"x".repeat(120)}.txt`]: "a path that needs a record of its own",
};

it(`gives one image in ${BUILDS} builds of one site`, async () => {
  await using dir = await tempDir("determinism");
  const digests = new Set<string>();
  for (let build = 0; build < BUILDS; build++) {
    const site = dir.join(`site-${build}`);
    await makeSite(site, build);
    const out = dir.join(`${build}.img`);
    const image = await cliJson(["image", "create", "--from", site, "--format", "tar", "--out", out], {
      cwd: dir.path,
      env: {
        TZ: ZONES[build % ZONES.length] as string,
        LC_ALL: LOCALES[build % LOCALES.length] as string,
        LANG: LOCALES[(build + 2) % LOCALES.length] as string,
        HOME: dir.path,
      },
      under: ["sh", "-c", `umask ${UMASKS[build % UMASKS.length]}; exec "$@"`, "sh"],
    });
    const found = createHash("sha256")
      .update(await readFile(out))
      .digest("hex");
    assert.equal(image["sha256"], found);
    digests.add(found);
  }
  assert.equal(digests.size, 1, `${digests.size} different images`);
});

/** The site, made in another order, at another time, with other modes and owners, each time. */
async function makeSite(site: string, build: number): Promise<void> {
  const names = shuffled(Object.keys(AWKWARD), build);
  for (const [i, name] of names.entries()) {
    const file = join(site, name);
    await mkdir(dirname(file), { recursive: true });
    // Some file systems list files in the order of their making, and some hand out the places of those removed.
    await writeFile(join(site, `passing-${i}`), "");
    await writeFile(file, AWKWARD[name] as string | Buffer);
    await chmod(file, [0o644, 0o600, 0o755, 0o444][(build + i) % 4] as number);
    const time = new Date(Date.UTC(1970 + ((build * 7 + i) % 100), build % 12, 1));
    await utimes(file, time, time);
    if (process.getuid?.() === 0) await chown(file, build * 1000, i);
  }
  const passing = (await readdir(site)).filter((name) => name.startsWith("passing-"));
  for (const name of passing) await rm(join(site, name));
  // A link is what it leads to; how often it was touched is nobody's business.
  await symlink("a.txt", join(site, "link.txt"));
  await lutimes(join(site, "link.txt"), build, build);
  await utimes(site, build, build);
}

/** The same order for the same seed. */
function shuffled<T>(values: readonly T[], seed: number): T[] {
  const order = values.map((value, i) => ({ value, key: createHash("sha256").update(`${seed} ${i}`).digest("hex") }));
  return order.toSorted((a, b) => (a.key < b.key ? -1 : 1)).map(({ value }) => value);
}
