import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConsoleLog, shown } from "../../src/tender/console.ts";
import { describeEnd, guestCode, tellingLine } from "../../src/tender/ending.ts";
import { portOf } from "../../src/tender/qmp.ts";

const logOf = (...lines: string[]) => {
  const log = new ConsoleLog();
  log.write(Buffer.from(lines.map((line) => `${line}\r\n`).join("")));
  log.end();
  return log;
};

describe("ConsoleLog", () => {
  it("gives lines however they are cut, with characters whole", () => {
    const log = new ConsoleLog();
    const seen: string[] = [];
    log.watch((line) => seen.push(line));
    for (const byte of Buffer.from("größe\r\nlistening on 10.0.2.15:80\r\nrest")) log.write(Buffer.of(byte));
    assert.deepEqual(seen, ["größe", "listening on 10.0.2.15:80"]);
    log.end();
    assert.deepEqual(seen.at(-1), "rest");
    assert.deepEqual(log.tail(2), ["listening on 10.0.2.15:80", "rest"]);
    const later: string[] = [];
    log.watch((line) => later.push(line));
    assert.deepEqual(later, seen, "who comes late misses nothing that is kept");
  });

  it("stays small whatever a guest prints", () => {
    const log = new ConsoleLog();
    const chunk = Buffer.alloc(1024 * 1024, "x");
    for (let i = 0; i < 8; i++) log.write(chunk);
    assert.equal(log.bytes, 8 * 1024 * 1024);
    assert.ok(log.text.length <= 72 * 1024);
    assert.ok(log.tail(3).every((line) => line.length <= 301));
  });

  it("shows nothing that steers a terminal or a runner", () => {
    assert.equal(shown("\u001b[31mred\u001b[0m\u0007 tab\there\r"), "red tab here");
    assert.equal(shown("::error::owned"), ": :error::owned");
    assert.equal(shown("  ::add-mask::x"), "  : :add-mask::x");
    assert.equal(shown("x ##[add-mask]y"), "x ## [add-mask]y");
  });
});

describe("endings", () => {
  const end = { code: 83, signal: null };
  it("of Solo5 guests are read from the console: qemu's code is 83 for all of them", () => {
    const fine = logOf("hello", "Solo5: solo5_exit(0) called");
    const aborted = logOf("panic: no disk", "Solo5: solo5_abort() called");
    assert.equal(guestCode(fine, end, true), 0);
    assert.equal(guestCode(logOf("Solo5: solo5_exit(3) called"), end, true), 3);
    assert.equal(guestCode(aborted, end, true), 255);
    assert.equal(guestCode(logOf("?"), end, true), undefined);
    assert.equal(guestCode(logOf("?"), { code: 4, signal: null }, false), 4);
    assert.equal(describeEnd(aborted, end, true), "ended with exit code 255: panic: no disk");
    assert.equal(
      describeEnd(logOf(), { code: null, signal: "SIGSEGV" }, false),
      "was ended by SIGSEGV and said nothing",
    );
  });
  it("are explained by the most telling line", () => {
    const lines = ["Solo5: Virtio blk: PCI:00:02 not in manifest", "Solo5: PCI enumeration failed. Aborting.", "bye"];
    assert.equal(tellingLine(logOf(...lines)), lines[0]);
    assert.equal(tellingLine(logOf("one", "two", "")), "two");
  });
});

describe("portOf", () => {
  it("reads qemu's table of forwarded ports", () => {
    const row = "  TCP[HOST_FORWARD]   4       127.0.0.1 41635       10.0.2.15    80     0     0\\r\\n";
    assert.equal(portOf(`{"return": "Hub -1 (net0):\\r\\n ...\\r\\n${row}"}`), 41_635);
    assert.equal(portOf('{"return": {}}'), undefined);
  });
});
