/**
 * Writes schema/*.json from the program's own validators, with the titles and descriptions that teach an editor's user
 * what a field is for. `--check` writes nothing and exits 1 where a file is not what it would write.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { toJsonSchema } from "@valibot/to-json-schema";
import { CHECKS } from "../src/checks/index.ts";
import { hostSchema } from "../src/inputs/host.ts";
import { configSchema } from "../src/inputs/schema.ts";
import { manifestSchema } from "../src/manifest/schema.ts";

const DRAFT = "https://json-schema.org/draft/2020-12/schema";
const UNITS = "B|kB|KB|MB|GB|KiB|MiB|GiB";

/** What a check and a transform say in code, said in words that JSON Schema has. */
const SIZE = {
  anyOf: [
    { type: "integer", minimum: 0 },
    { type: "string", pattern: `^\\s*[0-9]+(?:\\.[0-9]+)?\\s*(?:${UNITS})?\\s*$` },
  ],
  examples: ["20MB", "64MiB"],
};
const DURATION = { type: "string", pattern: "^\\s*[0-9]+\\s*(?:ms|s|m|h|d)\\s*$", examples: ["30s", "5m"] };

/** A data volume comes from somewhere; a secret one never does. */
const SECRET_OR_FROM = {
  if: { properties: { secret: { const: true } }, required: ["secret"] },
  then: { not: { required: ["from"] } },
  else: { required: ["from"] },
};

const config = {
  file: "config.v1.json",
  title: "unikernel.yml",
  description:
    "What to build, split, check and deploy. Every field is optional; flags and Action inputs win over this file.",
  schema: configSchema,
  fields: {
    name: "Name of the site: letters, digits, - and _. It becomes part of tags and directories. Default: the first kernel's file name without its ending.",
    build: "Shell command that builds the site and the kernel. It runs with bash, in the directory of the checkout.",
    kernels: "Kernels that the build leaves: paths or globs, one kernel a target.",
    "kernels[]": "A path or a glob, relative to the checkout.",
    volumes:
      "The block devices that the kernel gets, by a name of your choice: data volumes made from directories, and secret volumes that only the host fills.",
    "volumes.*": { description: "One volume.", also: SECRET_OR_FROM },
    "volumes.*.from": "Directory that the build leaves. A data volume needs it; a secret volume must not have it.",
    "volumes.*.format": "Image format of the volume.",
    "volumes.*.device":
      "Name of the guest's block device, as in block_of_file of config.ml. Default: the kernel's device of the volume's own name, or its only block device.",
    "volumes.*.size": {
      description: "Total size of the image where the volume wants head-room. Default: the smallest that fits.",
      is: SIZE,
    },
    "volumes.*.secret": "true: the host fills this volume, and nothing of it is ever built or pushed.",
    launch: "What the guest is started with, as the launch files write it.",
    "launch.memory": "Memory of the guest in MiB.",
    "launch.args": "Arguments of the kernel.",
    "launch.args[]": "One argument.",
    checks: "Budgets, findings to live with, and settings of single checks by id (docs/checks/).",
    // Of every check that has nothing to say of its own; its title stands in front.
    "checks.*": "Settings of this check.",
    "checks.*.severity": "How grave the findings of this check are; off does not run it.",
    "checks.kernel-target.target": "Targets that the release must have a kernel for: one, or a list.",
    "checks.kernel-target.target[]": "A target, such as hvt.",
    "checks.kernel-target.solo5":
      "Solo5 release of the host's tender; the ABI versions of the kernels must be its own.",
    "checks.site-links.url": "Address of the site, so that links with the whole address are checked like the others.",
    "checks.site-links.clean-urls": "true: /page is served from page.html.",
    "checks.release-size.max-growth": "Percentage by which a kernel or an image may outgrow the one that is deployed.",
    "checks.reproducible": "Settings of the check that builds a second time and compares.",
    "checks.reproducible.enabled": "false: do not build a second time.",
    "checks.reproducible.clean": "Shell command that removes what the first build left.",
    "checks.boot":
      "Boot the kernels with their images and probe them: check and the Action do so where this is set; build never does.",
    "checks.boot.tender": "Program that runs the guest; auto takes the first that fits the kernel.",
    "checks.boot.port": "TCP port of the guest's web server.",
    "checks.boot.required": "true: it is an error, not a note, when no kernel could be booted.",
    "checks.boot.memory": "Memory of the guest in MiB. Default: launch.memory.",
    "checks.boot.timeout": {
      description: "How long the guest may take to serve, and may stay silent while a page is fetched.",
      is: DURATION,
    },
    "checks.boot.probe": "What to look for once the guest runs.",
    "checks.boot.probe.kind":
      "http: fetch every page and compare every byte; console: wait for a line; exit: wait for the end.",
    "checks.boot.probe.pattern": "Probe console: regular expression for one line of the console.",
    "checks.boot.probe.code": "Probe exit: the exit code expected. Default: 0.",
    "checks.boot.args":
      "Arguments of the guest instead of launch.args with its addresses replaced. {address}, {ip}, {gateway} and {port} are filled in.",
    "checks.boot.args[]": "One argument.",
    "checks.boot.command":
      "Tender command: the program and its arguments, as a list or as one text. {kernel}, {image:NAME}, {memory}, {port}, {args}, {address} and {gateway} are filled in. No shell.",
    "checks.boot.command[]": "One word of the command.",
    "checks.boot.accel": "auto tries KVM and falls back to emulation (tcg).",
    "checks.max-kernel-size": { description: "Budget for each kernel. MB is 10^6 bytes, MiB is 2^20.", is: SIZE },
    "checks.max-image-size": { description: "Budget for each image. MB is 10^6 bytes, MiB is 2^20.", is: SIZE },
    "checks.ignore": "Findings to live with. A rule that covers nothing is itself a note.",
    "checks.ignore[]": "A check's id, or id:path for its findings about one path.",
    deploy: "Where releases go, and how they are stored there.",
    "deploy.repository": "Deployment repository: owner/name, any git URL, or a path.",
    "deploy.branch": "Branch of the deployment repository.",
    "deploy.path": "Directory in it, where several sites share one repository.",
    "deploy.layout": "Store volumes as one image each, or as the site's own files.",
    "deploy.runnable":
      "Registries (oci://) only: also push an OCI image of each kernel with its volume, as urunc runs it. Default: false.",
    "deploy.history": "Keep only the last N deployments. Default: all.",
  },
};

