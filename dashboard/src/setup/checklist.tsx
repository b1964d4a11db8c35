/** The checklist of setting up: each step as it was verified, and beginning, or beginning again. */

import { type ReactNode, useState } from "react";
import { organizationPath } from "../api/client.ts";
import { useChange } from "../api/change.ts";
import { FormDialog } from "../admin/dialog.tsx";
import { At, Part, State } from "../admin/parts.tsx";
import { useReading, valueOf } from "../api/reading.ts";
import { neededRole } from "../api/scopes.ts";
import { Empty, Shown } from "../shell/states.tsx";
import { beginOnboarding, type Onboarding, type Step, type Template } from "./api.ts";
import { isUnderWay, onboardingWords, stepState, stepWords } from "./words.ts";

const LIVELY_MS = 3_000;

export function Checklist({ organizationId, mayBegin }: { organizationId: string; mayBegin: boolean }): ReactNode {
  const onboarding = useReading<Onboarding>(organizationPath(organizationId, "onboarding"), {}, { everyMs: LIVELY_MS });
  const [isAsking, setIsAsking] = useState(false);
  const { reading } = onboarding;
  const last = valueOf(reading);
  const isKnown = last !== null || reading.status === "missing";
  const begin = mayBegin && isKnown && !(last && isUnderWay(last)) && (
    <button type="button" className={last === null ? "primary" : ""} onClick={() => setIsAsking(true)}>
      {last === null ? "Begin" : last.state === "failed" ? "Begin again" : "Set up anew"}
    </button>
  );
  return (
    <Part id="checklist" title="Checklist" lead="Each step is done by us and then verified at its vendor: a tick means that it was seen to work." actions={begin}>
      <Shown
        of={onboarding}
        what="the checklist"
        missing={
          <Empty title="This organization was not set up from here yet.">
            {mayBegin ? "Begin, and every step shows up here as it is verified." : `To begin takes the scope billing:write, which ${neededRole("billing:write")} has: it buys a number and subscribes to a plan.`}
          </Empty>
        }
      >
        {(told) => <Steps of={told} />}
      </Shown>
      {isAsking && (
        <BeginForm
          organizationId={organizationId}
          before={last}
          close={() => setIsAsking(false)}
          done={() => {
            setIsAsking(false);
            onboarding.reload();
          }}
        />
      )}
    </Part>
  );
}

function Steps({ of }: { of: Onboarding }): ReactNode {
  const { tone, words } = onboardingWords(of);
  return (
    <>
      <p id="onboarding-state" role="status">
        <State tone={tone}>{words}</State>
      </p>
      <p className="note">
        {of.assistant_name}, {of.country}
        {of.area_code && ` ${of.area_code}`}
        {of.test_number && `, test call to ${of.test_number}`}. Asked for by {of.requested_by}, <At at={of.created_at} />.
      </p>
      <ol className="steps">
        {of.steps.map((step) => (
          <StepLine key={step.step} step={step} />
        ))}
      </ol>
    </>
  );
}

function StepLine({ step }: { step: Step }): ReactNode {
  const [name, what] = stepWords(step.step);
  const [tone, word] = stepState(step.state);
  return (
    <li data-step={step.step} data-state={step.state}>
      <div>
        <strong>{name}</strong> <span className="note">{what}</span>
        {step.detail && <p className={step.state === "failed" ? "warn" : "note"}>{step.detail}</p>}
        {step.state === "done" && (
          <p className="note">
            {step.number ?? step.id}
            {(step.number ?? step.id) && (step.made ? " · made by this run" : " · was there before")}
          </p>
        )}
      </div>
      <p className="step-state">
        <State tone={tone}>{word}</State>
        {step.updated_at && (
          <span className="note">
            <At at={step.updated_at} />
          </span>
        )}
      </p>
    </li>
  );
}

const orNull = (text: string): string | null => text.trim() || null;

function BeginForm({ organizationId, before, close, done }: { organizationId: string; before: Onboarding | null; close: () => void; done: () => void }): ReactNode {
  const templates = useReading<{ templates: Template[] }>(organizationPath(organizationId, "templates"), { limit: 100 });
  const change = useChange();
  const [template, setTemplate] = useState("front-desk");
  const [business, setBusiness] = useState("");
  const [country, setCountry] = useState(before?.country ?? "US");
  const [areaCode, setAreaCode] = useState(before?.area_code ?? "");
  const [testNumber, setTestNumber] = useState(before?.test_number ?? "");
  const [key, setKey] = useState("");
  const [publicKey, setPublicKey] = useState("");
  const submit = async (): Promise<void> => {
    const fields = {
      template,
      variables: business.trim() ? { business_name: business.trim() } : {},
      country: country.trim().toUpperCase(),
      area_code: orNull(areaCode),
      test_number: orNull(testNumber),
      vapi_key: orNull(key),
      vapi_public_key: orNull(publicKey),
    };
    if (await change.run(fields, (once) => beginOnboarding(organizationId, fields, once))) done();
  };
  const list = valueOf(templates.reading)?.templates ?? [];
  return (
    <FormDialog title="Set the organization up" submit="Begin" change={change} close={close} onSubmit={() => void submit()}>
      <p className="note">It may buy a phone number and subscribe to the plan. What is there already is found and kept; if a step fails for good, what this run made is taken back.</p>
      <label>
        Template of the assistant
        <select value={template} onChange={(event) => setTemplate(event.target.value)}>
          {(list.length ? list : [{ slug: template, name: template, description: "" }]).map((each) => (
            <option key={each.slug} value={each.slug}>
              {each.name}
            </option>
          ))}
        </select>
      </label>
      <label>
        Name of the business (the organization&apos;s unless told)
        <input value={business} maxLength={200} autoComplete="off" onChange={(event) => setBusiness(event.target.value)} />
      </label>
      <div className="pair">
        <label>
          Country of the number
          <input value={country} required pattern="[A-Za-z]{2}" maxLength={2} onChange={(event) => setCountry(event.target.value)} />
        </label>
        <label>
          Area code
          <input value={areaCode} pattern="[0-9]{3}" inputMode="numeric" onChange={(event) => setAreaCode(event.target.value)} />
        </label>
      </div>
      <label>
        Number to call as a test (nobody is called unless told)
        <input type="tel" value={testNumber} pattern="\+[1-9][0-9]{6,14}" placeholder="+15550001111" onChange={(event) => setTestNumber(event.target.value)} />
      </label>
      <label>
        VAPI private key (kept sealed; leave empty to keep the one there is)
        <input type="password" value={key} autoComplete="off" minLength={8} maxLength={200} onChange={(event) => setKey(event.target.value)} />
      </label>
      <label>
        VAPI public key (guards live control)
        <input type="password" value={publicKey} autoComplete="off" minLength={8} maxLength={200} onChange={(event) => setPublicKey(event.target.value)} />
      </label>
    </FormDialog>
  );
}
