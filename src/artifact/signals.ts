/** How the threads of an image tell each other that there is something to do: two counters of events to wait for. */

/** Words of the memory. */
const STOPPED = 0;
const WORK = 1;
const DONE = 2;

export const newSignalMemory = () => new SharedArrayBuffer(3 * Int32Array.BYTES_PER_ELEMENT);

/** One thread's view of the signals. */
export class Signals {
  readonly #words: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
  }

  get stopped(): boolean {
    return Atomics.load(this.#words, STOPPED) !== 0;
  }

  /** Has the workers end. */
  stop(): void {
    Atomics.store(this.#words, STOPPED, 1);
    this.tellWorkers();
  }

  /** Says that there is something to fill or to write. */
  tellWorkers(): void {
    this.#tell(WORK);
  }

  /** Says that something was filled or written. */
  tellSequencer(): void {
    this.#tell(DONE);
  }

  /** A mark for `waitForWork`: with one taken before looking around, news since then ends the wait at once. */
  workMark(): number {
    return Atomics.load(this.#words, WORK);
  }

  /** As `workMark`, for `waitForDone`. */
  doneMark(): number {
    return Atomics.load(this.#words, DONE);
  }

  waitForWork(mark: number, milliseconds: number): void {
    Atomics.wait(this.#words, WORK, mark, milliseconds);
  }

  /** False where there was no news for so long. */
  waitForDone(mark: number, milliseconds: number): boolean {
    return Atomics.wait(this.#words, DONE, mark, milliseconds) !== "timed-out";
  }

  #tell(word: number): void {
    Atomics.add(this.#words, word, 1);
    Atomics.notify(this.#words, word);
  }
}
