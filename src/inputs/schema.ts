/**
 * The configuration: one schema for `unikernel.yml`, command-line flags and Action inputs, which are all brought into
 * this shape before they are judged. schema/config.v1.json is generated from it. Pure.
 */
import * as v from "valibot";
import { FORMAT_NAMES } from "../image/formats.ts";
import { RELEASE_NAME, VOLUME_NAME } from "../manifest/schema.ts";
import { parseDuration, parseSize } from "../util/size.ts";

/** No path, program argument or address can hold a NUL. */
export const line = v.pipe(v.string(), v.regex(/^[^\0]*$/, "expected text without a NUL"));
export const text = v.pipe(line, v.nonEmpty("expected some text"));
const sizeText = v.pipe(
  v.union([v.string(), v.number()]),
  v.check((value) => parseSize(String(value)) !== undefined, "expected a size such as 20MB or 64MiB"),
  v.transform((value) => parseSize(String(value)) as number),
);
export const duration = v.pipe(
  v.string(),
  v.check((value) => parseDuration(value) !== undefined, "expected a duration such as 30s or 5m"),
  v.transform((value) => parseDuration(value) as number),
);
export const memory = v.pipe(
  v.number(),
  v.safeInteger("expected whole MiB"),
  v.minValue(1, "expected 1 MiB or more"),
  v.maxValue(1024 * 1024, "expected at most 1 TiB"),
);
const port = v.pipe(
  v.number(),
  v.integer("expected a port"),
  v.minValue(1, "expected a port"),
  v.maxValue(65_535, "expected a port"),
);
export const releaseName = v.pipe(v.string(), v.regex(RELEASE_NAME, "expected letters, digits, - or _ (at most 63)"));

/** The tenders that can run a guest. */
export const TENDERS = ["auto", "solo5-hvt", "solo5-spt", "qemu", "unix", "command", "xl", "albatross"] as const;

export const LAYOUTS = ["image", "files"] as const;

const volume = v.strictObject({
  from: v.optional(text),
  format: v.optional(
    v.pipe(
      v.picklist(FORMAT_NAMES),
      v.check(
        (format) => format !== "elf-object",
        "expected what a device can hold; an elf-object is linked into a kernel, and made by its build (image create)",
      ),
    ),
    "tar",
  ),
  device: v.optional(
    v.pipe(v.string(), v.regex(/^[A-Za-z0-9]{1,67}$/, "expected 1 to 67 letters or digits, as Solo5 takes")),
  ),
  size: v.optional(sizeText),
  secret: v.optional(v.boolean(), false),
});

const volumes = v.record(
  v.pipe(v.string(), v.regex(VOLUME_NAME, "expected a volume name: letters, digits, - or _")),
  volume,
);

const pattern = v.pipe(
  text,
  v.check((value) => isPattern(value), "expected a regular expression"),
);

const probe = v.pipe(
  v.strictObject({
    kind: v.optional(v.picklist(["http", "console", "exit"]), "http"),
    pattern: v.optional(pattern),
    code: v.optional(v.pipe(v.number(), v.integer("expected an exit code"), v.minValue(0), v.maxValue(255))),
  }),
  v.check(({ kind, pattern }) => kind !== "console" || pattern !== undefined, "a console probe needs a pattern"),
);

const boot = v.strictObject({
  tender: v.optional(v.picklist(TENDERS), "auto"),
  port: v.optional(port, 80),
  required: v.optional(v.boolean(), false),
  memory: v.optional(memory),
  timeout: v.optional(duration, "30s"),
  probe: v.optional(probe, {}),
  args: v.optional(v.array(v.string())),
  command: v.optional(v.union([text, v.pipe(v.array(v.string()), v.nonEmpty("expected a command"))])),
  accel: v.optional(v.picklist(["auto", "kvm", "tcg"]), "auto"),
});

function isPattern(value: string): boolean {
  try {
    new RegExp(value);
    return true;
  } catch {
    return false;
  }
}

/** Of a text that looks like a URL: its host or port may still be none. */
export const askable = v.check<string, string>(
  (url) => URL.canParse(url),
  "expected a URL with a host and a port that there can be",
);

