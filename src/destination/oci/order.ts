/**
 * Who is the newest, when several deploy at once to a registry, where the last writer of a tag wins. Each announces its
 * release under a number, then looks who else has, decides by writing the tag of its source commit, moves the tag of the
 * newest, and looks again until there is nothing left to do. Of two that announce, the one that looks last sees the
 * other, which is why these rules are enough: whoever sees its number taken takes a higher one; whoever sees a newer
 * release that has decided steps back; and whoever finds the tag of the newest elsewhere than at the highest number that
 * has decided puts it there. docs/registry.md tells it at length. Pure.
 */

/** What an entrant's source is to ours. */
export type Relation = "older" | "newer" | "unrelated";

export interface Mine {
  readonly sequence: number;
  /** Whether the tag of our source commit says this number. */
  readonly decided: boolean;
}

export interface Other {
  readonly relation: Relation;
  /** The highest number it has announced. */
  readonly sequence: number;
  /** The number that the tag of its source commit says; undefined where there is no such tag. */
  readonly decided: number | undefined;
}

export interface Field<O extends Other = Other> {
  /** Undefined once it has stepped back. */
  readonly mine: Mine | undefined;
  /** Whether ours is to be the newest whatever else is there (--force). */
  readonly forced: boolean;
  /** Whether to wait for those that have announced and not decided. */
  readonly patient: boolean;
  /** Numbers that other commits have announced at any time. */
  readonly taken: ReadonlySet<number>;
  /** Every other commit that announced a number not below the newest's, and the newest. */
  readonly others: readonly O[];
  /** The number of the newest. */
  readonly latest: number | undefined;
}

export type Verdict<O extends Other = Other> =
  | { readonly kind: "step back"; readonly after: O }
  | { readonly kind: "wait" }
  | { readonly kind: "renumber" }
  /** Our source commit's tag, then that of the newest. */
  | { readonly kind: "decide" }
  | { readonly kind: "move"; readonly to: "mine" | O }
  | { readonly kind: "done" };

export function judge<O extends Other>(field: Field<O>): Verdict<O> {
  const { mine, others, latest } = field;
  if (mine && !mine.decided) return judgeUndecided(field, mine);
  // It had not been seen by the time we decided, and was not waited for.
  if (mine && others.some((other) => other.relation === "older" && (other.decided ?? 0) >= mine.sequence)) {
    return { kind: "renumber" };
  }
  let to: "mine" | O | undefined = mine ? "mine" : undefined;
  let highest = mine?.sequence ?? 0;
  for (const other of others) {
    if ((other.decided ?? 0) <= highest) continue;
    highest = other.decided as number;
    to = other;
  }
  return to === undefined || highest === latest ? { kind: "done" } : { kind: "move", to };
}

function judgeUndecided<O extends Other>({ forced, patient, taken, others }: Field<O>, mine: Mine): Verdict<O> {
  const newer = others.filter(({ relation }) => relation === "newer");
  const decided = newer.find((other) => other.decided !== undefined);
  if (!forced && decided) return { kind: "step back", after: decided };
  if (!forced && newer.length > 0 && patient) return { kind: "wait" };
  const isAbove = (other: Other) => Math.max(other.decided ?? 0, other.relation === "older" ? other.sequence : 0);
  if (taken.has(mine.sequence) || others.some((other) => isAbove(other) >= mine.sequence)) return { kind: "renumber" };
  return { kind: "decide" };
}
