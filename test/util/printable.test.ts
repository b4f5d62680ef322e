import assert from "node:assert/strict";
import { test } from "node:test";
import { printable } from "../../src/util/printable.ts";

test("what a terminal would obey is shown, and all else is left as it is", () => {
  assert.equal(printable("\u001b]0;x\u0007 \u009b31m \u202eabc\r"), "\\u{1b}]0;x\\u{7} \\u{9b}31m \\u{202e}abc\\u{d}");
  const text = "Bücher\t→ 日本 \u{1f600}\n";
  assert.equal(printable(text), text);
});
