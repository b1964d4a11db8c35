/** The rules that are judged: each with its formula, thresholds and times; making, changing and switching them. */

import { type ReactNode, useState } from "react";
import { organizationPath } from "../api/client.ts";
import { Cell, Part, Records, State } from "../admin/parts.tsx";
import { useReading, valueOf } from "../api/reading.ts";
import { Fault, Shown } from "../shell/states.tsx";
import { SEVERITIES } from "../calls/alarms.ts";
import { RuleForm } from "./rule-form.tsx";
import { useOwnRules } from "./own-rules.ts";
import { RulesConflict } from "./rules-conflict.tsx";
import { type AlarmRule, clearsWhen, coolsFor, METRICS, opensWhen } from "./rules.ts";

interface Assistants {
  assistants: { id: string; provider_assistant_id: string | null; name: string }[];
}

export function RulesPart({ organizationId, mayWrite, mayAssistants }: { organizationId: string; mayWrite: boolean; mayAssistants: boolean }): ReactNode {
  const own = useOwnRules(organizationId);
  const assistants = useReading<Assistants>(mayAssistants ? organizationPath(organizationId, "assistants") : null, { limit: 200 });
  const [open, setOpen] = useState<{ rule: AlarmRule | null } | null>(null);
  const { rules, change, conflict, ask } = own;
  const known = valueOf(assistants.reading)?.assistants ?? [];
  const names = new Map(known.map((each) => [each.provider_assistant_id ?? each.id, each.name]));
  const close = (): void => {
    change.forget();
    setOpen(null);
  };
  return (
    <Part
      id="rules"
      title="Rules"
      lead="One breach is one incident: it opens once the breach has lasted, ends on the far side of the clear threshold, and no other opens until it has cooled. A change is in force within seconds."
      actions={
        mayWrite && (
          <button type="button" className="primary" disabled={!own.isRead} onClick={() => setOpen({ rule: null })}>
            New rule
          </button>
        )
      }
    >
      {open === null && conflict === null && <Fault of={change} />}
      <Shown of={own.told} what="the rules">
        {() => (
          <Records caption="Alarm rules" columns={["Rule", "Watches", "Opens", "Ends", "Cools", "State", ""]}>
            {rules.map((each) => (
              <Rule key={each.name} rule={each} assistant={each.assistant_id === null ? null : (names.get(each.assistant_id) ?? each.assistant_id)}>
                {mayWrite && (
                  <div className="buttons">
                    <button type="button" aria-label={`Change ${each.name}`} onClick={() => setOpen({ rule: each })}>
                      Change
                    </button>
                    <button type="button" disabled={change.isBusy} aria-label={`Switch ${each.enabled ? "off" : "on"} ${each.name}`} onClick={() => void ask({ name: each.name, rule: { ...each, enabled: !each.enabled } })}>
                      {each.enabled ? "Switch off" : "Switch on"}
                    </button>
                    {each.own && (
                      <button type="button" className="danger" disabled={change.isBusy} aria-label={`Remove ${each.name}`} onClick={() => void ask({ name: each.name, rule: null })}>
                        Remove
                      </button>
                    )}
                  </div>
                )}
              </Rule>
            ))}
          </Records>
        )}
      </Shown>
      {open && (
        <RuleForm
          own={own}
          rule={open.rule}
          assistants={known}
          close={close}
        />
      )}
      {conflict && (
        <RulesConflict
          conflict={conflict}
          change={change}
          close={own.yield}
          again={() => void ask(conflict.wish).then((isDone) => isDone && close())}
        />
      )}
    </Part>
  );
}

function Rule({ rule, assistant, children }: { rule: AlarmRule; assistant: string | null; children: ReactNode }): ReactNode {
  const { shape, word } = SEVERITIES[rule.severity];
  const metric = METRICS[rule.metric] as (typeof METRICS)[typeof rule.metric] | undefined;
  return (
    <tr data-rule={rule.name} data-severity={rule.severity}>
      <Cell of="Rule">
        <span>
          <strong>{rule.name}</strong>
          <br />
          <span className="severity">
            {shape} {word}
          </span>
          <span className="note"> {rule.own ? "yours" : "default"}</span>
        </span>
      </Cell>
      <Cell of="Watches">
        <span>
          {metric?.name ?? rule.metric}
          <span className="note">
            {" "}
            {rule.scope === "call" ? (assistant === null ? "of each call" : `of each call of ${assistant}`) : "of the organization"}
          </span>
          {metric && <p className="note">{metric.formula}</p>}
        </span>
      </Cell>
      <Cell of="Opens">{opensWhen(rule)}</Cell>
      <Cell of="Ends">{clearsWhen(rule)}</Cell>
      <Cell of="Cools">{coolsFor(rule)}</Cell>
      <Cell of="State">{rule.enabled ? <State tone="good">on</State> : <State tone="off">off</State>}</Cell>
      <Cell of="">{children}</Cell>
    </tr>
  );
}
