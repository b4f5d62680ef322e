/** A token service as registries name one in their challenge: basic authentication in, a signed token out. */
import { createPrivateKey, sign, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { serve } from "./http.ts";
import { output } from "./process.ts";
import { type TempDir, tempDir } from "./temp.ts";

/** A request for a token as the service saw it. */
export interface TokenRequest {
  readonly service: string | null;
  readonly scopes: readonly string[];
  readonly authorization: string | undefined;
}

export interface TokenServer extends AsyncDisposable {
  readonly requests: readonly TokenRequest[];
  /** Scopes that it gives to nobody. */
  refuse: ((scope: string) => boolean) | undefined;
  /** The `auth:` section of a registry that trusts it. */
  readonly auth: string;
}

const [ISSUER, SERVICE] = ["test-issuer", "test-registry"];

/** Gives tokens to `deployer` with `password` for anything, to nobody else; to anybody for reading where that is said. */
export async function tokenServer(password: string, { anonymousRead = false } = {}): Promise<TokenServer> {
  const dir: TempDir = await tempDir("token-server");
  const [key, certificate] = [dir.join("key.pem"), dir.join("cert.pem")];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const files = ["-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=test"];
  await output("openssl", ["req", "-x509", ...curve, ...files]);
  const privateKey = createPrivateKey(await readFile(key));
  const chain = [new X509Certificate(await readFile(certificate)).raw.toString("base64")];
  const requests: TokenRequest[] = [];
  const expected = `Basic ${Buffer.from(`deployer:${password}`).toString("base64")}`;
  const server = await serve(async (request, response) => {
    const { searchParams } = new URL(request.url ?? "/", "http://server");
    const { authorization } = request.headers;
    const scopes = searchParams.getAll("scope");
    requests.push({ service: searchParams.get("service"), scopes, authorization });
    const known = authorization === expected;
    const isRefused = scopes.some((scope) => tokens.refuse?.(scope));
    if (isRefused || (!known && (authorization !== undefined || !anonymousRead))) {
      response.writeHead(401, { "content-type": "application/json" });
      response.end('{"errors":[{"code":"UNAUTHORIZED","message":"who are you?"}]}');
      return;
    }
    const access = scopes.map((scope) => {
      const [type, name, actions = ""] = scope.split(":");
      return { type, name, actions: actions.split(",").filter((action) => known || action === "pull") };
    });
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: ISSUER,
      aud: SERVICE,
      sub: "deployer",
      exp: now + 300,
      nbf: now - 5,
      iat: now,
      jti: "1",
      access,
    };
    const text = [{ typ: "JWT", alg: "ES256", x5c: chain }, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
      .join(".");
    const signature = sign("sha256", Buffer.from(text), { key: privateKey, dsaEncoding: "ieee-p1363" });
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ token: `${text}.${signature.toString("base64url")}` }));
  });
  const tokens: TokenServer = {
    requests,
    refuse: undefined,
    auth: `  token: {realm: "${server.url}/token", service: ${SERVICE}, issuer: ${ISSUER}, rootcertbundle: ${JSON.stringify(certificate)}}\n`,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
  return tokens;
}
