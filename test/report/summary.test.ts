/** The summary and the comment: what they say, that nothing of a site becomes markup, and that they always fit. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { fc } from "../support/fuzz.ts";
import type { ReleaseManifest } from "../../src/manifest/schema.ts";
import { renderChart } from "../../src/report/chart.ts";
import { compareWith } from "../../src/report/comparison.ts";
import { code, plain } from "../../src/report/markdown.ts";
import { parseReport, speakFor } from "../../src/report/read-report.ts";
import { reportDocument } from "../../src/report/document.ts";
import type { RunResult } from "../../src/report/result.ts";
import { renderComment, renderSummary } from "../../src/report/summary.ts";

/** A release of a kernel and an image of these sizes. */
function manifest(sequence: number | undefined, kernel: number, image: number, files = 2): ReleaseManifest {
  return {
    type: "unikernel-deploy.release",
    version: 1,
    name: "www",
    ...(sequence === undefined ? {} : { sequence }),
    source: {
      repository: "https://github.com/mirage/www",
      commit: String(sequence ?? 9)
        .repeat(40)
        .slice(0, 40),
    },
    kernels: [
      {
        target: "hvt",
        arch: "x86_64",
        path: "kernels/www.hvt",
        size: kernel,
        sha256: "a".repeat(64),
        devices: [{ name: "storage", type: "block" }],
      },
    ],
    volumes: [
      {
        name: "data",
        device: "storage",
        format: "tar",
        size: image,
        sha256: "b".repeat(64),
        files,
        bytes: image - 2048,
      },
      { name: "tls", device: "tls", secret: true, format: "fat" },
    ],
    launch: { memory: 64, args: [] },
  };
}

const FILES = (names: Readonly<Record<string, string>>) =>
  new Map([["data", Object.entries(names).map(([name, id]) => ({ path: name, id: id.repeat(40) }))]]);

const deployed = {
  manifest: manifest(3, 3_700_000, 9_050_000),
  files: FILES({ "index.html": "1", "old.html": "2", "same.html": "3" }),
  line: [manifest(1, 3_700_000, 8_000_000), manifest(2, 3_710_000, 9_000_000), manifest(3, 3_700_000, 9_050_000)],
};

const RESULT: RunResult = {
  manifest: manifest(undefined, 3_700_000, 9_150_000, 3),
  directory: "/release",
  findings: [],
  ignored: [],
  passed: true,
  published: undefined,
  reason: "mode is build",
  times: { build: 61_000, split: 120, check: 340 },
  comparison: compareWith(
    deployed,
    {
      manifest: manifest(undefined, 3_700_000, 9_150_000, 3),
      files: FILES({ "index.html": "7", "new.html": "2", "same.html": "3" }),
    },
    { outcome: "planned", sequence: 4, changed: 4, removed: 0, bytes: 9_152_000 },
  ),
};

const FAILED: RunResult = {
  ...RESULT,
  passed: false,
  findings: [
    { check: "site-links", severity: "warning", message: "about.html links to missing.html", path: "about.html" },
    { check: "kernel-devices", severity: "error", message: "no device nosuch", hint: "the kernel has: storage" },
    ...Array.from({ length: 25 }, (_, i) => ({
      check: "site-hygiene",
      severity: "note" as const,
      message: `note ${i}`,
    })),
  ],
  boot: [
    {
      kernel: "kernels/www.hvt",
      target: "hvt",
      outcome: "passed",
      tender: "solo5-hvt",
      accel: "kvm",
      probe: "http",
      memory: 64,
      firstByte: 41,
      figures: { pages: 3, bytes: 9000, seconds: 0.1, pagesPerSecond: 30, megabytesPerSecond: 0.09, connections: 1 },
      mismatched: 0,
      mismatches: [],
      console: [],
    },
  ],
};

/** Compares with a file of test/report/snapshots; UPDATE_SNAPSHOTS=1 writes it. */
function matches(name: string, text: string): void {
  const file = path.join(import.meta.dirname, "snapshots", name);
  if (process.env["UPDATE_SNAPSHOTS"] === "1") writeFileSync(file, text);
  assert.equal(text, readFileSync(file, "utf8"));
}

