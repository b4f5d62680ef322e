/** Images of releases on this host, with where each blob of the repository lies in them. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import type { DataVolume, ReleaseManifest } from "../manifest/schema.ts";
import { type OpenFile, openFile } from "../util/files.ts";
import type { ImageWriter } from "../util/image-writer.ts";
import { mismatch } from "./trust.ts";

/** A release on this host that was verified. */
export interface OtherRelease {
  readonly directory: string;
  readonly manifest: ReleaseManifest;
}

const CHUNK = 1024 * 1024;

/** An image of another release, with where each blob lies in it. */
export class Donor implements Disposable {
  readonly #file: OpenFile;
  readonly #blobs: ReadonlyMap<string, { readonly offset: number; readonly size: number }>;

  constructor(image: string, blobs: ReadonlyMap<string, { readonly offset: number; readonly size: number }>) {
    this.#file = openFile(image);
    this.#blobs = blobs;
  }

  has(id: string, size: number): boolean {
    return this.#blobs.get(id)?.size === size;
  }

  copy(id: string, to: ImageWriter): void {
    const { offset, size } = this.#blobs.get(id) as { offset: number; size: number };
    for (let at = 0; at < size; at += CHUNK) {
      const bytes = this.#file.read(offset + at, Math.min(CHUNK, size - at));
      if (bytes.length === 0) throw mismatch("an earlier image", "a shorter file", "its size");
      to.bytes(bytes);
    }
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}

/** The image of the same volume in the newest release that still knows where its blobs are. */
export function openDonor(volume: DataVolume, others: readonly OtherRelease[]): Donor | undefined {
  for (const { directory } of others) {
    const list = readBlobList(directory, volume.name);
    const image = imageFile(directory, volume.name);
    if (list === undefined || !existsSync(image)) continue;
    const blobs = new Map<string, { offset: number; size: number }>();
    for (const line of list.split("\n")) {
      const match = /^([0-9a-f]{40,64}) (\d+) (\d+)$/.exec(line);
      if (match) blobs.set(match[1] as string, { offset: Number(match[2]), size: Number(match[3]) });
    }
    return new Donor(image, blobs);
  }
  return undefined;
}

export function readBlobList(directory: string, volume = ""): string | undefined {
  const list = blobList(directory, volume);
  return existsSync(list) ? readFileSync(list, "latin1") : undefined;
}

export const imageFile = (directory: string, name: string) => path.join(directory, "volumes", `${name}.img`);
export const blobList = (directory: string, name: string) => path.join(directory, "volumes", `${name}.blobs`);
