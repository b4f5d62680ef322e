/** A YAML file as a layer of values that remembers the line of each. Pure. */
import {
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type YAMLMap,
} from "yaml";
import type { Layer, Path } from "./layers.ts";

/** A configuration larger than this is not one (characters). To look for keys that are there twice takes their number squared. */
const MAX_CONFIG = 256 * 1024;

/** Parses `text` (called `file` in messages). Syntax mistakes become problems of the layer, with their lines. */
export function yamlLayer(text: string, file: string): Layer {
  if (text.length > MAX_CONFIG)
    return broken(file, [`${file}: ${text.length} characters; a configuration has at most ${MAX_CONFIG}`]);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true });
  const lineAt = (offset: number | undefined) => (offset === undefined ? "" : `:${lines.linePos(offset).line}`);
  const problems = document.errors.map(({ message, pos }) => `${file}${lineAt(pos[0])}: ${message}`);
  if (problems.length > 0) return broken(file, problems);
  let values: unknown;
  try {
    values = document.toJS();
    refuseDeep(values);
  } catch (error) {
    return broken(file, [`${file}: ${error instanceof Error ? error.message : String(error)}`]);
  }
  if (values === null) values = {};
  if (typeof values !== "object" || Array.isArray(values)) {
    return broken(file, [
      `${file}${lineAt(document.contents?.range?.[0])}: expected keys and values, found ${Array.isArray(values) ? "a list" : typeof values}`,
    ]);
  }
  const pairs = new PairFinder();
  return {
    values: values as Record<string, unknown>,
    origin: (path) => `${file}${lineAt(positionOf(document.contents, path, pairs))}`,
  };
}

/** No value of ours is nested deeper, and aliases can make one that contains itself. */
const MAX_DEPTH = 16;

function refuseDeep(value: unknown, depth = 0): void {
  if (typeof value !== "object" || value === null) return;
  if (depth === MAX_DEPTH) throw new Error(`values are nested more than ${MAX_DEPTH} deep`);
  for (const inner of Object.values(value)) refuseDeep(inner, depth + 1);
}

const broken = (file: string, problems: readonly string[]): Layer => ({ values: {}, origin: () => file, problems });

/** Finds the pairs of maps by key: where all of many keys are mistakes, each is looked for. */
class PairFinder {
  readonly #pairs = new Map<YAMLMap, Map<string, Pair>>();

  find(map: YAMLMap, key: string): Pair | undefined {
    let pairs = this.#pairs.get(map);
    if (!pairs) {
      // Of a key that is there twice the first counts.
      pairs = new Map(
        map.items
          .toReversed()
          .flatMap((item): [string, Pair][] => (isScalar(item.key) ? [[String(item.key.value), item]] : [])),
      );
      this.#pairs.set(map, pairs);
    }
    return pairs.get(key);
  }
}

/** Offset of the key (or list item) at `path`, or of the innermost thing on the way that exists. */
function positionOf(root: Node | null, path: Path, pairs: PairFinder): number | undefined {
  let node: unknown = root;
  let position = root?.range?.[0];
  for (const key of path) {
    if (isMap(node)) {
      const pair = pairs.find(node, String(key));
      if (!isPair(pair)) break;
      if (isNode(pair.key)) position = pair.key.range?.[0] ?? position;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(key)];
      if (!isNode(node)) break;
      position = node.range?.[0] ?? position;
    } else break;
  }
  return position;
}
