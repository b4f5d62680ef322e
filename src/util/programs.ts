/** Which programs are installed. */
import { accessSync, constants, statSync } from "node:fs";
import path from "node:path";

/**
 * The absolute path of the executable file that `name` means in `search` (a PATH), or undefined. A name with a slash is
 * taken as a path relative to the current directory.
 */
export function findProgram(name: string, search: string | undefined): string | undefined {
  const places = name.includes("/") ? [""] : (search ?? "").split(path.delimiter).filter((place) => place !== "");
  for (const place of places) {
    const file = path.resolve(place, name);
    if (isExecutable(file)) return file;
  }
  return undefined;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
