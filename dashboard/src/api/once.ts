/** The key under which a change is asked for: the same one for as long as its answer was lost, so that it has one effect. */

import { Unreachable } from "./client.ts";

export class Once {
  private readonly lost = new Map<string, { asked: string; key: string }>();

  /**
   * Runs `make` with a key. `asked` is what is asked for: something else is another change, with a key of its own, and
   * makes the one before it one that was not asked for. `of` is the thing that it is asked of: others do not matter to it.
   */
  async run<T>(asked: unknown, make: (key: string) => Promise<T>, of = ""): Promise<T> {
    const text = JSON.stringify(asked);
    const lost = this.lost.get(of);
    const key = lost?.asked === text ? lost.key : crypto.randomUUID();
    this.lost.delete(of);
    try {
      return await make(key);
    } catch (error) {
      if (error instanceof Unreachable) this.lost.set(of, { asked: text, key });
      throw error;
    }
  }
}