const host = {
  file: "host.v1.json",
  title: "host.yml",
  description:
    "What a host follows. host sync needs name, repository, target and state; relative paths are relative to this file.",
  schema: hostSchema,
  fields: {
    name: "Name of the site, as in the release manifest: a release of another name is refused.",
    repository: "Deployment repository: owner/name, any git URL, or a path.",
    target: "Which of the release's kernels this host runs: hvt, spt, virtio, xen, pvh, …",
    state: "Directory for the mirror, the releases and the link current. Created when missing.",
    branch: "Branch of the deployment repository.",
    path: "Directory of the release in it, where several sites share one repository.",
    arch: "Architecture, where a release has kernels of one target for several: x86_64, aarch64, …",
    "allowed-signers":
      "File of keys that may sign releases, in the form of ssh-keygen's ALLOWED SIGNERS. With it, an unsigned release is refused.",
    "ssh-key": "Private key file for an ssh repository; a read-only deploy key is enough.",
    "known-hosts": "Host keys of ssh servers other than github.com.",
    "revoked-signers":
      "File of public keys, one a line, or a revocation list made by ssh-keygen -k: what they signed is refused, whatever allowed-signers says.",
    "max-age": { description: "Warn when the repository has brought nothing new for this long.", is: DURATION },
    runtime:
      "Directory in memory for secret volumes and the state of the guest. Default: /run/unikernel-deploy/NAME, or what a user who is not root has instead.",
    keep: "Releases to keep on disk; current and the one to go back to are never removed.",
    secrets: "Content of the secret volumes, by volume name.",
    "secrets.*": "One secret volume.",
    "secrets.*.from": "Directory on this host with the files, or an image.",
    "secrets.*.format": "Image format of what is made from a directory; the manifest's where absent.",
    launch: "How host up starts the guest.",
    "launch.tender": "Program that runs the guest; auto takes the one that belongs to the target.",
    "launch.memory": "Memory in MiB; the manifest's where absent.",
    "launch.net": "Host interface for each of the guest's network devices.",
    "launch.net.*": "Name of the interface on this host, such as tap0; of the bridge for xl and albatross.",
    "launch.forward":
      "For qemu without taps: ports of this host that lead to ports of the guest, on qemu's own user network (guest 10.0.2.15/24, gateway 10.0.2.2).",
    "launch.forward[]": "[ADDRESS:]PORT:GUESTPORT; the address is 127.0.0.1 where absent.",
    "launch.args": "Arguments of the kernel; the manifest's where absent.",
    "launch.args[]": "One argument.",
    "launch.command":
      "Tender command: the program and its arguments. {kernel}, {image:NAME}, {memory} and {args} are filled in. No shell.",
    "launch.command[]": "One word of the command.",
    "launch.accel": "qemu: auto takes KVM where /dev/kvm can be opened, else emulation (tcg).",
    "launch.solo5": "Solo5 release of the tender, where it cannot be asked: the kernel's ABI version must be its own.",
    health: "How to see that the site is served. Without it a guest is good when it stays up for two seconds.",
    "health.url": "URL to fetch.",
    "health.timeout": { description: "How long a guest may take to answer before its release is bad.", is: DURATION },
    "health.status": "HTTP status expected.",
    "health.page": "true: the page must be the release's own, where the manifest has its digest for this path.",
    "health.interval": { description: "How often to ask again once it serves.", is: DURATION },
    poll: { description: "How often to look for a new release.", is: DURATION },
  },
};

