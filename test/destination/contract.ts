/** What every destination promises, whatever it is made of: one suite, run over each. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Destination, Published, PublishOptions } from "../../src/destination/destination.ts";
import { DeployError } from "../../src/errors.ts";
import type { Release } from "../../src/release/release.ts";
import { type Log, silentLog } from "../../src/util/log.ts";
import { buildRelease } from "../support/release.ts";
import { tempDir } from "../support/temp.ts";

/** An empty place for releases, with all that keeps it there. */
export interface Place extends AsyncDisposable {
  /** A destination as one deploy opens it. */
  open(log?: Log): Destination;
  /** Puts something that is no release where the newest one is. */
  spoil(): Promise<void>;
  /** Everything that readers see: names and what they are for. */
  state(): Promise<string>;
}

const KERNEL = Buffer.from("\x7fELF not a kernel, which no destination cares about");

/** Commits of a history without branches: the number is the place in it. */
export const commitAt = (place: number): string => place.toString(16).padStart(40, "0");
const placeOf = (commit: string) => Number.parseInt(commit, 16);
const timeAt = (place: number) => new Date(Date.UTC(2026, 0, 1) + place * 60_000).toISOString().replace(".000", "");

/** Releases of one site, each from a directory of its own below `directory`. */
export async function releaseAt(
  directory: string,
  place: number,
  { page = `page ${place}\n`, name = "www" } = {},
): Promise<Release> {
  const release = await buildRelease(
    `${directory}/${name}-${place}-${page.length}-${page.trim().slice(0, 20).replaceAll(/\W/g, "_")}`,
    {
      kernels: { "www.hvt": KERNEL },
      sites: { data: { "index.html": page, "about.html": "the same in all\n" } },
      devices: { data: "storage" },
    },
  );
  return {
    ...release,
    manifest: { ...release.manifest, name, source: { commit: commitAt(place), committedAt: timeAt(place) } },
  };
}

export const options = (changes: Partial<PublishOptions> = {}): PublishOptions => ({
  layout: "image",
  force: false,
  dryRun: false,
  now: 1_780_000_000,
  sign: undefined,
  isAncestor: async (a, b) => placeOf(a) < placeOf(b),
  commitsBetween: async () => undefined,
  isOlder: async (a, b) => placeOf(a.commit) < placeOf(b.commit),
  ...changes,
});

const fails = (code: string) => (error: unknown) => error instanceof DeployError && error.code === code;