describe("reports read as they should", () => {
  test("a comment on a pull request", () => matches("pull-request.md", renderComment(RESULT)));
  test("a summary of findings and a boot", () => matches("findings.md", renderSummary(FAILED)));
  test("a first deployment", () => {
    const published = {
      outcome: "deployed" as const,
      manifest: manifest(1, 3_700_000, 9_150_000),
      revision: "c".repeat(40),
      tag: "source/www/x",
      changed: 5,
      removed: 0,
      bytes: 12_850_000,
      sent: undefined,
    };
    const comparison = compareWith(undefined, { manifest: RESULT.manifest, files: new Map() }, undefined);
    matches("deployed.md", renderSummary({ ...RESULT, manifest: published.manifest, published, comparison }));
  });
  test("a run that could compare nothing", () =>
    matches("alone.md", renderSummary({ ...RESULT, comparison: undefined, reason: "a `pull_request` | event" })));
  test("a deploy that would fail", () =>
    matches(
      "conflict.md",
      renderComment({
        ...RESULT,
        comparison: compareWith(
          deployed,
          { manifest: RESULT.manifest, files: new Map() },
          { problem: "www.hvt: other bytes" },
        ),
      }),
    ));
});

describe("what a site says stays text", () => {
  const hostile = fc.oneof(
    fc.string({ unit: "binary", maxLength: 200 }),
    fc.string({ unit: fc.constantFrom(..."<>`|*_[]()!#@&~$\\\n\r:/-\"'ab1".split("")), maxLength: 200 }),
    fc.constantFrom(
      "<script>alert(1)</script>",
      "](https://evil.example)",
      "`` ` ```",
      "@mirage/core",
      "mirage/www#1",
      "| a | b |",
      "-->",
      "</details>",
      "https://evil.example",
      "www.evil.example",
      "```\nmermaid",
      "$$x$$",
      "\u202Eevil",
      "\uD800",
    ),
  );

  test("plain text has no character left that means something", () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const shown = plain(text);
        const rest = shown.replaceAll(/&#\d+;/g, "");
        assert.doesNotMatch(rest, /[\\`*_{}[\]()<>#|!&@~$+=^"'\n\r]/);
        assert.doesNotMatch(shown, /[\p{Bidi_Control}\p{Cc}]/u);
        assert.ok(shown.isWellFormed());
        // Escapes are resolved before GitHub looks for these.
        const resolved = shown.replaceAll(/&#(\d+);/g, (_, number) => String.fromCharCode(Number(number)));
        assert.doesNotMatch(resolved, /@\w|#\d|:\/\/|\bwww\./i);
      }),
    );
  });

  test("code is one span, whatever is in it", () => {
    fc.assert(
      fc.property(hostile, (text) => {
        assert.match(code(text), /^(?:`[^`\n]*`|<code>[^<>\n]*<\/code>)$/);
      }),
    );
  });

  test("no text adds a line, a cell, a tag or a fence to a report", () => {
    fc.assert(
      fc.property(hostile, hostile, (one, two) => {
        const shape = (message: string, hint: string, file: string) => {
          const findings = [{ check: "site-links", severity: "error" as const, message, hint }];
          const comparison = compareWith(
            deployed,
            { manifest: RESULT.manifest, files: new Map([["data", [{ path: file, id: "f".repeat(40) }]]]) },
            { problem: message },
          );
          const text = renderComment({ ...FAILED, findings, comparison });
          return [
            text.split("\n").length,
            text.match(/\|/g)?.length,
            text
              .match(/<[a-z/]+>/g)
              ?.filter((tag) => !/code/.test(tag))
              .join(),
            text.match(/```/g)?.length,
          ];
        };
        assert.deepEqual(shape(one || "x", two || "x", two || "x"), shape("x", "x", "x"));
      }),
    );
  });
});

describe("reports fit, whatever the site", () => {
  const long = "&".repeat(5000);
  const many: RunResult = {
    ...RESULT,
    passed: false,
    manifest: {
      ...RESULT.manifest,
      kernels: Array.from({ length: 64 }, (_, i) => ({
        ...(RESULT.manifest.kernels[0] as ReleaseManifest["kernels"][number]),
        path: `kernels/${"`|<".repeat(300)}${i}`,
      })),
    },
    findings: Array.from({ length: 5000 }, (_, i) => ({
      check: `check-${i % 60}`,
      severity: "error" as const,
      message: long,
      hint: long,
    })),
    comparison: compareWith(
      deployed,
      {
        manifest: RESULT.manifest,
        files: new Map([
          ["data", Array.from({ length: 10_000 }, (_, i) => ({ path: `${long}${i}`, id: "f".repeat(40) }))],
        ]),
      },
      undefined,
    ),
  };

  test("a comment is below 65,536 characters and says that there is more", () => {
    const text = renderComment(many);
    assert.ok(text.length < 65_000, String(text.length));
    assert.match(text, /^## ❌ www at 9{12}: 5,000 errors/);
    assert.match(text, /report\.json` in the release has all of it\.\n$/);
  });

  test("a summary is far below 1 MiB", () => {
    assert.ok(Buffer.byteLength(renderSummary(many)) < 512 * 1024);
  });

  test("no part is cut in the middle", () => {
    const text = renderComment(many);
    assert.equal((text.match(/```/g)?.length ?? 0) % 2, 0);
    assert.equal(text.match(/<details>/g)?.length, text.match(/<\/details>/g)?.length);
  });
});

describe("a report that another job wrote", () => {
  const own: RunResult = { ...RESULT, comparison: undefined, findings: [] };
  const read = (result: RunResult) => parseReport(JSON.stringify(reportDocument(result.manifest, result)));

  test("is read back, and speaks for the build", () => {
    const report = read(FAILED);
    assert.ok(report);
    const spoken = speakFor(report, own);
    assert.equal(spoken.passed, false);
    assert.equal(renderComment(spoken), renderComment({ ...FAILED, boot: spoken.boot }));
  });

  test("decides what is ignored, for what is said and nothing else", () => {
    const finding = { check: "site-links", severity: "error" as const, message: "a dead link" };
    const report = read({ ...RESULT, ignored: [finding] });
    assert.ok(report);
    assert.equal(speakFor(report, { ...own, findings: [finding], passed: false }).passed, true);
    const other = { ...finding, message: "another dead link" };
    assert.equal(speakFor(report, { ...own, findings: [finding, other], passed: false }).passed, false);
  });

  test("of another commit or another site says nothing", () => {
    const report = read(FAILED);
    assert.ok(report);
    const elsewhere = { ...own, manifest: { ...own.manifest, name: "blog" } };
    assert.equal(speakFor(report, elsewhere), elsewhere);
  });

  test("that is no report is left alone", () => {
    fc.assert(fc.property(fc.json(), (json) => assert.equal(parseReport(json), undefined)));
    for (const text of ["", "{", "null", `{"type":"unikernel-deploy.report","version":2}`])
      assert.equal(parseReport(text), undefined);
    const report = reportDocument(FAILED.manifest, FAILED);
    const boot = [{ ...report.boot?.[0], kernel: "`</code>|" }];
    assert.equal(parseReport(JSON.stringify({ ...report, boot })), undefined);
  });
});

test("a chart needs two points, and its labels are plain", () => {
  assert.equal(renderChart([{ label: "1", kernels: 1, images: 1 }]), "");
  const point = { label: '1"]\nline [9]', kernels: 100, images: 2_500_000 };
  assert.match(renderChart([point, point]), /x-axis \["1line 9", "1line 9"\]\n {2}y-axis "MB"\n {2}bar \[2\.5, 2\.5\]/);
});

test("report.json is what its schema says", async () => {
  const { Ajv2020 } = await import("ajv/dist/2020.js");
  const schema = JSON.parse(readFileSync(path.join(import.meta.dirname, "../../schema/report.v1.json"), "utf8"));
  const validate = new Ajv2020({ strict: false }).compile(schema);
  for (const result of [RESULT, FAILED]) {
    validate(JSON.parse(JSON.stringify(reportDocument(result.manifest, result))));
    assert.deepEqual(validate.errors, null);
  }
});
