/** Whether a guest serves: one HTTP request, judged by its status and, where the manifest knows the page, its bytes. */
import { createHash } from "node:crypto";
import http from "node:http";
import https from "node:https";
import type { HostConfig } from "../inputs/host.ts";
import { DeployError, messageOf } from "../errors.ts";
import type { ReleaseManifest } from "../manifest/schema.ts";

export interface ProbeResult {
  readonly ok: boolean;
  /** "200, the release's page", "status 500, expected 200", "connection refused". */
  readonly message: string;
}

/** A front page that is larger is not compared (bytes). */
const MAX_PAGE = 16 * 1024 * 1024;

/** Asks once, until `signal`. Never throws. */
export async function probe(
  health: NonNullable<HostConfig["health"]>,
  manifest: ReleaseManifest,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const url = new URL(health.url);
  const page = health.page ? manifest.health?.find((entry) => samePath(entry.path, url.pathname)) : undefined;
  try {
    const { status, sha256 } = await get(url, signal);
    if (status !== health.status) return { ok: false, message: `status ${status}, expected ${health.status}` };
    if (page === undefined) return { ok: true, message: `status ${status}` };
    if (sha256 === page.sha256) return { ok: true, message: `status ${status}, and the page of this release` };
    return { ok: false, message: `status ${status}, but not the page of this release at ${url.pathname}` };
  } catch (error) {
    return { ok: false, message: describe(error) };
  }
}

const samePath = (a: string, b: string) => `/${a}`.replace(/^\/+/, "/") === b;

function get(url: URL, signal: AbortSignal): Promise<{ status: number; sha256: string }> {
  const client = url.protocol === "https:" ? https : http;
  return new Promise((resolve, reject) => {
    const options = { agent: false, signal, headers: { connection: "close" } } as const;
    const request = client.get(url, options, (response) => {
      const hash = createHash("sha256");
      let size = 0;
      response.on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size > MAX_PAGE) response.destroy(new DeployError("HEALTH_FAILED", "the page is too large to compare"));
        hash.update(chunk);
      });
      response.on("error", reject);
      response.on("aborted", () => reject(new DeployError("HEALTH_FAILED", "the connection broke off")));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, sha256: hash.digest("hex") }));
    });
    request.on("error", reject);
  });
}

function describe(error: unknown): string {
  if (error instanceof Error && (error.name === "AbortError" || error.name === "TimeoutError"))
    return "no answer in time";
  return messageOf(error) || "no answer";
}
