/** One change at a time that somebody asks for: whether it is under way, what came of it, and its key. */

import { useRef, useState } from "react";
import { Unreachable } from "../api/client.ts";
import { faultOf } from "./reading.ts";

export interface Change {
  isBusy: boolean;
  fault: string | null;
  /** Runs `make` with an Idempotency-Key; whether it was done. A change whose answer was lost is repeated with the same key. */
  run: (make: (key: string) => Promise<unknown>) => Promise<boolean>;
  forget: () => void;
}

export function useChange(): Change {
  const [isBusy, setIsBusy] = useState(false);
  const [fault, setFault] = useState<string | null>(null);
  const key = useRef<string | null>(null);
  const run = async (make: (key: string) => Promise<unknown>): Promise<boolean> => {
    setIsBusy(true);
    setFault(null);
    key.current ??= crypto.randomUUID();
    try {
      await make(key.current);
      key.current = null;
      return true;
    } catch (error) {
      if (!(error instanceof Unreachable)) key.current = null;
      setFault(faultOf(error));
      return false;
    } finally {
      setIsBusy(false);
    }
  };
  return { isBusy, fault, run, forget: () => setFault(null) };
}