const manifest = {
  file: "manifest.v1.json",
  title: "Release manifest",
  description:
    "manifest.json: what one source commit was built into. Unknown fields are kept by every program that reads and writes it. docs/manifest.md explains each field.",
  schema: manifestSchema,
  fields: {
    type: "Says what this document is.",
    version: "Version of this schema.",
    name: "Name of the site.",
    sequence: "Number of the deployment at its destination, from 1. Added by deploy; a host refuses to go down.",
    source: "What was built.",
    "source.repository": "URL of the source repository, without credentials; absent where there is no remote.",
    "source.commit": "Full id of the source commit.",
    "source.ref": "The ref that was built.",
    "source.committedAt": "Committer time of the source commit, in UTC: the only time in a release.",
    "source.run": "URL of the workflow run that built it.",
    kernels: "One kernel for each target and architecture.",
    "kernels[]": "A kernel.",
    "kernels[].target": "What the kernel was built for, read from its bytes; null where nothing in them says.",
    "kernels[].arch": "Processor architecture.",
    "kernels[].abiVersion": "Version of the Solo5 ABI that the kernel needs.",
    "kernels[].path": "Where the kernel is, relative to the manifest.",
    "kernels[].size": "Bytes.",
    "kernels[].sha256": "Digest of the kernel.",
    "kernels[].devices": "Devices of the application manifest, in its order.",
    "kernels[].devices[]": "A device that the kernel declares.",
    "kernels[].devices[].name": "The guest's name for the device.",
    "kernels[].devices[].type": "Block device or network device.",
    volumes: "Block devices to attach: data volumes, and secret volumes that the host fills.",
    "volumes[]": "A volume: secret: true makes it a secret one.",
    "volumes[].name": "Name of the volume.",
    "volumes[].device": "The guest's name for the block device it goes to.",
    "volumes[].secret": "Whether only the host knows the content.",
    "volumes[].format": "Image format.",
    "volumes[].size": "Bytes of the assembled block image, whatever the layout.",
    "volumes[].sha256": "Digest of the assembled block image, whatever the layout.",
    "volumes[].files": "Number of files in the image.",
    "volumes[].bytes": "Sum of the sizes of the files.",
    "volumes[].layout": "How the volume is stored in the deployment repository. Added by deploy.",
    "volumes[].path":
      "Layout image: the image. Layout files: the directory of the tree. Absent where the image is in parts.",
    "volumes[].index": "List of the files in the image.",
    "volumes[].index.path": "Where the index is.",
    "volumes[].index.sha256": "Digest of the index.",
    "volumes[].parts": "The parts of the image, in order; joined, they are the image.",
    "volumes[].parts[]": "A part of the image.",
    "volumes[].parts[].path": "Where the part is.",
    "volumes[].parts[].size": "Bytes.",
    "volumes[].parts[].sha256": "Digest of the part.",
    "volumes[].parts[].blob": "Git blob id of the part, for the next deploy.",
    "volumes[].parts[].print": "Digest of what the part is made of, for the next deploy: one print, one part.",
    "volumes[].commit": "Format git: commit that holds the tree.",
    "volumes[].tree": "Format git: id of the tree.",
    files: "Further files that the manifest vouches for: SHA256SUMS and launch files. Added by deploy.",
    "files[]": "A file.",
    "files[].path": "Where the file is.",
    "files[].sha256": "Digest of the file.",
    launch: "What the guest is started with.",
    "launch.memory": "Memory in MiB.",
    "launch.args": "Arguments of the kernel.",
    "launch.args[]": "One argument.",
    tools: "Programs that made the release, with their versions.",
    "tools.*": "A version.",
    health: "Pages that a host may probe, and what they serve.",
    "health[]": "A page.",
    "health[].path": "Path of the page's URL.",
    "health[].sha256": "Digest of what is served.",
  },
};