/** Declares the suite for one kind of destination. */
export function destinationContract(kind: string, newPlace: () => Promise<Place>, skip: string | false = false): void {
  describe(`${kind} as a destination`, { skip }, () => {
    test("has nothing before the first deploy, and then that", async () => {
      await using place = await newPlace();
      await using dir = await tempDir("contract");
      assert.equal(await place.open().deployed(), undefined);
      const published = await place.open().publish(await releaseAt(dir.path, 1), options());
      assert.equal(published.outcome, "deployed");
      assert.equal(published.manifest.sequence, 1);
      assert.ok(published.revision);
      assert.ok(published.changed > 0 && published.bytes > 0);
      assert.deepEqual(await place.open().deployed(), published.manifest);
    });

    test("is left as it is by the same release again", async () => {
      await using place = await newPlace();
      await using dir = await tempDir("contract");
      const release = await releaseAt(dir.path, 1);
      const first = await place.open().publish(release, options());
      const before = await place.state();
      const again = await place.open().publish(release, options());
      assert.equal(again.outcome, "unchanged");
      assert.deepEqual(again.manifest, first.manifest);
      assert.equal(again.revision, first.revision);
      assert.equal(await place.state(), before);
    });

    test("numbers releases one after the other, and sends what changed", async () => {
      await using place = await newPlace();
      await using dir = await tempDir("contract");
      for (const number of [1, 2, 3]) {
        const published = await place.open().publish(await releaseAt(dir.path, number), options());
        assert.equal(published.outcome, "deployed");
        assert.equal(published.manifest.sequence, number);
        // The manifest, the sums, the image and its index; the kernel is the same.
        if (number > 1) assert.ok(published.changed <= 6 && published.bytes < 20_000, JSON.stringify(published));
      }
      assert.equal((await place.open().deployed())?.source.commit, commitAt(3));
    });

    test("keeps the newest when an older one comes late, deployed before or not", async () => {
      await using place = await newPlace();
      await using dir = await tempDir("contract");
      for (const number of [2, 5]) await place.open().publish(await releaseAt(dir.path, number), options());
      const before = await place.state();
      const late = await place.open().publish(await releaseAt(dir.path, 3), options());
      assert.equal(late.outcome, "superseded");
      assert.equal(late.manifest.source.commit, commitAt(5));
      const known = await place.open().publish(await releaseAt(dir.path, 2), options());
      assert.equal(known.outcome, "unchanged");
      assert.equal(known.manifest.sequence, 1);
      assert.equal(await place.state(), before);
    });

    test("gets an older one by force, and then a newer one without", async () => {
      await using place = await newPlace();
      await using dir = await tempDir("contract");
      for (const number of [2, 5]) await place.open().publish(await releaseAt(dir.path, number), options());
      for (const [number, sequence] of [
        [2, 3],
        [3, 4],
      ] as const) {
        const forced = await place.open().publish(await releaseAt(dir.path, number), options({ force: true }));
        assert.equal(forced.outcome, "deployed");
        assert.equal(forced.manifest.sequence, sequence);
        assert.equal((await place.open().deployed())?.source.commit, commitAt(number));
      }
      const next = await place.open().publish(await releaseAt(dir.path, 6), options());
      assert.equal(next.manifest.sequence, 5);
    });

    test("refuses other bytes of a commit, naming them, unless forced", async () => {
      await using place = await newPlace();
      await using dir = await tempDir("contract");
      await place.open().publish(await releaseAt(dir.path, 1), options());
      const before = await place.state();
      const other = await releaseAt(dir.path, 1, { page: "another build\n" });
      await assert.rejects(place.open().publish(other, options()), (error: unknown) => {
        assert.ok(fails("RELEASE_CONFLICT")(error));
        return /volumes\/data/.test((error as DeployError).problems.join());
      });
      assert.equal(await place.state(), before);
      const forced = await place.open().publish(other, options({ force: true }));
      assert.equal(forced.outcome, "deployed");
      assert.equal(forced.manifest.sequence, 2);
      assert.deepEqual(await place.open().deployed(), forced.manifest);
    });

    test("refuses another site's release, also by force", async () => {
      await using place = await newPlace();
      await using dir = await tempDir("contract");
      await place.open().publish(await releaseAt(dir.path, 1), options());
      const before = await place.state();
      const foreign = await releaseAt(dir.path, 2, { name: "shop" });
      for (const force of [false, true]) {
        await assert.rejects(place.open().publish(foreign, options({ force })), fails("REPOSITORY_FOREIGN"));
      }
      assert.equal(await place.state(), before);
    });

    test("is not touched by a dry run, which says what would be done", async () => {
      await using place = await newPlace();
      await using dir = await tempDir("contract");
      const first = await releaseAt(dir.path, 1);
      const before = await place.state();
      const planned = await place.open().publish(first, options({ dryRun: true }));
      assert.equal(planned.outcome, "planned");
      assert.equal(planned.manifest.sequence, 1);
      assert.equal(await place.state(), before);
      const done = await place.open().publish(first, options());
      assert.deepEqual([planned.changed, planned.removed, planned.bytes], [done.changed, done.removed, done.bytes]);
    });

    test("refuses to read, and to replace, what is no release", async () => {
      await using place = await newPlace();
      await using dir = await tempDir("contract");
      await place.open().publish(await releaseAt(dir.path, 1), options());
      await place.spoil();
      const before = await place.state();
      await assert.rejects(place.open().deployed(), fails("REPOSITORY_FOREIGN"));
      const next = await releaseAt(dir.path, 2);
      await assert.rejects(place.open().publish(next, options()), fails("REPOSITORY_FOREIGN"));
      assert.equal(await place.state(), before);
    });

    test("carries a signature of the manifest's exact bytes", async () => {
      await using place = await newPlace();
      await using dir = await tempDir("contract");
      const signed: string[] = [];
      const sign = async (text: string) => `signature ${signed.push(text)}\n`;
      await place.open().publish(await releaseAt(dir.path, 1), options({ sign }));
      assert.deepEqual(JSON.parse(signed.at(-1) ?? ""), await place.open().deployed());
    });

    test("says of a release that is there already that nobody, or another key, has signed it", async () => {
      await using place = await newPlace();
      await using dir = await tempDir("contract");
      const release = await releaseAt(dir.path, 1);
      const warnings = async (key: string | undefined, force = false) => {
        const told: string[] = [];
        const log: Log = { ...silentLog, warning: (text) => void told.push(text) };
        const sign = key === undefined ? undefined : async (text: string) => `${key} ${text.length}\n`;
        const isOwnSignature = async (text: string, signature: string) => signature === `${key} ${text.length}\n`;
        const { outcome } = await place.open(log).publish(release, options({ sign, isOwnSignature, force }));
        assert.equal(outcome, force ? "deployed" : "unchanged");
        return told;
      };
      await place.open().publish(release, options());
      assert.deepEqual(await warnings(undefined), []);
      assert.deepEqual(await warnings("our key"), [
        "release 1 is not signed; force deploys it again, signed with this one",
      ]);
      assert.deepEqual(await warnings("our key", true), []);
      assert.deepEqual(await warnings("our key"), []);
      assert.deepEqual(await warnings("another"), [
        "release 2 is signed with another key; force deploys it again, signed with this one",
      ]);
    });

    test("keeps order when many deploy at once", async () => {
      await using place = await newPlace();
      await using dir = await tempDir("contract");
      const releases = [];
      for (let number = 1; number <= 6; number++) releases.push(await releaseAt(dir.path, number));
      const all = await Promise.all(releases.map((release) => place.open().publish(release, options())));
      assert.equal((await place.open().deployed())?.source.commit, commitAt(6));
      assertOrder(all);
    });
  });
}

/** Numbers of what was deployed are unique and rise with history; the newest was. */
export function assertOrder(all: readonly Published[]): void {
  const numbers = all
    .filter(({ outcome }) => outcome === "deployed")
    .map(({ manifest }) => manifest.sequence as number);
  assert.deepEqual(
    numbers,
    [...new Set(numbers)].sort((a, b) => a - b),
    `numbers ${numbers.join(" ")}`,
  );
  assert.equal(all.at(-1)?.outcome, "deployed");
}
