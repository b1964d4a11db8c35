/** What is searched for and what narrows it. Choices hold at once; what is typed, when it is finished. */

import { type ReactNode, type RefObject, useCallback, useEffect, useState } from "react";
import { words } from "../calls/format.ts";
import { useNarrow } from "../shell/narrow.ts";
import { replaceParams } from "../shell/router.ts";
import type { Choices } from "./choices.ts";
import { type Asked, CLASSES, DEFAULT_RANGE, FAULT_OWNERS, type Name, NAMES, RANGES } from "./query.ts";

export interface FilterFormProps {
  asked: Asked;
  choices: Choices;
  chips: readonly { name: Name; text: string }[];
  searchRef: RefObject<HTMLInputElement | null>;
}

function set(name: Name, value: string): void {
  replaceParams((params) => (value ? params.set(name, value) : params.delete(name)));
}

export function FilterForm({ asked, choices, chips, searchRef }: FilterFormProps): ReactNode {
  const isNarrow = useNarrow();
  const row = (
    <div className="filter-row">
      <Range asked={asked} />
      <Choice name="assistant" label="Assistant" value={asked.assistant} options={choices.assistants} />
      <Typed name="number" label="Number" value={asked.number} type="tel" hint="+15550100" options={choices.numbers} />
      <Choice name="direction" label="Direction" value={asked.direction} options={["inbound", "outbound", "web"].map((each) => [each, each] as const)} />
      <Choice name="class" label="How it ended" value={asked.class} options={CLASSES.map((each) => [each, words(each)] as const)} />
      <Choice name="fault" label="Fault" value={asked.fault} options={FAULT_OWNERS.map((each) => [each, words(each)] as const)} />
      <Typed name="tag" label="Tag" value={asked.tag} type="text" hint="vip" />
      <Typed name="min" label="Least seconds" value={asked.min} type="number" hint="30" />
      <Choice name="alarm" label="Alarm" value={asked.alarm} options={[["yes", "with an alarm"], ["no", "without"]]} />
      <Choice name="recording" label="Recording" value={asked.recording} options={[["yes", "recorded"], ["no", "without"]]} />
    </div>
  );
  return (
    <search className="panel history-filters">
      <Typed name="q" label="Search what was said" value={asked.q} type="search" inputRef={searchRef} hint='refund -invoice, "in this order", this or that  ( / )' isWide />
      {isNarrow ? (
        <details>
          <summary>Filters</summary>
          {row}
        </details>
      ) : (
        row
      )}
      {chips.length > 0 && (
        <div className="chips">
          {chips.map(({ name, text }) => (
            <button key={name} type="button" className="filter-chip" aria-label={`Remove the filter: ${text}`} onClick={() => set(name, "")}>
              {text} <span aria-hidden="true">×</span>
            </button>
          ))}
          {chips.length > 1 && (
            <button type="button" className="link" onClick={() => replaceParams((params) => NAMES.forEach((name) => params.delete(name)))}>
              Clear all
            </button>
          )}
        </div>
      )}
    </search>
  );
}

function Range({ asked }: { asked: Asked }): ReactNode {
  const isNamed = asked.from !== "" || asked.to !== "";
  const [showsDays, setShowsDays] = useState(isNamed);
  return (
    <>
      <label>
        <span>First seen</span>
        <select
          value={showsDays ? "days" : asked.range || DEFAULT_RANGE}
          onChange={(event) => {
            const { value } = event.target;
            setShowsDays(value === "days");
            if (value === "days") return;
            replaceParams((params) => {
              params.delete("from");
              params.delete("to");
              params.set("range", value);
            });
          }}
        >
          {RANGES.map((days) => (
            <option key={days} value={days}>
              {days === "1" ? "last 24 hours" : `last ${days} days`}
            </option>
          ))}
          <option value="days">days of a range…</option>
        </select>
      </label>
      {showsDays && (
        <>
          <Typed name="from" label="From" value={asked.from} type="date" />
          <Typed name="to" label="To, inclusive" value={asked.to} type="date" />
        </>
      )}
    </>
  );
}

interface TypedProps {
  name: Name;
  label: string;
  value: string;
  type: string;
  hint?: string;
  options?: readonly string[];
  isWide?: boolean;
  inputRef?: RefObject<HTMLInputElement | null>;
}

const SETTLE_MS = 500;

function Typed({ name, label, value, type, hint, options, isWide, inputRef }: TypedProps): ReactNode {
  // What is being typed holds until it is asked for, or the address tells something else.
  const [draft, setDraft] = useState<{ over: string; text: string } | null>(null);
  const text = draft?.over === value ? draft.text : value;
  const ask = useCallback(() => {
    const asked = text.trim();
    set(name, asked);
    // A space at its end stays: the next word follows it.
    setDraft({ over: asked, text });
  }, [name, text]);
  useEffect(() => {
    if (text.trim() === value) return;
    const timer = setTimeout(ask, SETTLE_MS);
    return () => clearTimeout(timer);
  }, [ask, text, value]);
  return (
    <label className={isWide ? "wide" : undefined}>
      <span>{label}</span>
      <input
        ref={inputRef}
        id={`filter-${name}`}
        type={type}
        min={type === "number" ? 0 : undefined}
        value={text}
        placeholder={hint}
        autoComplete="off"
        spellCheck={false}
        maxLength={500}
        list={options?.length ? `options-${name}` : undefined}
        onChange={(event) => setDraft({ over: value, text: event.target.value })}
        onKeyDown={(event) => event.key === "Enter" && ask()}
      />
      {options && options.length > 0 && (
        <datalist id={`options-${name}`}>
          {options.map((each) => (
            <option key={each} value={each}>
              {each}
            </option>
          ))}
        </datalist>
      )}
    </label>
  );
}

function Choice({ name, label, value, options }: { name: Name; label: string; value: string; options: readonly (readonly [string, string])[] }): ReactNode {
  const isKnown = value === "" || options.some(([each]) => each === value);
  return (
    <label>
      <span>{label}</span>
      <select value={value} data-filter={name} onChange={(event) => set(name, event.target.value)}>
        <option value="">any</option>
        {!isKnown && <option value={value}>{value}</option>}
        {options.map(([each, text]) => (
          <option key={each} value={each}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}
