/**
 * Guests made ready ahead of time, and what is left of those before them. A look at the repository brings a release while
 * another is being started: so what is taken away is taken away by release, and nothing that one still needs.
 */
import type { HostContext } from "./context.ts";
import { releaseDevices } from "./loop-devices.ts";
import { discardGuestDirectory, type Prepared, prepareGuest, printOf, removeGuestDirectories } from "./prepare.ts";
import { removeSecrets, secretFiles } from "./secrets.ts";
import { damageOf } from "./store.ts";

export class Workshop {
  readonly #context: HostContext;
  readonly #runtime: string;
  /** The next guest, ready to be started. */
  #prepared: Prepared | undefined;
  /** Releases on their way: being laid out or made ready, and nothing has been decided about them yet. */
  readonly #arriving = new Set<string>();

  constructor(context: HostContext, runtime: string) {
    this.#context = context;
    this.#runtime = runtime;
  }

  /** Nothing of this release is taken away from now on, until `arrived`. */
  expect(release: string): void {
    this.#arriving.add(release);
  }

  /** It has been decided about, or is not coming. */
  arrived(release: string): void {
    this.#arriving.delete(release);
  }

  /** Makes a guest of a release ready, instead of the one that was. */
  async prepare(release: string): Promise<void> {
    if (this.#prepared?.release === release) return;
    const prepared = await prepareGuest(this.#context, release, this.#runtime);
    this.drop();
    this.#prepared = prepared;
  }

  /** The guest of a release, ready to be started; it is the caller's now. */
  async take(release: string): Promise<Prepared> {
    for (;;) {
      await this.prepare(release);
      const prepared = this.#prepared;
      // A look at the repository may have made another one ready at the same moment.
      if (prepared?.release !== release) continue;
      this.#prepared = undefined;
      return prepared;
    }
  }

  /** Forgets the guest that is ready: what it is to be given has changed. */
  drop(): void {
    if (this.#prepared) discardGuestDirectory(this.#context, this.#prepared.directory);
    this.#prepared = undefined;
  }

  /** Digest of what a release's guest would be given now. */
  printOf(release: string): string {
    return printOf(this.#context, this.#context.store.manifest(release), this.#runtime);
  }

  /** Takes away secrets and devices that neither the guest that runs nor one that is to come needs. */
  async clean(running: string): Promise<void> {
    const needed = this.#needed([running]);
    const manifests = needed
      .filter((release) => damageOf(this.#context.store, release) === undefined)
      .map((release) => this.#context.store.manifest(release));
    const secrets = manifests.flatMap((manifest) => secretFiles(this.#context, manifest, this.#runtime));
    removeSecrets(
      this.#runtime,
      secrets.map(({ file }) => file),
    );
    await releaseDevices(this.#context, () => this.#needed([running]));
  }

  /** Removes releases beyond those kept; the names removed. */
  collect(keep: readonly string[]): readonly string[] {
    return this.#context.store.collect(this.#context.config.keep, this.#needed(keep));
  }

  /** Takes away what an earlier program left of guests other than the one in `directory`. */
  begin(directory: string | undefined): void {
    removeGuestDirectories(this.#context, directory);
  }

  /** Takes everything away: no guest runs, and none is to come. */
  async end(): Promise<void> {
    removeGuestDirectories(this.#context, undefined);
    await releaseDevices(this.#context, () => []);
    removeSecrets(this.#runtime, []);
  }

  #needed(more: readonly string[]): readonly string[] {
    const ready = this.#prepared === undefined ? [] : [this.#prepared.release];
    return [...new Set([...more, ...ready, ...this.#arriving])];
  }
}
