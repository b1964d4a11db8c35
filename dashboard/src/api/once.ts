/** The key under which a change is asked for: the same one for as long as its answer was lost, so that it has one effect. */

import { Unreachable } from "./client.ts";

export class Once {
  private lost: { asked: string; key: string } | null = null;

  /** Runs `make` with a key. `asked` is what is asked for: something else is another change, with a key of its own. */
  async run<T>(asked: unknown, make: (key: string) => Promise<T>): Promise<T> {
    const text = JSON.stringify(asked);
    const key = this.lost?.asked === text ? this.lost.key : crypto.randomUUID();
    this.lost = null;
    try {
      return await make(key);
    } catch (error) {
      if (error instanceof Unreachable) this.lost = { asked: text, key };
      throw error;
    }
  }
}
