/** The log port. The two doors each supply one; nothing else prints. */
export interface Log {
  /** One line for the reader. */
  info(message: string): void;
  /** A line the reader should act on some day. */
  warning(message: string): void;
  /** Output of the user's own build, passed on as it comes. */
  raw(chunk: string): void;
  /** A line that replaces the previous progress line on a terminal; dropped elsewhere. */
  progress(message: string): void;
}

/** A log that drops everything; for tests and for `--quiet`. */
export const silentLog: Log = { info() {}, warning() {}, raw() {}, progress() {} };