/** `checks.<id>`: one check's settings. */
const severity = v.optional(v.picklist(["error", "warning", "note", "off"]));
const severityOnly = v.optional(v.strictObject({ severity }));
const target = v.pipe(v.string(), v.regex(/^[a-z0-9-]{1,32}$/, "expected a target such as hvt"));

const checks = v.strictObject({
  boot: v.optional(boot),
  "kernel-target": v.optional(
    v.strictObject({
      severity,
      target: v.optional(v.union([target, v.array(target)])),
      solo5: v.optional(
        v.pipe(
          v.string(),
          v.regex(/^[0-9]+\.[0-9]+(?:\.[0-9]+)?$/, 'expected the version of a Solo5 release, such as "0.12.1"'),
        ),
      ),
    }),
  ),
  "kernel-format": severityOnly,
  "kernel-devices": severityOnly,
  "kernel-embedded-site": severityOnly,
  "volume-readback": severityOnly,
  "volume-padding": severityOnly,
  "tar-portability": severityOnly,
  "fat-portability": severityOnly,
  "case-collisions": severityOnly,
  "site-index": severityOnly,
  "site-links": v.optional(
    v.strictObject({
      severity,
      url: v.optional(
        v.pipe(
          v.string(),
          v.regex(/^https?:\/\/[^/\s]+(?:\/[^\s]*)?$/, "expected the site's address, such as https://mirage.io"),
          askable,
        ),
      ),
      "clean-urls": v.optional(v.boolean()),
    }),
  ),
  "site-hygiene": severityOnly,
  "secret-material": severityOnly,
  "release-size": v.optional(
    v.strictObject({
      severity,
      "max-growth": v.optional(v.pipe(v.number(), v.minValue(0, "expected a percentage, 0 or more"))),
    }),
  ),
  reproducible: v.optional(
    v.strictObject({ severity, enabled: v.optional(v.boolean(), true), clean: v.optional(text) }),
  ),
  "max-kernel-size": v.optional(sizeText),
  "max-image-size": v.optional(sizeText),
  ignore: v.optional(
    v.array(v.pipe(v.string(), v.regex(/^[a-z0-9-]+(?::.+)?$/, "expected a check's id, or id:path"))),
    [],
  ),
});

/** What git check-ref-format takes, and that is no option. */
export const branch = v.pipe(
  v.string(),
  v.regex(
    /^(?!-)(?!.*(?:\.\.|@\{|\/\/|\.lock(?:\/|$)))[^\s~^:?*[\\\u0000-\u001f\u007f]+(?<![/.])$/,
    "expected a branch name",
  ),
);
/** A directory of a repository, "" for its root. */
export const directory = v.pipe(
  v.string(),
  v.regex(
    /^(?:(?!\.{0,2}(?:\/|$))(?:(?!\/\.{0,2}(?:\/|$))[^\u0000-\u001f\u007f\\])+)?$/,
    "expected a relative directory",
  ),
  v.check((value) => !/(?:^|\/)\.git(?:\/|$)/i.test(value), "expected a directory that git can hold"),
);

const deploy = v.strictObject({
  repository: v.optional(text),
  branch: v.optional(branch, "main"),
  path: v.optional(directory, ""),
  layout: v.optional(v.picklist(LAYOUTS), "image"),
  runnable: v.optional(v.boolean(), false),
  history: v.optional(v.pipe(v.number(), v.integer("expected a whole number"), v.minValue(1, "expected 1 or more"))),
});

export const configSchema = v.strictObject({
  name: v.optional(releaseName),
  build: v.optional(text),
  kernels: v.optional(v.array(text), []),
  volumes: v.optional(volumes, {}),
  launch: v.optional(v.strictObject({ memory: v.optional(memory, 64), args: v.optional(v.array(line), []) }), {}),
  checks: v.optional(checks, {}),
  deploy: v.optional(deploy, {}),
});

/** A validated configuration with every default filled in. */
export type Config = v.InferOutput<typeof configSchema>;
export type VolumeConfig = Config["volumes"][string];
