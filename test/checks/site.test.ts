/** Checks of the site: each fixture fails its check, and passes it with only the fault removed. */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { describe, it } from "node:test";
import type { Check, Finding } from "../../src/checks/check.ts";
import { secretMaterial } from "../../src/checks/secret-material.ts";
import { siteHygiene } from "../../src/checks/site-hygiene.ts";
import { siteIndex } from "../../src/checks/site-index.ts";
import { siteLinks } from "../../src/checks/site-links.ts";
import { solo5Kernel } from "../support/elf.ts";
import { type Files, findingsOf } from "../support/release.ts";

const inSite = (check: Check, site: Files, settings: Readonly<Record<string, unknown>> = {}) =>
  findingsOf(check, { sites: { data: site } }, { settings: { [check.id]: settings } });
const brief = (findings: readonly Finding[]) => findings.map(({ severity, path }) => `${severity} ${path}`);
const PASSES: readonly Finding[] = [];

describe("site-index", () => {
  it("wants an index.html at the root", async () => {
    const [finding] = await inSite(siteIndex, { "about.html": "x", "docs/index.html": "x" });
    assert.equal(finding?.severity, "warning");
    assert.deepEqual(await inSite(siteIndex, { "about.html": "x", "index.html": "x" }), PASSES);
  });

  it("says what the mistake may be", async () => {
    const hint = async (site: Files) => (await inSite(siteIndex, site))[0]?.hint ?? "";
    assert.match(await hint({ "Index.html": "x" }), /rename Index\.html/);
    assert.match(
      await hint({ "public/index.html": "x", "public/a.css": "x" }),
      /one directory deeper: make the volume from public\//,
    );
  });

  it("leaves volumes alone that are no sites", async () => {
    const sites = { data: { "index.html": "x" }, keys: { "a.bin": "x" } };
    assert.deepEqual(await findingsOf(siteIndex, { sites }), PASSES);
    assert.equal((await findingsOf(siteIndex, { sites: { ...sites, keys: { "a.html": "x" } } })).length, 1);
  });
});

