/** Cuts the pieces of an image into slots: puts in what the format gives, and keeps place for the content of files. */
import type { ImageLayout, Piece } from "../image/format.ts";
import type { FileTree } from "../image/tree.ts";
import type { SiteFile } from "./read-tree.ts";
import type { Slot } from "./slot.ts";

type Content = Extract<Piece, { kind: "content" }>;

export class Planner {
  readonly #pieces: Iterator<Piece>;
  readonly #files: FileTree<SiteFile>;
  readonly #size: number;
  #piece: Piece | undefined;
  /** Bytes of the piece that are planned already. */
  #done = 0;
  #offset = 0;
  /** Slots so far with a part of a file that is larger than a slot. */
  #turns = 0;

  constructor(layout: ImageLayout, files: FileTree<SiteFile>) {
    this.#pieces = layout.pieces()[Symbol.iterator]();
    this.#files = files;
    this.#size = layout.size;
    this.#next();
  }

  /** Whether every piece is planned. */
  get finished(): boolean {
    return this.#piece === undefined;
  }

  /** Plans a slot that is free. */
  plan(slot: Slot): void {
    slot.begin(this.#offset);
    while (this.#piece && this.#place(this.#piece, slot)) this.#next();
    this.#offset += slot.length;
    if (this.finished && this.#offset !== this.#size) {
      throw new Error(`the pieces of the layout add up to ${this.#offset} bytes, not to ${this.#size}`);
    }
    slot.plan();
  }

  #next(): void {
    const { value, done } = this.#pieces.next();
    this.#piece = done ? undefined : value;
    this.#done = 0;
  }

  /** Puts as much of the piece as fits into the slot; whether that was all of it. */
  #place(piece: Piece, slot: Slot): boolean {
    if (piece.kind === "content") return this.#content(piece, slot);
    const size = piece.kind === "bytes" ? piece.bytes.length : piece.length;
    const length = Math.min(slot.room, size - this.#done);
    if (piece.kind === "zeros") slot.zeros(length);
    else slot.put(length === size ? piece.bytes : piece.bytes.subarray(this.#done, this.#done + length));
    this.#done += length;
    return this.#done === size;
  }

  #content({ file, size }: Content, slot: Slot): boolean {
    const { source } = this.#files[file] as SiteFile;
    if (!slot.takesTask(source)) return false;
    const fits = size <= slot.room;
    // What fits into a slot is never divided: who reads it hashes it in one go.
    if (!fits && this.#done === 0 && slot.length > 0) return false;
    const length = Math.min(slot.room, size - this.#done);
    if (length === 0) return false;
    this.#done += length;
    slot.addTask({ source, file, length, size, left: size - this.#done });
    if (length < size && !slot.inTurn) slot.setTurn(this.#turns++);
    return this.#done === size;
  }
}
