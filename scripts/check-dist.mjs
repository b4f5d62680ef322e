/** Fails where dist/ is not what src/ builds, byte for byte. */
import { execFileSync } from "node:child_process";

execFileSync(process.execPath, ["scripts/bundle.mjs"], { stdio: "inherit" });
const changed = execFileSync("git", ["status", "--porcelain", "--", "dist"], { encoding: "utf8" });
if (changed === "") console.log("dist/ is what the source builds");
else {
  console.error(`dist/ is not what the source builds; run npm run build and commit it:\n${changed}`);
  process.exitCode = 1;
}
