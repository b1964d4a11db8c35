import { expect, test } from "vitest";
import type { CallDetail } from "../src/call/detail.ts";
import { linesOf, type Turn } from "../src/call/lines.ts";
import { lineAt, lineFrom } from "../src/record/playback.ts";
import { costParts } from "../src/record/record.ts";

const START = Date.parse("2026-03-01T12:00:00.000Z");
const turn = (seconds: number, told: Partial<Turn>): Turn => ({ role: "assistant", at: START + seconds * 1000, seconds_from_start: seconds, ...told });
const detail = (messages: Turn[]): CallDetail => ({ summary: null, messages, notes: [], timeline: [], actions: [], recording: null });
const TURNS = [
  turn(1, { text: "Hello" }),
  turn(5, { role: "user", text: "I want a refund" }),
  turn(7, { role: "tool_calls", tool_calls: [{ id: "1", name: "find_order", arguments: { order: 7 } }] }),
  turn(8, { role: "tool_result", name: "find_order", text: "shipped" }),
  turn(9, { text: "It was shipped" }),
];

test("the report's turns are lines with their place in the recording, tools among them", () => {
  const lines = linesOf([], detail(TURNS));
  expect(lines.map((line) => [line.who, line.text, line.offset])).toEqual([
    ["Assistant", "Hello", 1],
    ["Caller", "I want a refund", 5],
    ["Tool", 'find_order({"order":7})', 7],
    ["Tool", "find_order answered shipped", 8],
    ["Assistant", "It was shipped", 9],
  ]);
});

test("the line that is heard is the last that began; steps go by lines that were said", () => {
  const lines = linesOf([], detail(TURNS));
  expect(lineAt(lines, 0.5)).toBeNull();
  expect(lineAt(lines, 5)?.text).toBe("I want a refund");
  expect(lineAt(lines, 8.5)?.text).toBe("I want a refund");
  expect(lineFrom(lines, 5, 1)?.offset).toBe(9);
  expect(lineFrom(lines, 9, 1)?.offset).toBe(9);
  expect(lineFrom(lines, 0, 1)?.offset).toBe(1);
});

test("of the cost the parts are told, dearest first, and never the sum as a part", () => {
  expect(costParts({ breakdown: { llm: 0.01, tts: 0.02, chat: 0, total: 0.03 } })).toEqual([["Voice", 0.02], ["Language model", 0.01]]);
  expect(costParts(null)).toEqual([]);
});