describe("site-links", () => {
  /** A page at docs/page.html in a site with a few more files. */
  const links = (body: string, settings = {}) =>
    inSite(
      siteLinks,
      {
        "index.html": '<h1 id="start">x</h1><a name="old">x</a>',
        "a b.html": "x",
        "docs/page.html": body,
        "docs/index.html": '<p id="caf%C3%A9">x</p>',
        "docs/moved.html": '<meta http-equiv="refresh" content="0; url=page.html">',
        "img/logo.png": "x",
        "empty/file.txt": "x",
        "data.js": "x",
      },
      settings,
    );

  const faults: readonly (readonly [string, string, string])[] = [
    ["a page", '<a href="there.html">', '<a href="page.html">'],
    ["an absolute path", '<a href="/docs/there.html">', '<a href="/docs/page.html">'],
    ["a path above", '<a href="../there.html">', '<a href="../index.html">'],
    ["a path above the root", '<a href="../../../there.html">', '<a href="../../../index.html">'],
    ["a query", '<a href="there.html?a=b">', '<a href="page.html?a=b#top">'],
    ["percent-encoding", '<a href="../a%20c.html">', '<a href="../a%20b.html">'],
    ["a directory without an index", '<a href="../empty/">', '<a href="../docs/">'],
    ["a directory without a slash", '<a href="/empty">', '<a href="/docs">'],
    ["the root", '<a href="/?q=1#gone">', '<a href="/?q=1#start">'],
    ["a picture", '<img src="../img/none.png">', '<img src="../img/logo.png">'],
    [
      "a set of pictures",
      '<img srcset="../img/logo.png 1x, ../img/none.png 2x">',
      '<img srcset="../img/logo.png 1x, /img/logo.png?v=2,3 2x">',
    ],
    ["a script", '<script src="/none.js"></script>', '<script src="/data.js"></script>'],
    ["a style sheet", '<link rel="stylesheet" href="none.css">', '<link rel="stylesheet" href="//cdn.example/x.css">'],
    ["a video's poster", '<video poster="none.png"></video>', '<video poster="/img/logo.png"></video>'],
    ["an SVG's picture", '<svg><use xlink:href="none.svg#a"/></svg>', '<svg><use xlink:href="/img/logo.png#a"/></svg>'],
    [
      "a refresh",
      '<meta http-equiv="Refresh" content="5; URL=none.html">',
      '<meta http-equiv="Refresh" content="5; URL=page.html">',
    ],
    [
      "a base",
      '<base href="/img/"><a href="page.html">',
      '<base href="/img/"><a href="logo.png"><a href="#x"><p id="x">',
    ],
    ["an anchor on the page", '<a href="#none">', '<p id="none"><a href="#none">'],
    ["an anchor elsewhere", '<a href="/index.html#none">', '<a href="/index.html#old">'],
    ["an encoded anchor", '<a href="/docs/#caf%C3%A8">', '<a href="/docs/#caf%C3%A9">'],
    ["line breaks in a link", '<a href="\n  the\nre.html ">', '<a href="\n  pa\nge.html ">'],
    ["backslashes", '<a href="..\\none.html">', '<a href="..\\index.html">'],
  ];
  for (const [what, broken, sound] of faults) {
    it(`follows ${what}`, async () => {
      const found = await links(`<p>\n\n${broken}`);
      assert.deepEqual(brief(found), ["warning docs/page.html"], found[0]?.message ?? "");
      assert.equal(found[0]?.line, 3);
      assert.ok(found[0]?.hint);
      assert.deepEqual(await links(`<p>\n\n${sound}`), PASSES);
    });
  }

  it("leaves alone what is elsewhere or made by scripts", async () => {
    const others = [
      "https://a.example/x",
      "mailto:a@b",
      "//a.example/x",
      "data:,x",
      "javascript:x()",
      "{{ url }}",
      "",
      "#",
      "#top",
      "#!/page",
      "#:~:text=x",
      "#10-20",
    ];
    const markup = others.map((href) => `<a href="${href}">x</a>`).join("");
    assert.deepEqual(
      await links(
        `${markup}<link rel="preconnect" href="none"><!-- <a href="none"> --><script>"<a href='none'>"</script>`,
      ),
      PASSES,
    );
    assert.deepEqual(await links('<base href="https://cdn.example/"><a href="none.html">'), PASSES);
    assert.deepEqual(await links('<a href="moved.html#anywhere">'), PASSES);
  });

  it("takes links with the site's own address for links inside it", async () => {
    const link = (href: string) => links(`<a href="${href}">`, { url: "https://www.example" });
    assert.equal((await link("https://www.example/none.html")).length, 1);
    for (const href of [
      "https://www.example/docs/",
      "https://www.example",
      "https://www.example.org/none.html",
      "//www.example/docs/",
    ]) {
      assert.deepEqual(await link(href), PASSES, href);
    }
  });

  it("knows servers that add .html", async () => {
    assert.match((await links('<a href="page">'))[0]?.hint ?? "", /clean-urls/);
    assert.deepEqual(await links('<a href="page">', { "clean-urls": true }), PASSES);
  });

  it("reports a target that many pages miss once", async () => {
    const pages = (n: number) =>
      Object.fromEntries(Array.from({ length: n }, (_, i) => [`p${i}.html`, '<a href="/gone.html">']));
    const [finding, ...more] = await inSite(siteLinks, pages(200));
    assert.equal(finding?.path, "gone.html");
    assert.match(finding?.message ?? "", /200 pages/);
    assert.deepEqual(more, []);
    assert.equal((await inSite(siteLinks, pages(3))).length, 3);
    assert.deepEqual(await inSite(siteLinks, { ...pages(200), "gone.html": "x" }), PASSES);
  });

  it("follows links from one volume to another", async () => {
    const sites = {
      data: { "index.html": '<img src="/v/a.webm"><a href="/o.html#x">' },
      media: { "v/a.webm": "x", "o.html": "x" },
    };
    assert.deepEqual(await findingsOf(siteLinks, { sites }), PASSES);
  });

  it("survives any page", async () => {
    const odd = [
      "<a href",
      '<a href="%">',
      '<a href="%zz#%zz">',
      "<".repeat(10_000),
      '<base href="::"><a href="x">',
      "\0\xff<a href='\0'>",
      `<a ${"a=b ".repeat(5000)}>`,
    ];
    for (const page of odd)
      assert.ok(
        (await links(page)).every(({ broken }) => !broken),
        page.slice(0, 40),
      );
  });
});

