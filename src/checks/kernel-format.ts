/** check: kernel-format. Whatever loads the kernel accepts the file as it is. Pure. */
import type { KernelProblem } from "../kernel/kernel.ts";
import type { Check } from "./check.ts";
import { kernelsOf } from "./contents.ts";

export const kernelFormat: Check = {
  id: "kernel-format",
  title: "each kernel is a file that its loader accepts",
  severity: "error",
  *run(subject) {
    for (const { path, kernel } of kernelsOf(subject)) {
      for (const problem of kernel.info.problems) {
        if (isAboutDevices(problem)) continue;
        const { severity, code, message, hint } = problem;
        yield { path, severity, message: `${message} [${code}]`, hint: hint ?? REMEDY };
      }
    }
  },
};

const REMEDY = "link it with the target's own linker script, and do not change the file afterwards";

/** Those are what kernel-devices reports. */
export const isAboutDevices = ({ code }: KernelProblem) => code.startsWith("device-");
