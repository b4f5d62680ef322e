/**
 * Who is the newest, when several deploy at once to a registry, where the last writer of a tag wins. Each announces its
 * release under a number, looks who else has, and does what this says, until there is nothing left to do. The rules:
 * whoever sees a newer release steps back; whoever has a number that is not above that of an older release takes a higher
 * one; the tag of the newest is moved to the highest number by anybody who finds it elsewhere. docs/registry.md says why
 * that is enough. Pure.
 */

export interface Entrant {
  readonly commit: string;
  readonly committedAt: string | undefined;
  readonly sequence: number;
  /** `sha256:<hex>` of the artifact manifest. */
  readonly digest: string;
}

/** What an entrant's source is to ours. */
export type Relation = "older" | "newer" | "unrelated";

/**
 * How ours takes what it finds: `ordinary` steps back for a newer one, `forced` overtakes it (--force), and `settled` has
 * been the newest already, so that whatever comes later comes after it.
 */
export type Mode = "ordinary" | "forced" | "settled";

export interface Field<E extends Entrant = Entrant> {
  /** Undefined once it has stepped back. */
  readonly mine: E | undefined;
  readonly mode: Mode;
  /** Every other commit's announcement that may matter, the highest of each, and the newest release. */
  readonly others: readonly (E & { readonly relation: Relation })[];
  /** What the tag of the newest is now. */
  readonly latest: E | undefined;
}

export type Verdict<E extends Entrant = Entrant> =
  | { readonly kind: "step back"; readonly after: E }
  | { readonly kind: "renumber"; readonly sequence: number }
  | { readonly kind: "move"; readonly to: E }
  | { readonly kind: "done" };

export function judge<E extends Entrant>(field: Field<E>): Verdict<E> {
  const { mine, mode, others, latest } = field;
  const top = highestOf([...(latest ? [latest] : []), ...(mine ? [mine] : []), ...others]);
  if (mine && mode !== "settled") {
    const newer = others.find(({ relation }) => relation === "newer");
    if (newer && mode === "ordinary") return { kind: "step back", after: newer };
    if (others.some((other) => clashes(field, mine, other))) {
      const highest = Math.max(mine.sequence, ...others.map(({ sequence }) => sequence));
      return { kind: "renumber", sequence: highest + 1 };
    }
    if (top && top.commit !== mine.commit) return { kind: "step back", after: top };
  }
  const isThere = !top || (latest?.commit === top.commit && latest.sequence === top.sequence);
  return isThere ? { kind: "done" } : { kind: "move", to: top };
}

/**
 * Whether ours needs a higher number: than an older release has, than anything has where ours is forced, and where
 * history does not say, if ours is the later of two with one number.
 */
function clashes({ mode, latest }: Field, mine: Entrant, other: Entrant & { readonly relation: Relation }): boolean {
  if (other.relation === "older" || mode === "forced") return other.sequence >= mine.sequence;
  if (other.sequence !== mine.sequence) return false;
  return other.commit === latest?.commit || isLater(mine, other);
}

/** An order that everybody arrives at who has to choose between two that history does not order. */
function isLater(a: Entrant, b: Entrant): boolean {
  const [at, bt] = [a.committedAt ?? "", b.committedAt ?? ""];
  return at === bt ? a.commit > b.commit : at > bt;
}

/** The first of those with the highest number. */
function highestOf<E extends Entrant>(entrants: readonly E[]): E | undefined {
  return entrants.reduce<E | undefined>((top, next) => (top && top.sequence >= next.sequence ? top : next), undefined);
}
