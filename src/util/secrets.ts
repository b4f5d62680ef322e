/**
 * secretlint's recommended rules for tokens, behind one function, in a module of its own so that they are loaded only
 * when something looks like a secret. Nothing of a secret is in the answer but where it is and what kind it is of.
 */
import { lintSource } from "@secretlint/core";
import { creator } from "@secretlint/secretlint-rule-preset-recommend";

export interface FoundSecret {
  /** "GitHub Token", "basic auth credential". */
  readonly kind: string;
  /** Where in the text it begins and ends. */
  readonly start: number;
  readonly end: number;
}

const OPTIONS = {
  config: { rules: [{ id: "@secretlint/secretlint-rule-preset-recommend", rule: creator }] },
  locale: "en",
  maskSecrets: true,
  noPhysicFilePath: true,
};

/** The secrets in a piece of text; private keys are left out, for which there is a better test. */
export async function findTokens(text: string): Promise<readonly FoundSecret[]> {
  const source = { content: text, filePath: "text", ext: "", contentType: "text" } as const;
  const { messages } = await lintSource({ source, options: OPTIONS });
  return messages
    .filter(
      ({ ruleId, messageId }) => ruleId !== "@secretlint/secretlint-rule-privatekey" && messageId !== "PrivateKey",
    )
    .map(({ message, range: [start, end] }) => ({ kind: kindOf(message), start, end }));
}

/** "found GitHub Token(***): ****" is about a GitHub Token. */
function kindOf(message: string): string {
  return message.replace(/^found /i, "").replace(/\s*(?:\(\**\))?\s*:.*$/s, "");
}
