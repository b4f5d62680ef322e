/**
 * What stands in front of the tables of a FAT volume: boot sector, and for FAT32 the FSInfo sector and copies of both
 * (Microsoft FAT specification 1.03, "Boot Sector and BPB", "FAT32 FSInfo Sector Structure"). Pure.
 */
import { FAT_COPIES, type Geometry } from "./fat-geometry.ts";

/** A fixed disk, in the boot sector and in the first entry of the table. */
export const MEDIA = 0xf8;
/** FAT32: the root directory is an ordinary one, in the first cluster there is. */
export const ROOT_CLUSTER = 2;
const FSINFO_SECTOR = 1;
const BACKUP_SECTOR = 6;

/** All reserved sectors. `used` is how many clusters are taken, from cluster 2 on without gaps. */
export function reservedSectors(geometry: Geometry, serial: number, used: number): Uint8Array {
  const { kind, sectorSize } = geometry;
  const bytes = Buffer.alloc(geometry.reservedSectors * sectorSize);
  const boot = bootSector(geometry, serial);
  bytes.set(boot, 0);
  if (kind === 16) return bytes;
  const info = fsInfo(geometry, used);
  for (const at of [0, BACKUP_SECTOR]) {
    bytes.set(boot, at * sectorSize);
    bytes.set(info, (at + FSINFO_SECTOR) * sectorSize);
  }
  return bytes;
}

function bootSector(geometry: Geometry, serial: number): Buffer {
  const { kind, sectorSize, totalSectors } = geometry;
  const boot = Buffer.alloc(512);
  const short = kind === 16 && totalSectors < 0x10000;
  // The jump over the parameters and this name are what old readers insist on; nobody boots from it.
  boot.set(kind === 16 ? [0xeb, 0x3c, 0x90] : [0xeb, 0x58, 0x90], 0);
  boot.write("MSWIN4.1", 3, "latin1");
  boot.writeUInt16LE(sectorSize, 11);
  boot.writeUInt8(geometry.clusterSize / sectorSize, 13);
  boot.writeUInt16LE(geometry.reservedSectors, 14);
  boot.writeUInt8(FAT_COPIES, 16);
  boot.writeUInt16LE(geometry.rootEntries, 17);
  boot.writeUInt16LE(short ? totalSectors : 0, 19);
  boot.writeUInt8(MEDIA, 21);
  boot.writeUInt16LE(kind === 16 ? geometry.fatSectors : 0, 22);
  boot.writeUInt16LE(sectorsPerTrack(totalSectors), 24);
  boot.writeUInt16LE(64, 26);
  boot.writeUInt32LE(short ? 0 : totalSectors, 32);
  if (kind === 32) {
    boot.writeUInt32LE(geometry.fatSectors, 36);
    boot.writeUInt32LE(ROOT_CLUSTER, 44);
    boot.writeUInt16LE(FSINFO_SECTOR, 48);
    boot.writeUInt16LE(BACKUP_SECTOR, 50);
  }
  // Drive number, signature of the three fields after it: serial, label, type. No label: ocaml-fat lists it as a file.
  const extended = kind === 16 ? 36 : 64;
  boot.writeUInt8(0x80, extended);
  boot.writeUInt8(0x29, extended + 2);
  boot.writeUInt32LE(serial, extended + 3);
  boot.write("NO NAME    ", extended + 7, "latin1");
  boot.write(kind === 16 ? "FAT16   " : "FAT32   ", extended + 18, "latin1");
  boot.writeUInt16LE(0xaa55, 510);
  return boot;
}

/** A power of two that divides the volume: mtools refuses a track that does not fill up, and a track of none. */
function sectorsPerTrack(totalSectors: number): number {
  let track = 32;
  while (totalSectors % track !== 0) track /= 2;
  return track;
}

function fsInfo({ clusters }: Geometry, used: number): Buffer {
  const info = Buffer.alloc(512);
  info.writeUInt32LE(0x41615252, 0);
  info.writeUInt32LE(0x61417272, 484);
  info.writeUInt32LE(clusters - used, 488);
  info.writeUInt32LE(used < clusters ? 2 + used : 0xffffffff, 492);
  info.writeUInt32LE(0xaa550000, 508);
  return info;
}
