/**
 * A stand-in for solo5-spt and solo5-hvt, which Debian does not have. It takes their command line and refuses what they
 * refuse, with their messages and exit codes (Solo5 0.12.1, tenders/common); a guest that passes is run by qemu, on the
 * tap it was given. The kernel must be one that qemu boots, too: the example for virtio with the target's number changed.
 *
 *     node solo5-stand-in.mjs hvt|spt [--mem=MB] [--net:NAME=IFACE] [--block:NAME=PATH] [--] KERNEL [ARGS]
 */
import { spawn } from "node:child_process";
import { accessSync, constants, readFileSync, statSync } from "node:fs";

const kind = process.argv[2];
/** @type {string[]} */
const words = process.argv.slice(3);

class Refusal extends Error {}
const refuse = (...lines) => {
  throw new Refusal(lines.join("\n"));
};

/** @param {string[]} words */
function parse(words) {
  const attached = [];
  let memory = 512;
  let i = 0;
  for (; i < words.length; i++) {
    const word = words[i];
    if (word === "--") {
      i++;
      break;
    }
    if (!word.startsWith("--")) break;
    const device = /^--(net|block):([A-Za-z0-9]{1,67})=(\S+)/.exec(word);
    const mem = /^--mem=(\d+)$/.exec(word);
    if (device) attached.push({ type: device[1], name: device[2], value: device[3], word });
    else if (mem) memory = Number(mem[1]);
    else refuse(`Invalid option: \`${word}'`, "usage: …");
  }
  return { attached, memory, kernel: words[i], args: words.slice(i + 1) };
}

/** Solo5's two notes, found by their headers: name size 6, description size, type, "Solo5\0" and padding. */
function notes(bytes) {
  const find = (type) => {
    const at = bytes.indexOf(Buffer.concat([Buffer.from(type), Buffer.from("Solo5\0\0\0")]));
    return at < 0 ? undefined : bytes.subarray(at + 12);
  };
  return { abi: find("ABI1"), manifest: find("MFT1") };
}

function declaredDevices(manifest) {
  const count = manifest.readUInt32LE(8);
  return Array.from({ length: count }, (_, i) => manifest.subarray(12 + 104 * i))
    .map((entry) => ({
      name: entry.toString("latin1", 0, entry.indexOf(0)),
      type: { 1: "block", 2: "net" }[entry.readUInt32LE(68)],
    }))
    .filter(({ type }) => type);
}

function check({ attached, kernel }) {
  const bytes = readFileSync(kernel);
  if (bytes.subarray(0, 4).toString("latin1") !== "\x7fELF") refuse(`${kernel}: invalid or unsupported executable`);
  const { abi, manifest } = notes(bytes);
  if (!abi || !manifest) refuse(`${kernel}: No Solo5 ABI information found in executable`);
  if (abi.readUInt32LE(0) !== { hvt: 1, spt: 2 }[kind]) refuse(`Executable is not for the solo5-${kind} target`);
  const declared = declaredDevices(manifest);
  for (const { name, type, value, word } of attached) {
    if (!declared.some((device) => device.name === name && device.type === type)) {
      refuse(`Resource not declared in manifest: '${name}'`, `Invalid option: \`${word}'`, "usage: …");
    }
    if (type === "block") checkBlock(name, value);
  }
  for (const { name, type } of declared) {
    if (attached.some((device) => device.name === name)) continue;
    refuse(
      `Device '${name}' of type ${type === "net" ? "NET" : "BLOCK"}_BASIC declared but not attached.`,
      "All declared devices must be attached.",
    );
  }
}

function checkBlock(name, file) {
  try {
    accessSync(file, constants.R_OK | constants.W_OK);
  } catch (error) {
    refuse(
      `Could not open block device: ${file}: ${error.code === "ENOENT" ? "No such file or directory" : "Permission denied"}`,
    );
  }
  const { size } = statSync(file);
  if (size === 0) refuse(`${name}: Backing storage must be at least 1 block (512 bytes) in size`);
  if (size % 512 !== 0) refuse(`${name}: Backing storage size must be block aligned (512 bytes)`);
}

/** @param {{ attached: { type: string, value: string }[], memory: number, kernel: string, args: string[] }} order */
function runGuest({ attached, memory, kernel, args }) {
  const value = (type) => attached.find((device) => device.type === type)?.value;
  const machine = `-accel tcg -machine pc,acpi=off -cpu Westmere -m ${memory} -nodefaults -display none -no-reboot`;
  const consoleOut = "-serial stdio -device isa-debug-exit";
  const net = `-netdev tap,id=n,ifname=${value("net")},script=no,downscript=no -device virtio-net-pci,netdev=n,addr=2,romfile=`;
  // Names of images have no white space: that was refused.
  const disk = `-drive id=d,if=none,format=raw,readonly=on,file=${value("block")} -device virtio-blk-pci,drive=d,addr=3`;
  const parts = [machine, consoleOut, net, disk].flatMap((part) => part.split(" "));
  const child = spawn("qemu-system-x86_64", [...parts, "-kernel", kernel, "-append", args.join(" ")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  child.stdout.on("data", (chunk) => {
    process.stdout.write(chunk);
    said = (said + chunk).slice(-4096);
  });
  for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => child.kill(signal));
  child.on("close", (code) => {
    const exit = /solo5_exit\((\d+)\)/.exec(said)?.[1];
    process.exitCode = exit === undefined ? (/solo5_abort/.test(said) ? 255 : (code ?? 1)) : Number(exit);
  });
}

try {
  const order = parse(words);
  check(order);
  runGuest(order);
} catch (error) {
  if (!(error instanceof Refusal)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
