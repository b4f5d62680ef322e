/**
 * The release manifest, version 1: its shape, its limits and its validator. Fields that this version does not know
 * survive a round trip, so that an older program can pass a newer document on. docs/manifest.md explains each field. Pure.
 */
import * as v from "valibot";

/** More would not fit the application manifest of a Solo5 kernel (63 devices). */
const MAX_DEVICES = 63;
const MAX_KERNELS = 64;
const MAX_FILES = 1024;
const MAX_ARGS = 1024;
/** 32 MiB parts: 16,384 of them are 512 GiB. */
const MAX_PARTS = 16_384;

const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, "expected 64 hex digits"));
const size = v.pipe(v.number(), v.safeInteger("expected a whole number"), v.minValue(0, "expected 0 or more"));
/** Relative, `/`-separated, no empty, `.` or `..` segment, no control character or backslash: safe to join to a directory. */
const safePath = v.pipe(
  v.string(),
  v.maxLength(1024, "expected at most 1024 characters"),
  v.regex(
    /^(?!\.{0,2}(?:\/|$))(?:(?!\/\.{0,2}(?:\/|$))[^\u0000-\u001f\u007f\\])+$/,
    "expected a relative path that stays inside the release",
  ),
);

/** A kernel's file name: no quoting in a shell, in SHA256SUMS or in a tender's argument. */
const kernelPath = v.pipe(
  v.string(),
  v.regex(/^kernels\/[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$/, "expected kernels/ and a name of letters, digits and ._+-"),
);

/** Names of releases: they become parts of tags, directories and file names. */
export const RELEASE_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/;
/** Names of volumes: they become file names. */
export const VOLUME_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/;

/** What a kernel may have been built for. */
export const TARGETS = [
  "hvt",
  "spt",
  "virtio",
  "muen",
  "genode",
  "xen",
  "pvh",
  "pv",
  "multiboot",
  "unikraft-qemu",
  "unikraft-fc",
  "linux",
  "unix",
] as const;

const device = v.looseObject({
  name: v.pipe(v.string(), v.minLength(1, "expected a name"), v.maxLength(67, "expected at most 67 characters")),
  type: v.picklist(["block", "net"]),
});

const kernel = v.looseObject({
  target: v.nullable(v.picklist(TARGETS)),
  arch: v.pipe(v.string(), v.regex(/^[a-z0-9_-]{1,32}$/, "expected an architecture such as x86_64")),
  abiVersion: v.optional(size),
  path: kernelPath,
  size,
  sha256,
  devices: v.pipe(v.array(device), v.maxLength(MAX_DEVICES, `expected at most ${MAX_DEVICES} devices`)),
});

const volumeName = v.pipe(v.string(), v.regex(VOLUME_NAME, "expected letters, digits, - or _ (at most 63)"));
const deviceName = v.pipe(
  v.string(),
  v.minLength(1, "expected a device name"),
  v.maxLength(67, "expected at most 67 characters"),
);
const formatName = v.pipe(v.string(), v.regex(/^[a-z0-9-]{1,32}$/, "expected the name of an image format"));
const objectId = v.pipe(v.string(), v.regex(/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/, "expected 40 or 64 hex digits"));

const secretVolume = v.looseObject({
  name: volumeName,
  device: deviceName,
  secret: v.literal(true),
  format: formatName,
});

const part = v.looseObject({ path: safePath, size, sha256, blob: v.optional(objectId), print: v.optional(sha256) });

const dataVolume = v.looseObject({
  name: volumeName,
  device: deviceName,
  secret: v.optional(v.literal(false)),
  format: formatName,
  size,
  sha256,
  files: size,
  bytes: size,
  layout: v.optional(v.picklist(["image", "files"])),
  path: v.optional(safePath),
  index: v.optional(v.looseObject({ path: safePath, sha256 })),
  parts: v.optional(v.pipe(v.array(part), v.maxLength(MAX_PARTS, `expected at most ${MAX_PARTS} parts`))),
  commit: v.optional(objectId),
  tree: v.optional(objectId),
});

/** Linux passes a program arguments of up to 128 KiB each. */
const argument = v.pipe(
  v.string(),
  v.maxLength(65_536, "expected at most 65536 characters"),
  v.regex(/^[^\0]*$/, "expected text without a NUL"),
);

const source = v.looseObject({
  repository: v.optional(v.pipe(v.string(), v.maxLength(2048, "expected at most 2048 characters"))),
  commit: objectId,
  ref: v.optional(v.pipe(v.string(), v.maxLength(1024, "expected at most 1024 characters"))),
  committedAt: v.optional(
    v.pipe(v.string(), v.regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, "expected a time such as 2026-11-23T00:00:00Z")),
  ),
  run: v.optional(v.string()),
});

export const manifestSchema = v.looseObject({
  type: v.literal("unikernel-deploy.release"),
  version: v.literal(1),
  name: v.pipe(v.string(), v.regex(RELEASE_NAME, "expected letters, digits, - or _ (at most 63)")),
  sequence: v.optional(
    v.pipe(v.number(), v.safeInteger("expected a whole number"), v.minValue(1, "expected 1 or more")),
  ),
  source,
  kernels: v.pipe(
    v.array(kernel),
    v.minLength(1, "expected at least one kernel"),
    v.maxLength(MAX_KERNELS, `expected at most ${MAX_KERNELS} kernels`),
  ),
  volumes: v.pipe(
    v.array(v.union([secretVolume, dataVolume])),
    v.maxLength(MAX_DEVICES, `expected at most ${MAX_DEVICES} volumes`),
  ),
  files: v.optional(
    v.pipe(
      v.array(v.looseObject({ path: safePath, sha256 })),
      v.maxLength(MAX_FILES, `expected at most ${MAX_FILES} files`),
    ),
  ),
  launch: v.looseObject({
    memory: v.pipe(v.number(), v.safeInteger("expected whole MiB"), v.minValue(1, "expected 1 MiB or more")),
    args: v.pipe(v.array(argument), v.maxLength(MAX_ARGS, `expected at most ${MAX_ARGS} arguments`)),
  }),
  tools: v.optional(v.record(v.string(), v.string())),
  health: v.optional(v.array(v.looseObject({ path: v.string(), sha256 }))),
});

export type ReleaseManifest = v.InferOutput<typeof manifestSchema>;
export type ManifestKernel = v.InferOutput<typeof kernel>;
export type DataVolume = v.InferOutput<typeof dataVolume>;
export type SecretVolume = v.InferOutput<typeof secretVolume>;
export type ManifestVolume = DataVolume | SecretVolume;

export const isDataVolume = (volume: ManifestVolume): volume is DataVolume => volume.secret !== true;

/** Whether a tender attaches the volume as a block device; one of format git is a branch that the guest reads itself. */
export const isAttached = (volume: ManifestVolume): boolean => volume.format !== "git";