/** What the program writes as report.json. It believes less of one that it reads, and so needs another validator for that. */
function reportSchema() {
  const text = (description, extra = {}) => ({ type: "string", description, ...extra });
  const number = (description) => ({ type: "integer", minimum: 0, description });
  const finding = {
    type: "object",
    title: "Finding",
    description: "What a check says of one thing.",
    properties: {
      check: text("Id of the check; docs/checks/ has a page for each.", { pattern: "^[a-z0-9-]+$" }),
      severity: text("error keeps a release from being deployed; warning and note do not.", {
        enum: ["error", "warning", "note"],
      }),
      message: text("What was found, and what was expected."),
      path: text("The file it is about: a path in the site, or of the release."),
      line: { type: "integer", minimum: 1, description: "The line in that file." },
      hint: text("What to change."),
      broken: { const: true, description: "The check itself failed, so nothing is known of what it looks at." },
    },
    required: ["check", "severity", "message"],
  };
  return {
    $schema: DRAFT,
    $id: "urn:unikernel-deploy:schema:report.v1",
    title: "Report",
    description: "report.json: the findings of every check on one release.",
    type: "object",
    properties: {
      type: { const: "unikernel-deploy.report", description: "Says what this document is." },
      version: { const: 1, description: "Version of this schema." },
      name: text("Name of the site."),
      commit: text("Source commit of the release.", { pattern: "^(?:[0-9a-f]{40}|[0-9a-f]{64})$" }),
      passed: { type: "boolean", description: "Whether the release may be deployed: no finding is an error." },
      errors: number("Findings that are errors."),
      warnings: number("Findings that are warnings."),
      notes: number("Findings that are notes."),
      findings: { type: "array", items: { $ref: "#/$defs/finding" }, description: "What was found." },
      ignored: {
        type: "array",
        items: { $ref: "#/$defs/finding" },
        description: "Findings that an ignore rule covers.",
      },
      boot: {
        type: "array",
        items: { $ref: "#/$defs/boot" },
        description: "One for each kernel, where the kernels were to be booted.",
      },
      comparison: { $ref: "#/$defs/comparison" },
    },
    required: ["type", "version", "name", "commit", "passed", "errors", "warnings", "notes", "findings", "ignored"],
    $defs: { finding, boot: bootSchema(text, number), comparison: comparisonJsonSchema(text, number) },
  };
}