describe("site-hygiene", () => {
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${"a".repeat(64)}\nsize 12345\n`;
  const faults: readonly (readonly [string, string, string, string])[] = [
    [".git/config", "x", "git/config", "error .git"],
    ["sub/.git", "gitdir: x", "sub/git", "error sub/.git"],
    ["video.mp4", pointer, "", "error video.mp4"],
    [".env", "x", ".env.example", "warning .env"],
    ["a/.env.production", "x", "a/env.production", "warning a/.env.production"],
    [".npmrc", "x", "npmrc", "warning .npmrc"],
    ["page.html~", "x", "page.html", "warning page.html~"],
    [".page.html.swp", "x", "page.html.swap", "warning .page.html.swp"],
    ["a/.DS_Store", "x", "a/DS_Store", "warning a/.DS_Store"],
    ["__MACOSX/._a", "x", "MACOSX/a", "warning __MACOSX"],
    ["Thumbs.db", "x", "thumbs.png", "warning Thumbs.db"],
    ["node_modules/a/index.js", "x", "modules/a/index.js", "warning node_modules"],
    ["app.js.map", "{}", "app.map", "note app.js.map"],
  ];
  for (const [path, content, instead, expected] of faults) {
    it(`finds ${path}`, async () => {
      const found = await inSite(siteHygiene, { "index.html": "x", [path]: content });
      assert.deepEqual(brief(found), [expected]);
      assert.ok(found[0]?.hint);
      const sound = instead === "" ? { [path]: content.replace("size", "sizes") } : { [instead]: content };
      assert.deepEqual(await inSite(siteHygiene, { "index.html": "x", ...sound }), PASSES);
    });
  }

  it("counts what is below a directory once", async () => {
    const objects = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`.git/objects/${i}`, "x"]));
    const [finding, ...more] = await inSite(siteHygiene, objects);
    assert.match(finding?.message ?? "", /300 files/);
    assert.deepEqual(more, []);
  });
});

describe("secret-material", () => {
  const key = (type: "pkcs1" | "pkcs8", passphrase?: string) =>
    generateKeyPairSync("rsa", {
      modulusLength: 2048,
      publicKeyEncoding: { type: "spki", format: "pem" },
      privateKeyEncoding: {
        type,
        format: "pem",
        ...(passphrase === undefined ? {} : { cipher: "aes-256-cbc", passphrase }),
      },
    }).privateKey;
  const ec = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  const ed25519 = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }) as string;
  const openssh = Buffer.concat([
    Buffer.from("openssh-key-v1\0\0\0\0\x04none\0\0\0\x04none\0\0\0\0", "latin1"),
    Buffer.alloc(150, 7),
  ]).toString("base64");
  const rsa = key("pkcs1");
  const keys: Readonly<Record<string, string>> = {
    "PKCS #1": rsa,
    "PKCS #8": key("pkcs8"),
    "encrypted PKCS #8": key("pkcs8", "secret"),
    "encrypted PKCS #1": key("pkcs1", "secret"),
    EC: ec.export({ type: "sec1", format: "pem" }) as string,
    Ed25519: ed25519,
    OpenSSH: `-----BEGIN OPENSSH PRIVATE KEY-----\n${openssh}\n-----END OPENSSH PRIVATE KEY-----\n`,
    "a key in a script": `const key = ${JSON.stringify(rsa)};`,
  };
  for (const [what, text] of Object.entries(keys)) {
    it(`finds ${what}`, async () => {
      const found = await inSite(secretMaterial, { "a.html": `<pre>${text}</pre>` });
      assert.deepEqual(brief(found), ["error a.html"]);
      assert.doesNotMatch(JSON.stringify(found), /[A-Za-z0-9+/]{40}/);
      const short = text.replace(/(?<=\n|\\n)[A-Za-z0-9+/]{20}/, "");
      assert.notEqual(short, text);
      assert.deepEqual(await inSite(secretMaterial, { "a.html": short }), PASSES);
    });
  }

  it("passes words about keys, and public ones", async () => {
    const texts = [
      "-----BEGIN RSA PRIVATE KEY-----\n... (private key in base64 encoding) ...\n-----END RSA PRIVATE KEY-----",
      `-----BEGIN PRIVATE KEY-----\n${"x".repeat(640)}\n-----END PRIVATE KEY-----`,
      "the line -----BEGIN PRIVATE KEY----- begins a key",
      rsa.replaceAll(" PRIVATE ", " PUBLIC "),
      rsa.slice(0, 800),
    ];
    for (const text of texts)
      assert.deepEqual(await inSite(secretMaterial, { "a.html": text }), PASSES, text.slice(0, 60));
  });

  it("warns of tokens", async () => {
    const tail = "Q7rW2kX9mZ4vT1nB8sL5pD3fG6hJ0yC7aE2uR";
    const tokens = [
      `ghp_${tail.slice(0, 36)}`,
      `npm_${tail.slice(0, 36)}`,
      `glpat-${tail.slice(0, 20)}`,
      `https://bob:${tail.slice(0, 12)}@host.example.net/x`,
      `aws_secret_access_key = ${tail}xyz`,
      `https://hooks.slack.com/services/T0000000A/B0000000A/${tail.slice(0, 24)}`,
    ];
    for (const token of tokens) {
      const found = await inSite(secretMaterial, { "index.html": "x", "a.js": `let x = "y";\n${token}\n` });
      assert.deepEqual(brief(found), ["warning a.js"], token);
      assert.ok(!JSON.stringify(found).includes(tail.slice(0, 12)), "a finding must not repeat the token");
      const short = token.replace(tail, "").replace(tail.slice(0, 24), "").replace(tail.slice(0, 12), "");
      assert.deepEqual(
        await inSite(secretMaterial, { "index.html": "x", "a.js": `let x = "y";\n${short}\n` }),
        PASSES,
        short,
      );
    }
  });

  it("finds a key in a kernel", async () => {
    const kernel = (text: string) => ({
      kernels: { "www.hvt": solo5Kernel({ data: Buffer.from(`\0\0tls/server.key\0${text}\0`) }) },
    });
    assert.deepEqual(brief(await findingsOf(secretMaterial, kernel(rsa))), ["error kernels/www.hvt"]);
    assert.deepEqual(
      await findingsOf(secretMaterial, kernel("-----BEGIN RSA PRIVATE KEY-----\0-----END RSA PRIVATE KEY-----")),
      PASSES,
    );
  });

  it("finds a key wherever chunks of an image are cut", async () => {
    const size = 4 * 1024 * 1024;
    const at = (offset: number) =>
      Buffer.concat([Buffer.alloc(offset - 512, "a"), Buffer.from(rsa), Buffer.alloc(1000, "b")]);
    for (const offset of [size - rsa.length, size - 1700, size - 100, size - 5, size]) {
      assert.deepEqual(
        brief(await inSite(secretMaterial, { "big.txt": at(offset) })),
        ["error big.txt"],
        String(offset),
      );
    }
  });
});
