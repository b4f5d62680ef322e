/**
 * The checks, in the order they run: what keeps a release from starting, what keeps a guest from finding its files, then
 * the site itself. A new check is one file, one line here and in inputs/schema.ts, and one page in docs/checks/.
 */
import { BOOT_CHECK } from "./boot.ts";
import { caseCollisions } from "./case-collisions.ts";
import type { Check } from "./check.ts";
import { fatPortability } from "./fat-portability.ts";
import { kernelDevices } from "./kernel-devices.ts";
import { kernelEmbeddedSite } from "./kernel-embedded-site.ts";
import { kernelFormat } from "./kernel-format.ts";
import { kernelTarget } from "./kernel-target.ts";
import { releaseSize } from "./release-size.ts";
import { reproducible } from "./reproducible.ts";
import { secretMaterial } from "./secret-material.ts";
import { siteHygiene } from "./site-hygiene.ts";
import { siteIndex } from "./site-index.ts";
import { siteLinks } from "./site-links.ts";
import { tarPortability } from "./tar-portability.ts";
import { volumePadding } from "./volume-padding.ts";
import { volumeReadback } from "./volume-readback.ts";

export const CHECKS: readonly Check[] = [
  kernelTarget,
  kernelFormat,
  kernelDevices,
  kernelEmbeddedSite,
  volumeReadback,
  volumePadding,
  tarPortability,
  fatPortability,
  caseCollisions,
  siteIndex,
  siteLinks,
  siteHygiene,
  secretMaterial,
  releaseSize,
  reproducible,
];

/** Ids that a finding can have; booting runs what the others only look at, and is not on their list. */
export const CHECK_IDS: readonly string[] = [...CHECKS.map(({ id }) => id), BOOT_CHECK];
