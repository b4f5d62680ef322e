/**
 * The git server of the benchmark, in a process of its own, so that what it costs is on nobody's bill: `deploy-server.ts
 * ROOT TOKEN public|private`. Tells its parent its URL, and from then on, whenever asked, what it has seen since it was last asked.
 */
import { gitServer, type Traffic } from "../test/support/git-server.ts";

/** What went over the wire, headers included. */
export interface Seen extends Traffic {
  readonly requests: number;
}

const [root, token, reading] = process.argv.slice(2) as [string, string, string];
const server = await gitServer({ root, token, anonymousRead: reading === "public" });
process.on("message", () => {
  const seen: Seen = { ...server.traffic(), requests: server.totals().requests };
  server.reset();
  process.send?.(seen);
});
process.on("disconnect", () => process.exit());
process.send?.(server.url);
