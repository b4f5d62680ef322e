/** What booting a release came to, as data: for the report, for machines, for findings. Pure. */
import type { ProbeSettings } from "./settings.ts";

/** A page that did not come back as it should. */
export interface Mismatch {
  /** The path asked for, percent-encoded. */
  readonly path: string;
  readonly message: string;
  /** The HTTP status, where it is not the one expected. */
  readonly status?: number;
  /** The first byte of the body that differs, from 0. */
  readonly offset?: number;
}

/** The figures of the `http` probe. */
export interface PageFigures {
  /** Requests answered as they should be. */
  readonly pages: number;
  /** Bytes of bodies received. */
  readonly bytes: number;
  /** From the first request to the last byte. */
  readonly seconds: number;
  readonly pagesPerSecond: number;
  /** 10^6 bytes. */
  readonly megabytesPerSecond: number;
  /** Connections opened. */
  readonly connections: number;
}

/** One kernel's boot. Durations are in milliseconds from the start of its process. */
export interface BootReport {
  /** Path in the release: kernels/www.virtio. */
  readonly kernel: string;
  readonly target: string | null;
  readonly outcome: "passed" | "failed" | "skipped";
  /** Why it failed or was skipped. */
  readonly reason?: string;
  /** What to do about that; where it was skipped, the one command that would let it run. */
  readonly hint?: string;
  readonly tender: string | null;
  readonly accel: "kvm" | "tcg" | null;
  /** Why KVM was tried and left. */
  readonly fallback?: string;
  readonly probe: ProbeSettings["kind"];
  /** Memory of the guest, in MiB. */
  readonly memory: number;
  readonly ready?: number;
  readonly firstByte?: number;
  readonly figures?: PageFigures;
  /** All that went wrong with pages; `mismatches` holds the first of them. */
  readonly mismatched: number;
  readonly mismatches: readonly Mismatch[];
  /** The last lines of the console, where it failed. */
  readonly console: readonly string[];
}