function comparisonJsonSchema(text, number) {
  const object = (description, properties, required) => ({ type: "object", description, properties, required });
  const list = (description, items) => ({ type: "array", description, items });
  const sizes = (description) => ({ type: "object", description, additionalProperties: number("Bytes.") });
  const deployed = {
    sequence: number("Its number."),
    commit: text("Its source commit."),
    kernels: sizes("By target and architecture."),
    volumes: sizes("By data volume."),
  };
  const files = {
    volume: text("Name of the data volume."),
    added: number("Files that are new."),
    changed: number("Files with other content."),
    removed: number("Files that are gone."),
    examples: list("Some of them.", text("Path, after + for added, ~ for changed, - for removed.")),
  };
  const push = {
    outcome: text("What deploying would come to: planned, unchanged or superseded."),
    sequence: number("Number that the release would have."),
    changed: number("Files that would be new or other in the destination."),
    removed: number("Files that would be gone there."),
    bytes: number("Bytes of what is new, before compression."),
    problem: text("Why it would fail."),
  };
  const deployment = {
    sequence: number("Number of the release."),
    kernels: number("Bytes of all kernels."),
    images: number("Bytes of all images."),
  };
  const properties = {
    deployed: object("The release that a host would get now.", deployed, ["commit", "kernels", "volumes"]),
    files: list("What differs.", object("In one volume.", files, Object.keys(files))),
    push: object("What deploying would push, from a dry run.", push, []),
    history: list("The last deployments, oldest first.", object("One of them.", deployment, Object.keys(deployment))),
  };
  const description = "The release beside what is deployed now, where that could be read.";
  return { title: "Comparison", ...object(description, properties, ["files", "history"]) };
}

/** Durations are in milliseconds from the start of the guest's process. */
function bootSchema(text, number) {
  const figure = (description) => ({ type: "number", minimum: 0, description });
  const textOrNull = (description) => ({ type: ["string", "null"], description });
  const figures = {
    pages: number("Requests answered as they should be."),
    bytes: number("Bytes of their bodies."),
    seconds: figure("From the first request to the last byte."),
    pagesPerSecond: figure("Pages by seconds."),
    megabytesPerSecond: figure("10^6 bytes by seconds."),
    connections: number("Connections opened."),
  };
  const mismatch = {
    path: text("Path asked for."),
    message: text("What was wrong."),
    status: number("HTTP status, where it was not the one expected."),
    offset: number("First byte of the body that differs, from 0."),
  };
  return {
    type: "object",
    title: "Boot",
    description: "What booting one kernel came to.",
    properties: {
      kernel: text("Path of the kernel in the release."),
      target: textOrNull("What the kernel was built for."),
      outcome: text("skipped: nothing was proved.", { enum: ["passed", "failed", "skipped"] }),
      reason: text("Why it failed or was skipped."),
      hint: text("What to do about that."),
      tender: textOrNull("Program that ran the guest."),
      accel: { enum: ["kvm", "tcg", null], description: "What accelerated it." },
      fallback: text("Why KVM was tried and left."),
      probe: text("What was looked for.", { enum: ["http", "console", "exit"] }),
      memory: number("Memory of the guest in MiB."),
      ready: number("Until it served."),
      firstByte: number("Until the first byte of an answer."),
      figures: { type: "object", description: "Of the pages fetched.", properties: figures },
      mismatched: number("Pages that did not come back as they should."),
      mismatches: {
        type: "array",
        description: "The first 100 of them.",
        items: { type: "object", properties: mismatch, required: ["path", "message"] },
      },
      console: { type: "array", items: text("A line."), description: "Last lines of the console, where it failed." },
    },
    required: [
      "kernel",
      "target",
      "outcome",
      "tender",
      "accel",
      "probe",
      "memory",
      "mismatched",
      "mismatches",
      "console",
    ],
  };
}

