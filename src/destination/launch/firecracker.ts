/** Launch file for Firecracker (its configuration file). Pure. */
import type { Launch } from "./launch.ts";

export function firecracker({ name, kernelFile, memory, args, volumes }: Launch): string {
  return `${JSON.stringify(
    {
      "boot-source": { kernel_image_path: kernelFile, boot_args: [name, ...args].join(" ") },
      drives: volumes.map(({ name: id, file }) => ({
        drive_id: id,
        path_on_host: file,
        is_root_device: false,
        is_read_only: true,
      })),
      "network-interfaces": [{ iface_id: "eth0", host_dev_name: "tap0" }],
      "machine-config": { vcpu_count: 1, mem_size_mib: memory },
    },
    null,
    2,
  )}\n`;
}
