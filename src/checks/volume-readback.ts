/** check: volume-readback. Each image, read back by an independent reader, holds exactly the site. Pure. */
import { DeployError } from "../errors.ts";
import type { IndexEntry } from "../image/index-file.ts";
import type { Check, Remark } from "./check.ts";

export const volumeReadback: Check = {
  id: "volume-readback",
  title: "each image, read back, holds exactly the site",
  severity: "error",
  async *run({ release, readBack, errorsOnly }) {
    for (const { name, index, offsets } of release.volumes) {
      // Read back when it was built; these bytes are what the writer makes of that site, so a reader finds the same again.
      if (errorsOnly && offsets) continue;
      try {
        yield* difference(name, index, await readBack(name));
      } catch (error) {
        if (!(error instanceof DeployError) || error.code !== "IMAGE_INVALID") throw error;
        const details = error.problems.length > 0 ? `: ${error.problems.slice(0, 3).join("; ")}` : "";
        yield {
          path: `volumes/${name}.img`,
          message: `${error.message}${details}`,
          hint: "a guest would fail on it too; build it again",
        };
      }
    }
  },
};

function* difference(volume: string, site: readonly IndexEntry[], image: readonly IndexEntry[]): Iterable<Remark> {
  const hint = `the image of volume ${volume} is not the site; build it again`;
  const found = new Map(image.map((entry) => [entry.path, entry]));
  for (const { path, size, id } of site) {
    const entry = found.get(path);
    found.delete(path);
    if (!entry) yield { path, hint, message: `${path} is in the site and not in the image` };
    else if (entry.size !== size)
      yield { path, hint, message: `${path} has ${entry.size} bytes in the image, ${size} in the site` };
    else if (entry.id !== id) yield { path, hint, message: `${path} has other bytes in the image than in the site` };
  }
  for (const path of found.keys()) yield { path, hint, message: `${path} is in the image and not in the site` };
  if (image.length !== site.length && found.size === 0) {
    yield {
      path: `volumes/${volume}.img`,
      hint,
      message: `the image lists ${image.length} files, the site has ${site.length}: some stand twice`,
    };
  }
}
