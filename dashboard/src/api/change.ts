/** Changes that somebody asks for, one at a time: whether one is under way, what came of it, and the key of each. */

import { useState } from "react";
import { faultOf } from "./client.ts";
import { Once } from "./once.ts";

export interface Change {
  isBusy: boolean;
  fault: string | null;
  /** Runs `make` with an Idempotency-Key, that of `asked` of the row `of` (see Once); whether it was done. */
  run: (asked: unknown, make: (key: string) => Promise<unknown>, of?: string) => Promise<boolean>;
  forget: () => void;
}

export function useChange(): Change {
  const [isBusy, setIsBusy] = useState(false);
  const [fault, setFault] = useState<string | null>(null);
  const [once] = useState(() => new Once());
  const run = async (asked: unknown, make: (key: string) => Promise<unknown>, of?: string): Promise<boolean> => {
    setIsBusy(true);
    setFault(null);
    try {
      await once.run(asked, make, of);
      return true;
    } catch (error) {
      setFault(faultOf(error));
      return false;
    } finally {
      setIsBusy(false);
    }
  };
  return { isBusy, fault, run, forget: () => setFault(null) };
}
