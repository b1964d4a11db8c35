/** A rule being made or changed. */

import { type ReactNode, useState } from "react";
import { FormDialog } from "../admin/dialog.tsx";
import type { Metric, Severity } from "../live/protocol.ts";
import type { OwnRules } from "./own-rules.ts";
import { type AlarmRule, faultOfRule, METRICS, NEW_RULE, type OwnRule } from "./rules.ts";

export interface RuleFormProps {
  own: OwnRules;
  /** The rule to begin with; null makes a new one. */
  rule: AlarmRule | null;
  assistants: readonly { provider_assistant_id: string | null; id: string; name: string }[];
  close: () => void;
}

export function RuleForm({ own: { rules, change, ask }, rule, assistants, close }: RuleFormProps): ReactNode {
  const [held, setHeld] = useState<OwnRule>(rule ?? NEW_RULE);
  const [fault, setFault] = useState<string | null>(null);
  const put = (part: Partial<OwnRule>): void => setHeld({ ...held, ...part });
  const metric = METRICS[held.metric];
  const unit = metric.unit ? `, ${metric.unit}` : "";
  const submit = async (): Promise<void> => {
    const wrong = faultOfRule(held, rules, rule?.name ?? null);
    setFault(wrong);
    if (wrong !== null) return;
    if (await ask({ name: held.name, rule: { ...held, assistant_id: metric.perCall ? held.assistant_id : null } })) close();
  };
  return (
    <FormDialog title={rule ? `Change ${rule.name}` : "New rule"} submit="Save the rule" change={fault === null ? change : { ...change, fault }} close={close} onSubmit={() => void submit()}>
      {rule && !rule.own && <p className="note">It is a default; yours will stand in its place.</p>}
      <div className="pair">
        <label>
          Name
          <input value={held.name} required readOnly={rule !== null} maxLength={64} autoComplete="off" spellCheck={false} onChange={(event) => put({ name: event.target.value })} />
        </label>
        <label>
          Severity
          <select value={held.severity} onChange={(event) => put({ severity: event.target.value as Severity })}>
            <option>critical</option>
            <option>warning</option>
            <option>notice</option>
          </select>
        </label>
      </div>
      <label>
        What is watched
        <select value={held.metric} onChange={(event) => put({ metric: event.target.value as Metric })}>
          {Object.entries(METRICS).map(([name, told]) => (
            <option key={name} value={name}>
              {told.name} ({told.perCall ? "each call" : "the organization"})
            </option>
          ))}
        </select>
      </label>
      <p className="note">{metric.formula}</p>
      <div className="pair">
        <label>
          Opens when it is
          <select value={held.comparison} onChange={(event) => put({ comparison: event.target.value as OwnRule["comparison"] })}>
            <option value="at-least">at least</option>
            <option value="below">below</option>
          </select>
        </label>
        <Field label={`Threshold${unit}`} value={held.threshold} put={(threshold) => put({ threshold })} />
        <Field label={`Clears ${held.comparison === "at-least" ? "below" : "at"}${unit}`} value={held.clear} put={(clear) => put({ clear })} />
      </div>
      <div className="pair">
        <Field label="Must last, s" value={held.pending_seconds} max={3600} put={(pending_seconds) => put({ pending_seconds })} />
        <Field label="Cools down for, s" value={held.cooldown_seconds} max={86_400} put={(cooldown_seconds) => put({ cooldown_seconds })} />
        <Field label="Only from so many cases" value={held.minimum_n} max={1_000_000} put={(minimum_n) => put({ minimum_n: Math.round(minimum_n) })} />
      </div>
      {metric.perCall && (
        <label>
          Only calls of
          <select value={held.assistant_id ?? ""} onChange={(event) => put({ assistant_id: event.target.value || null })}>
            <option value="">every assistant</option>
            {assistants.map((each) => (
              <option key={each.id} value={each.provider_assistant_id ?? each.id}>
                {each.name}
              </option>
            ))}
          </select>
        </label>
      )}
    </FormDialog>
  );
}

function Field({ label, value, max, put }: { label: string; value: number; max?: number; put: (value: number) => void }): ReactNode {
  return (
    <label>
      {label}
      <input type="number" step="any" required {...(max === undefined ? {} : { min: 0, max })} value={Number.isNaN(value) ? "" : value} onChange={(event) => put(event.target.valueAsNumber)} />
    </label>
  );
}
