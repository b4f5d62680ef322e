/**
 * Installs the Debian packages that the tests use, where it may; else names them in one line. With arguments, only those
 * that bring these programs.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";

/** What the tests use, and the package that brings it. */
const NEEDED = {
  git: "git",
  tar: "tar",
  bsdtar: "libarchive-tools",
  gcc: "gcc",
  readelf: "binutils",
  "ssh-keygen": "openssh-client",
  sshd: "openssh-server",
  // Brings seabios with it; ipxe-qemu is below.
  "qemu-system-x86_64": "qemu-system-x86",
  strace: "strace",
  shellcheck: "shellcheck",
  xmllint: "libxml2-utils",
  mcopy: "mtools",
  "fsck.fat": "dosfstools",
  "7zz": "7zip",
  "docker-registry": "docker-registry",
  skopeo: "skopeo",
  umoci: "umoci",
  openssl: "openssl",
};
const FILES = {
  "/usr/include/stdio.h": "libc6-dev",
  "/usr/share/seabios/bios.bin": "seabios",
  "/usr/lib/ipxe/qemu/efi-virtio.rom": "ipxe-qemu",
  "/usr/share/doc/python3.11/html/index.html": "python3-doc",
};

const directories = [...(process.env.PATH ?? "").split(":"), "/usr/sbin", "/sbin"];
const installed = (program) => directories.some((directory) => existsSync(path.join(directory, program)));
const wanted = process.argv.slice(2);
const missing = [
  ...Object.entries(NEEDED).flatMap(([program, name]) => (installed(program) || !asked(program) ? [] : [name])),
  ...Object.entries(FILES).flatMap(([file, name]) => (existsSync(file) || wanted.length > 0 ? [] : [name])),
];

if (missing.length > 0 && !install(missing)) {
  console.log(
    `what needs these Debian packages will be SKIPPED: apt-get install --no-install-recommends ${missing.join(" ")}`,
  );
}

function asked(program) {
  return wanted.length === 0 || wanted.includes(program);
}

function install(packages) {
  if (!installed("apt-get")) return false;
  const sudo = process.getuid?.() === 0 ? [] : ["sudo", "-n"];
  const run = (...args) => {
    const [command, ...rest] = [
      ...sudo,
      "env",
      "DEBIAN_FRONTEND=noninteractive",
      "apt-get",
      "-qq",
      "-o",
      "DPkg::Lock::Timeout=300",
      ...args,
    ];
    return spawnSync(command, rest, { stdio: ["ignore", "ignore", "inherit"] }).status === 0;
  };
  console.log(`installing ${packages.join(" ")}`);
  return run("update") && run("install", "-y", "--no-install-recommends", ...packages);
}
