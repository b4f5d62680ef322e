import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PAGE, pathsOn, SiteNames } from "../../src/artifact/site-names.ts";

describe("the names of a site", () => {
  for (const count of [1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE, 2 * PAGE + 1]) {
    test(`${count} of them, whatever the runs that they come in`, () => {
      const names = Array.from({ length: count }, (_, i) => `page-${i}`);
      for (const run of [1, 3, 100, count]) {
        const site = new SiteNames("/site");
        for (let at = 0; at < count; at += run) site.add("a/", names.slice(at, at + run));
        const paths = names.map((name) => `a/${name}`);
        assert.equal(site.count, count);
        assert.deepEqual(site.pages.flatMap(pathsOn), paths);
        assert.ok(site.pages.slice(0, -1).every((page) => pathsOn(page).length === PAGE));
        assert.equal(site.longest, Math.max(...paths.map((path) => path.length)));
        assert.deepEqual([...site].at(-1)?.source, `/site/${paths.at(-1)}`);
      }
    });
  }

  test("say where those are that are elsewhere, across the end of a page", () => {
    const site = new SiteNames("/site");
    site.add(
      "",
      Array.from({ length: PAGE - 1 }, (_, i) => `${i}`),
    );
    site.add("linked/", ["a", "b", "c"], (name) => `/site/real/${name}`);
    site.add("z/", ["z"]);
    const sources = ["/site/real/a", "/site/real/b", "/site/real/c", "/site/z/z"];
    assert.deepEqual(
      [...site].slice(PAGE - 1).map(({ source }) => source),
      sources,
    );
    assert.deepEqual([...site.elsewhere.keys()], [PAGE - 1, PAGE, PAGE + 1]);
    const again = new SiteNames("/site", site);
    assert.deepEqual(
      [...again].map(({ path, source }) => [path, source]),
      [...site].map(({ path, source }) => [path, source]),
    );
  });
});
