/** `checks.boot` of the configuration, as the check needs it. Pure. */

export interface ProbeSettings {
  /** Fetch every page; wait for a line of the console; wait for the end and its exit code. */
  readonly kind: "http" | "console" | "exit";
  /** A regular expression for one line of the console (kind "console"). */
  readonly pattern?: string | undefined;
  /** The exit code expected (kind "exit"); 0 if absent. */
  readonly code?: number | undefined;
}

export interface BootSettings {
  /** "auto", or a tender's name. */
  readonly tender: string;
  /** The TCP port that the guest serves. */
  readonly port: number;
  /** Whether it is an error when no kernel could be booted. */
  readonly required: boolean;
  /** In MiB; that of the manifest's launch if absent. */
  readonly memory?: number | undefined;
  /** From start to ready, and without a byte from the guest while a page is fetched (milliseconds). */
  readonly timeout: number;
  readonly probe: ProbeSettings;
  /** Arguments instead of those of production, with placeholders. */
  readonly args?: readonly string[] | undefined;
  /** The template of tender "command": words, or one text to be split into words. */
  readonly command?: string | readonly string[] | undefined;
  readonly accel: "auto" | "kvm" | "tcg";
}

/** What holds where the configuration says nothing. */
export const DEFAULT_BOOT: BootSettings = {
  tender: "auto",
  port: 80,
  required: false,
  timeout: 30_000,
  probe: { kind: "http" },
  accel: "auto",
};
