/** The `http` probe: every page of every volume, two connections at most, each byte compared. */
import http from "node:http";
import type { Launched } from "../../tender/launch.ts";
import type { Endpoint } from "../../tender/ready.ts";
import type { ByteSource } from "../../util/bytes.ts";
import { fetchMissing, fetchPage, type Fetched, type Fetcher } from "./fetch-page.ts";
import { missingTarget, type Page } from "./pages.ts";
import type { Mismatch, PageFigures } from "./report.ts";

/** qemu's user network lets one connection wait: of more than three at once some are dropped, and stall for seconds. */
const CONNECTIONS = 2;
/** After so many requests without an answer the rest would only take as long. */
const MAX_STALLED = 3;
/** Mismatches that are kept; all are counted. */
const KEPT = 100;

export interface HttpProbe {
  readonly pages: readonly Page[];
  readonly images: readonly ByteSource[];
  /** Milliseconds without a byte after which a request has failed. */
  readonly stall: number;
  readonly onProgress: (done: number, total: number) => void;
}

export interface HttpOutcome {
  /** Milliseconds from the start of the guest's process to the first byte of an answer. */
  readonly firstByte: number | undefined;
  readonly figures: PageFigures;
  readonly mismatched: number;
  readonly mismatches: readonly Mismatch[];
  /** Pages that were not asked for because the guest had stopped answering. */
  readonly left: number;
}

/** Fetches everything. Never throws for what the guest does. */
export async function probeHttp(launched: Launched, endpoint: Endpoint, probe: HttpProbe): Promise<HttpOutcome> {
  const { guest } = launched;
  const gone = new AbortController();
  void guest.ended.then(() => gone.abort());
  const agent = new http.Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const sockets = new Set<unknown>();
  agent.on("free", (socket) => sockets.add(socket));
  const fetcher: Fetcher = { endpoint, agent, images: probe.images, stall: probe.stall, gone: gone.signal };
  const tally = new Tally(probe.pages.length);
  const started = performance.now();
  try {
    // Alone and first, so that its time is the guest's and not that of a large page beside it.
    const [first, ...rest] = probe.pages;
    if (first) tally.add(await fetchPage(fetcher, first));
    const queue = rest.values();
    const worker = async () => {
      for (const page of queue) {
        if (guest.end || tally.stalled >= MAX_STALLED) return;
        tally.add(await fetchPage(fetcher, page));
        probe.onProgress(tally.asked, probe.pages.length);
      }
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, worker));
    if (!guest.end && tally.stalled < MAX_STALLED)
      tally.addMissing(await fetchMissing(fetcher, missingTarget(probe.pages)));
  } finally {
    agent.destroy();
  }
  return tally.outcome(guest.started, (performance.now() - started) / 1000, sockets.size);
}

class Tally {
  asked = 0;
  stalled = 0;
  #good = 0;
  #bytes = 0;
  #firstByte: number | undefined;
  #mismatched = 0;
  readonly #mismatches: Mismatch[] = [];
  readonly #total: number;

  constructor(total: number) {
    this.#total = total;
  }

  add(fetched: Fetched): void {
    this.asked++;
    this.#bytes += fetched.bytes;
    this.#judge(fetched);
  }

  addMissing(fetched: Fetched): void {
    this.#judge(fetched);
  }

  #judge({ firstByte, mismatch, stalled }: Fetched): void {
    this.#firstByte ??= firstByte;
    if (stalled) this.stalled++;
    if (!mismatch) {
      this.#good++;
      return;
    }
    this.#mismatched++;
    if (this.#mismatches.length < KEPT) this.#mismatches.push(mismatch);
  }

  outcome(guestStarted: number, seconds: number, connections: number): HttpOutcome {
    const rate = (amount: number, digits: number) => (seconds > 0 ? Number((amount / seconds).toFixed(digits)) : 0);
    return {
      firstByte: this.#firstByte === undefined ? undefined : Math.round(this.#firstByte - guestStarted),
      figures: {
        pages: this.#good,
        bytes: this.#bytes,
        seconds: Number(seconds.toFixed(3)),
        pagesPerSecond: rate(this.#good, 0),
        megabytesPerSecond: rate(this.#bytes / 1e6, 1),
        connections,
      },
      mismatched: this.#mismatched,
      mismatches: this.#mismatches,
      left: this.#total - this.asked,
    };
  }
}
