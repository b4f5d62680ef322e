/** A file that would be too large for the memory that may be taken; `npm run soak -- deploy-big` has one of 2 GB, and 5 GB in 40 files. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { type BigSite, heave, show } from "./heaving.ts";

/** Bytes: what a process has that holds no file whole. */
const LIMIT = 220e6;

const missing = existsSync("/usr/bin/time") ? false : "GNU time is not installed";

test("a large file is deployed and synced in little memory", { skip: missing }, async (t) => {
  const site: BigSite = { name: "one file", files: 1, size: 160e6, content: "repeated" };
  const taken = await heave(site, "files", (one) => t.diagnostic(show(one)));
  assert.deepEqual(
    taken.filter(({ memory }) => memory >= LIMIT),
    [],
  );
});
