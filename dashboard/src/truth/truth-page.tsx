/** Whether what the board shows can be believed: what was received, what was not, and what was done about it. */

import type { ReactNode } from "react";
import { organizationPath } from "../api/client.ts";
import { useNow } from "../admin/now.ts";
import { usePages } from "../api/pages.ts";
import { AdminPage, Part } from "../admin/parts.tsx";
import { useReading } from "../api/reading.ts";
import { Shown } from "../shell/states.tsx";
import type { PageProps } from "../shell/pages.ts";
import { replaceParams, useRoute } from "../shell/router.ts";
import type { OrganizationDetail, Reconciliations, Repair, Stats } from "./api.ts";
import { Arrivals } from "./arrivals.tsx";
import { measuresOf } from "./measures.ts";
import { ReconciliationPart } from "./reconciliation.tsx";

const EVERY_MS = 5_000;

const openCall = (callId: string | null): void => {
  replaceParams((params) => (callId === null ? params.delete("arrived") : params.set("arrived", callId)));
  document.getElementById("arrivals")?.scrollIntoView({ block: "nearest" });
};

export function TruthPage({ organization }: PageProps): ReactNode {
  const { organization_id: organizationId } = organization;
  const { params } = useRoute();
  const now = useNow(1_000);
  const detail = useReading<OrganizationDetail>(organizationPath(organizationId), {}, { everyMs: EVERY_MS });
  const stats = useReading<Stats>(organizationPath(organizationId, "stats"), { range: "today" }, { everyMs: EVERY_MS });
  const path = organizationPath(organizationId, "reconciliations");
  const told = useReading<Reconciliations>(path, { limit: 1 }, { everyMs: EVERY_MS });
  const repairs = usePages<Reconciliations, Repair>(path, { limit: 25 }, { items: (page) => page.repairs, id: (each) => `${each.call_id} ${each.received_at} ${each.type}` }, EVERY_MS);
  return (
    <AdminPage id="truth-page" title="Truth" lead="How far the figures can be believed: what came, what did not, and what was done about it.">
      <Part id="measures" title="Webhooks">
        <Shown of={detail} what="what was received">
          {(organizationDetail) => (
            <Shown of={stats} what="today's figures">
              {(day) => (
                <Shown of={told} what="the reconciliation">
                  {(reconciliations) => (
                    <>
                      <dl className="measures">
                        {measuresOf({ stats: day, organization: organizationDetail, reconciliations, now }).map((each) => (
                          <div key={each.id} className="measure" data-measure={each.id} data-tone={each.isBad ? "bad" : "good"}>
                            <dt>{each.name}</dt>
                            <dd>
                              {each.isBad && <span aria-hidden="true">▲ </span>}
                              {each.value}
                            </dd>
                            <dd className="note">{each.note}</dd>
                          </div>
                        ))}
                      </dl>
                      <p className="note">
                        Of {organizationDetail.webhooks.date}, {organizationDetail.time_zone}. VAPI posts to <code>{organizationDetail.webhook_url}</code>.
                      </p>
                    </>
                  )}
                </Shown>
              )}
            </Shown>
          )}
        </Shown>
      </Part>
      <ReconciliationPart told={told} repairs={repairs} now={now} openCall={openCall} />
      <Arrivals organizationId={organizationId} callId={params.get("arrived")} openCall={openCall} />
    </AdminPage>
  );
}
