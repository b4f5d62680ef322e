/** A push in parcels, with small ones: files go ahead, the last push moves the branch and leaves no parcel behind. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { openAccess } from "../../src/destination/access.ts";
import { parcelPrefix, pushParcels, refuseTooLarge, removals, splitPush } from "../../src/destination/parcels.ts";
import { wireWorkbench } from "../../src/destination/wire/workbench.ts";
import { openTransport } from "../../src/destination/wire/open-wire.ts";
import type { Transport } from "../../src/destination/wire/transport.ts";
import { openWorkRepository } from "../../src/destination/work-repository.ts";
import { DeployError } from "../../src/errors.ts";
import { blobId } from "../../src/util/digest.ts";
import { git } from "../support/process.ts";
import { createBareRepository } from "../support/repository.ts";
import { tempDir } from "../support/temp.ts";

describe("a push in parcels", () => {
  for (const way of ["git", "wire"]) {
    test(`ends with all files on the branch and nothing beside it (${way})`, async () => {
      await using dir = await tempDir("parcels");
      const repository = await createBareRepository(dir.path, "r");
      using access = openAccess({ repository, directory: dir.path, env: process.env });
      const transport = openTransport(access) as Transport;
      using work =
        way === "git"
          ? await openWorkRepository(access)
          : wireWorkbench({ transport, objects: new Map(), pushing: true });
      const files = Array.from({ length: 10 }, (_, i) => {
        const bytes = randomBytes(1000);
        return { path: `f/${i}`, id: blobId(bytes), content: { bytes } };
      });
      const parcels = splitPush(files, { push: 1000, parcel: 4000 });
      const prefix = parcelPrefix("main", "");
      const onProgress = () => {};
      const refs = await pushParcels(work, parcels, { prefix, refs: new Map(), onProgress });
      assert.equal(refs.size, 3);
      assert.equal((await git(repository, "for-each-ref", "refs/unikernel-deploy/")).split("\n").length, 3);
      // Interrupted here, the next one finds them and writes over them.
      const again = await pushParcels(work, parcels.slice(0, 1), {
        prefix,
        refs: await work.refs([prefix]),
        onProgress,
      });
      assert.equal(again.size, 3);
      const commit = await work.commit(await work.writeTree(undefined, [], files), undefined, "Deploy\n", 1);
      const updates = [{ name: "refs/heads/main", id: commit, expected: undefined }, ...removals(again)];
      await work.push(updates, { blobs: [], deltas: new Map(), resembling: false, onProgress });
      assert.equal(await git(repository, "for-each-ref", "--format=%(refname)"), "refs/heads/main");
      assert.equal((await git(repository, "ls-tree", "-r", "main")).split("\n").length, 10);
      await git(repository, "fsck", "--strict");
    });
  }

  test("never begins with a file that no forge takes", () => {
    const content = { file: "www.hvt", offset: 0, size: 101 * 1024 ** 2 };
    const refused = (error: unknown) =>
      error instanceof DeployError && /kernels\/www\.hvt/.test(String(error.problems));
    assert.throws(() => refuseTooLarge([{ path: "kernels/www.hvt", id: "0".repeat(40), content }]), refused);
  });
});
