/** The checks that execute nothing, in the order they run. A new check is one file, one line here and one page. */
import type { Check } from "./check.ts";
import { kernelDevices } from "./kernel-devices.ts";
import { releaseSize } from "./release-size.ts";
import { volumeReadback } from "./volume-readback.ts";

export const CHECKS: readonly Check[] = [kernelDevices, volumeReadback, releaseSize];
