/** How requests reach the two programs of git at the other end. */

/** The server, or the way to it, does not allow this; git itself then tries, and says why if it fails too. */
export class WireRefusal extends Error {}

export interface Transport extends Disposable {
  /** One request to upload-pack (gitprotocol-v2), and the whole answer. Throws WireRefusal. */
  fetch(request: Buffer): Promise<Buffer>;
  /**
   * The refs that receive-pack lists before it listens, where it cannot be kept from that: then they need not be asked
   * for the first time. The connection waits for the push. Throws WireRefusal.
   */
  advertised?(): Promise<Buffer>;
  /** Commands and a pack to receive-pack (gitprotocol-pack), and the whole answer. Throws WireRefusal. */
  push(body: AsyncIterable<Buffer>): Promise<Buffer>;
}

/** What a site of a million files has in trees, many times over (bytes). */
export const MAX_ANSWER = 192 * 1024 * 1024;

/** Chunks kept up to a limit. Throws WireRefusal above it: that is no answer to what was asked. */
export class Answer {
  readonly #chunks: Uint8Array[] = [];
  #size = 0;

  add(chunk: Uint8Array): void {
    this.#size += chunk.length;
    if (this.#size > MAX_ANSWER) throw new WireRefusal(`an answer of more than ${MAX_ANSWER} bytes`);
    this.#chunks.push(chunk);
  }

  bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}