/** A validator as JSON Schema with everything described. Throws for a field without words, and for words without a field. */
function describedSchema({ file, title, description, schema, fields }) {
  const unused = new Set(Object.keys(fields));
  const silent = new Set();
  const wordsFor = (at) => {
    if (at in fields) {
      unused.delete(at);
      return fields[at];
    }
    const [, id, rest = ""] = /^checks\.([a-z-]+)(\.severity)?$/.exec(at) ?? [];
    const general = `checks.*${rest}`;
    if (id === undefined || !(general in fields)) return undefined;
    unused.delete(general);
    const title = rest === "" && CHECKS.find((check) => check.id === id)?.title;
    return title ? `${title[0].toUpperCase()}${title.slice(1)}. ${fields[general]}` : fields[general];
  };
  const describe = (node, at) => {
    const words = wordsFor(at);
    if (words === undefined && at !== "") silent.add(at);
    const { is, also, description: said = words } = typeof words === "object" ? words : {};
    const { required, ...rest } = is ? { ...is, ...("default" in node ? { default: node.default } : {}) } : node;
    return {
      ...(said === undefined ? {} : { description: said }),
      ...(is ? rest : descend(rest, at)),
      ...(required?.length > 0 ? { required } : {}),
      ...also,
    };
  };
  const descend = (node, at) => {
    const under = (key) => (at === "" ? key : `${at}.${key}`);
    const out = { ...node };
    if (node.properties) {
      const entries = Object.entries(node.properties);
      out.properties = Object.fromEntries(entries.map(([key, value]) => [key, describe(value, under(key))]));
    }
    if (typeof node.additionalProperties === "object") {
      out.additionalProperties = describe(node.additionalProperties, under("*"));
    }
    if (node.items) out.items = describe(node.items, `${at}[]`);
    if (node.anyOf) {
      out.anyOf = node.anyOf.map((branch) => {
        const { required, ...rest } = descend(branch, at);
        return required?.length > 0 ? { ...rest, required } : rest;
      });
    }
    return out;
  };
  const { $schema: _, ...generated } = toJsonSchema(schema, {
    typeMode: "input",
    target: "draft-2020-12",
    errorMode: "ignore",
  });
  const body = describe(generated, "");
  const problems = [
    ...[...silent].map((at) => `${file}: ${at} has no description`),
    ...[...unused].map((at) => `${file}: ${at} is described, and is no field`),
  ];
  if (problems.length > 0)
    throw new Error(`scripts/schemas.mjs does not match the validators:\n${problems.join("\n")}`);
  const id = `urn:unikernel-deploy:schema:${file.replace(".json", "")}`;
  return { $schema: DRAFT, $id: id, title, ...body, description };
}

const documents = [config, host, manifest]
  .map((document) => [document.file, describedSchema(document)])
  .concat([["report.v1.json", reportSchema()]]);

const same = (target, schema) => {
  if (!existsSync(target)) return false;
  // Compared as values: how the file is laid out is the formatter's business.
  return JSON.stringify(JSON.parse(readFileSync(target, "utf8"))) === JSON.stringify(schema);
};
const stale = documents
  .map(([file, schema]) => ({ target: `schema/${file}`, schema }))
  .filter(({ target, schema }) => !same(target, schema));
const names = stale.map(({ target }) => target);

if (stale.length > 0 && process.argv.includes("--check")) {
  console.error(`${names.join(", ")}: not what src/ says now; run: npm run docs`);
  process.exitCode = 1;
} else if (stale.length > 0) {
  mkdirSync("schema", { recursive: true });
  for (const { target, schema } of stale) writeFileSync(target, `${JSON.stringify(schema, null, 2)}\n`);
  execFileSync("node_modules/.bin/biome", ["format", "--write", "--log-level=error", ...names]);
  console.log(`wrote ${names.join(", ")}`);
}
