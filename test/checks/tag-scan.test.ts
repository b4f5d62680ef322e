/** The scanner of tags against a whole parser, htmlparser2, on pages of every kind. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fc } from "../support/fuzz.ts";
import { Parser } from "htmlparser2";
import { Names, TagScanner } from "../../src/checks/tag-scan.ts";

const WANTED = ["id", "href", "src", "name"];

type Tag = readonly [name: string, attributes: Readonly<Record<string, string>>];

function scanned(page: string, piece = page.length): Tag[] {
  const tags: Tag[] = [];
  const scanner = new TagScanner(new Names(WANTED), ({ name, attributes, at, text }) => {
    assert.equal(page.slice(at, at + text.length), text);
    tags.push([name, { ...attributes }]);
  });
  for (let at = 0; at < page.length; at += piece) scanner.write(page.slice(at, at + piece));
  return tags;
}

function parsed(page: string): Tag[] {
  const tags: Tag[] = [];
  const parser = new Parser(
    {
      onopentag(name, all) {
        const attributes = Object.fromEntries(Object.entries(all).filter(([key]) => WANTED.includes(key)));
        if (Object.keys(attributes).length > 0) tags.push([name, attributes]);
      },
    },
    { decodeEntities: false },
  );
  parser.end(page);
  return tags;
}

const PAGES: readonly string[] = [
  "<a href=\"x\">y</a><A HREF='x y' id=1>z</A>",
  '<a\n\thref = "a>b"\n>x</a><a href=a/b/ >y</a><a href=a/>',
  '<!-- <a href="no"> --><a href="yes"><!----><!-->-<a href="two"><!-- --!><a href="three">',
  '<script>"<a href=no>"</script ><script src="yes"></SCRIPT><style><a id=no></style><title><a id=no></title>',
  '<textarea><p id="no"></textareaX></textarea><p id="yes">',
  '<svg><title/><a href="yes"></svg>',
  '<!DOCTYPE html><?xml <a id="no"?><a id="yes"></a x><p id="again">',
  '<p id="first" id="second" ID="third">',
  '< a href="no"><1 id="no"><a<b id="odd"><a href>',
  "<p id=><p id=''><p =id><p id==x><p id=a\"b><p 'id'=x>",
  '<a href="unfinished',
  "<a href=x",
  "<plaintext><a id=no>",
  "a < b && c > d <",
];

describe("TagScanner", () => {
  for (const page of PAGES) {
    test(JSON.stringify(page), () => {
      const tags = scanned(page);
      assert.deepEqual(tags, parsed(page));
      for (const piece of [1, 2, 3, 7]) assert.deepEqual(scanned(page, piece), tags, `in pieces of ${piece}`);
    });
  }

  test("pages of odd pieces, cut anywhere", () => {
    const word = fc.constantFrom(
      ..."<a |<p|<script|</script>|<style>|</style >|<title>|</title>|<!--|-->|--|<!x|<?y|>| |/|/>|=|id|href|src=".split(
        "|",
      ),
      ...`class=|ID='v'|name="<b>"|text|<|é|"|'|\n`.split("|"),
    );
    const page = fc.array(word, { maxLength: 25 }).map((words) => words.join(""));
    fc.assert(
      fc.property(page, fc.integer({ min: 1, max: 9 }), (text, piece) => {
        const whole = scanned(text);
        assert.deepEqual(scanned(text, piece), whole);
      }),
      { numRuns: 3000 },
    );
  });

  test("pages as generators write them are read as a parser reads them", () => {
    const value = fc.stringMatching(/^[a-z0-9 <>/=é#.]{0,12}$/);
    const attribute = fc
      .tuple(fc.constantFrom("id", "href", "class", "src", "data-x", "HREF", "disabled"), value, fc.nat(3))
      .map(
        ([name, text, quote]) =>
          [`${name}="${text}"`, `${name}='${text}'`, `${name}=${text.replaceAll(/[ />]/g, "") || "v"}`, name][
            quote
          ] as string,
      );
    const tag = fc
      .tuple(
        fc.constantFrom("a", "p", "div", "img", "SPAN", "br"),
        fc.array(attribute, { maxLength: 4 }),
        fc.constantFrom("", " ", "\n", " /"),
      )
      .map(([name, attributes, end]) => `<${[name, ...attributes].join(" ")}${end}>`);
    const text = fc.constantFrom(
      "some text",
      "</p>",
      "a < b",
      "<!-- <a id=x> -->",
      "<script>if (a<b) '<a id=y>'</script>",
      "<!doctype html>",
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(tag, text), { maxLength: 12 }), (parts) => {
        const page = parts.join("");
        assert.deepEqual(scanned(page), parsed(page));
      }),
      { numRuns: 3000 },
    );
  });
});
