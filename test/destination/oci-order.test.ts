/**
 * The order of deploys that meet in a registry, over some thousands of interleavings: a registry of which every request
 * takes effect at a time of its own, and deploys that break off at any of their requests.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeArtifact } from "../../src/destination/oci/artifact.ts";
import { ociDestination } from "../../src/destination/oci/destination.ts";
import type { Registry } from "../../src/registry/registry.ts";
import type { Release } from "../../src/release/release.ts";
import { sha256 } from "../../src/util/digest.ts";
import { silentLog } from "../../src/util/log.ts";
import { tempDir } from "../support/temp.ts";
import { assertOrder, commitAt, options, releaseAt } from "./contract.ts";

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

class Crash extends Error {}

interface Shelves {
  readonly tags: Map<string, Buffer>;
  readonly manifests: Map<string, Buffer>;
  readonly blobs: Map<string, Buffer>;
}

const emptyShelves = (): Shelves => ({ tags: new Map(), manifests: new Map(), blobs: new Map() });

/** A client of the shelves whose requests arrive late, and whose answers do. It is cut off after `lifetime` requests. */
function client(
  { tags, manifests, blobs }: Shelves,
  random: () => number,
  lifetime = Number.POSITIVE_INFINITY,
): Registry {
  let left = lifetime;
  const pause = async () => {
    for (let ticks = Math.floor(random() * random() * 12); ticks > 0; ticks--) await new Promise(setImmediate);
  };
  const request = async <T>(effect: () => T): Promise<T> => {
    if (left-- <= 0) throw new Crash();
    await pause();
    const result = effect();
    await pause();
    return result;
  };
  const stored = (bytes: Buffer | undefined) =>
    bytes && { bytes, mediaType: "application/vnd.oci.image.manifest.v1+json", digest: `sha256:${sha256(bytes)}` };
  return {
    address: "oci://model/www",
    name: "www",
    hasBlob: (digest) => request(() => blobs.has(digest)),
    async putBlob({ digest, size, open }) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of open()) chunks.push(Buffer.from(chunk));
      return request(() => {
        const isNew = !blobs.has(digest);
        blobs.set(digest, Buffer.concat(chunks));
        return isNew ? size : 0;
      });
    },
    async *readBlob({ digest }) {
      yield await request(() => blobs.get(digest) ?? Buffer.alloc(0));
    },
    readRange: () => request(() => undefined),
    readManifest: (reference) => request(() => stored(tags.get(reference) ?? manifests.get(reference))),
    resolve: (reference) => request(() => stored(tags.get(reference))?.digest),
    putManifest: (reference, bytes) =>
      request(() => {
        const digest = `sha256:${sha256(bytes)}`;
        manifests.set(digest, bytes);
        if (reference !== digest) tags.set(reference, bytes);
        return digest;
      }),
    deleteManifest: (reference) => request(() => tags.delete(reference)),
    tags: () => request(() => [...tags.keys()]),
    referrers: () => request(() => []),
    attach: async (bytes) => `sha256:${sha256(bytes)}`,
  };
}

const destination = (registry: Registry, random: () => number) =>
  ociDestination({ registry, branch: "main", log: silentLog, random: () => random() / 5000 });

const newestIn = ({ tags }: Shelves) => {
  const bytes = tags.get("latest");
  return bytes && decodeArtifact(bytes, "latest");
};

/** Numbers of the releases that were the newest for a while, in the order of history. */
function numbersIn({ tags }: Shelves): readonly number[] {
  const sources = [...tags].filter(([tag]) => tag.startsWith("source-")).map(([, bytes]) => decodeArtifact(bytes, ""));
  return sources.sort((a, b) => (a.commit < b.commit ? -1 : 1)).map(({ sequence }) => sequence);
}

function assertUnique(shelves: Shelves, seed: number): void {
  const numbers = numbersIn(shelves);
  assert.equal(new Set(numbers).size, numbers.length, `seed ${seed}: ${numbers.join(" ")}`);
}

/** They rise as well; but not with one that broke off between deciding and looking again. */
function assertNumbers(shelves: Shelves, seed: number): void {
  const numbers = numbersIn(shelves);
  assert.deepEqual(
    numbers,
    [...new Set(numbers)].sort((a, b) => a - b),
    `seed ${seed}: ${numbers.join(" ")}`,
  );
}

async function releases(directory: string, count: number): Promise<readonly Release[]> {
  const made = [];
  for (let place = 1; place <= count; place++) made.push(await releaseAt(directory, place));
  return made;
}

const SEEDS = Number(process.env.SEEDS ?? 40);

test("however deploys interleave, the newest release ends as the newest, and numbers rise", async () => {
  await using dir = await tempDir("order");
  const all = await releases(dir.path, 5);
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = randomFrom(seed);
    const shelves = emptyShelves();
    const published = await Promise.all(
      all.map(async (release) => {
        // Some come when others are done.
        for (let ticks = Math.floor(random() * 200); ticks > 0; ticks--) await new Promise(setImmediate);
        return destination(client(shelves, random), random).publish(release, options());
      }),
    );
    assert.equal(newestIn(shelves)?.commit, commitAt(5), `seed ${seed}`);
    assertOrder(published);
    assertNumbers(shelves, seed);
  }
});

test("what history does not order gets numbers of its own, too", async () => {
  await using dir = await tempDir("order");
  const all = await releases(dir.path, 4);
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = randomFrom(seed);
    const shelves = emptyShelves();
    const unordered = options({ isOlder: async () => false, isAncestor: async () => undefined });
    const published = await Promise.all(
      all.map((release) => destination(client(shelves, random), random).publish(release, unordered)),
    );
    const numbers = published.filter(({ outcome }) => outcome === "deployed").map(({ manifest }) => manifest.sequence);
    assert.equal(new Set(numbers).size, numbers.length, `seed ${seed}: ${numbers.join(" ")}`);
    assert.ok(numbers.length > 0);
    assert.equal(newestIn(shelves)?.sequence, Math.max(...(numbers as number[])), `seed ${seed}`);
  }
});

test("a deploy that breaks off anywhere is made good by the next", async () => {
  await using dir = await tempDir("order");
  const all = await releases(dir.path, 5);
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = randomFrom(seed);
    const shelves = emptyShelves();
    await Promise.allSettled(
      all.slice(0, 4).map((release) => {
        const lifetime = random() < 0.6 ? Math.floor(random() * 45) : undefined;
        return destination(client(shelves, random, lifetime), random).publish(release, options());
      }),
    );
    const latest = newestIn(shelves);
    if (latest)
      assert.ok(
        latest.layers.every(({ digest }) => shelves.blobs.has(digest)),
        `seed ${seed}: incomplete`,
      );
    // Either the last of them again, or the one after it.
    const next = all[seed % 2 === 0 ? 3 : 4] as Release;
    await destination(client(shelves, random), random).publish(next, options());
    assert.equal(newestIn(shelves)?.commit, next.manifest.source.commit, `seed ${seed}`);
    assertUnique(shelves, seed);
  }
});
