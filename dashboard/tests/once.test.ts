import { expect, test } from "vitest";
import { Problem, Unreachable } from "../src/api/client.ts";
import { Once } from "../src/api/once.ts";

async function keysOf(...steps: (readonly [asked: string, fault: Error | null, of?: string])[]): Promise<string[]> {
  const once = new Once();
  const keys: string[] = [];
  for (const [asked, fault, of] of steps) {
    const run = once.run(asked, (key) => {
      keys.push(key);
      return fault ? Promise.reject(fault) : Promise.resolve();
    }, of);
    await run.catch((error: unknown) => expect(error).toBe(fault));
  }
  return keys;
}

test("a change whose answer was lost is asked for again with its key, and then no more", async () => {
  const [lost, again, anew] = await keysOf(["say hello", new Unreachable()], ["say hello", null], ["say hello", null]);
  expect(again).toBe(lost);
  expect(anew).not.toBe(lost);
});

test("another change, and one that was refused, gets a key of its own", async () => {
  const keys = await keysOf(["a", new Unreachable()], ["b", new Problem(409, {})], ["b", null], ["a", null]);
  expect(new Set(keys).size).toBe(4);
});

test("of several rows each keeps the key of what was lost of it", async () => {
  const [first, other, again, lost] = await keysOf(["off", new Unreachable(), "1"], ["off", new Unreachable(), "2"], ["off", null, "1"], ["off", null, "2"]);
  expect([again, lost]).toEqual([first, other]);
  expect(first).not.toBe(other);
});
