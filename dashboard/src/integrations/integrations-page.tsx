/** Endpoints that want to be told, how they fare, and what was delivered. */

import { type ReactNode, useMemo } from "react";
import { organizationPath } from "../api/client.ts";
import { useNow } from "../admin/now.ts";
import { usePages } from "../api/pages.ts";
import { AdminPage } from "../admin/parts.tsx";
import { useReading, valueOf } from "../api/reading.ts";
import type { PageProps } from "../shell/pages.ts";
import { useRoute } from "../shell/router.ts";
import type { Delivery, EndpointHealth, Integration, Replay } from "./api.ts";
import { Deliveries } from "./deliveries.tsx";
import { Endpoints } from "./endpoints.tsx";
import { Replays } from "./replays.tsx";
import "./integrations.css";

const LIVELY_MS = 4_000;

export function IntegrationsPage({ organization }: PageProps): ReactNode {
  const { organization_id: organizationId } = organization;
  const scopes = useMemo(() => new Set(organization.scopes), [organization.scopes]);
  const path = (name: string): string => organizationPath(organizationId, name);
  const { params } = useRoute();
  const now = useNow();
  const endpoints = usePages<{ integrations: Integration[]; next_cursor: string | null }, Integration>(path("integrations"), { limit: 100 }, { items: (page) => page.integrations, id: (each) => each.id }, LIVELY_MS);
  const health = useReading<{ health: EndpointHealth[] }>(path("integration-health"), {}, { everyMs: LIVELY_MS });
  const filter = { integration_id: params.get("endpoint"), status: params.get("status") };
  const deliveries = usePages<{ deliveries: Delivery[]; next_cursor: string | null }, Delivery>(path("deliveries"), { ...filter, limit: 25 }, { items: (page) => page.deliveries, id: (each) => each.id }, LIVELY_MS);
  const replays = usePages<{ replays: Replay[]; next_cursor: string | null }, Replay>(path("delivery-replays"), { limit: 10 }, { items: (page) => page.replays, id: (each) => each.id }, LIVELY_MS);
  const list = valueOf(endpoints.reading) ?? [];
  const byId = new Map(valueOf(health.reading)?.health.map((each) => [each.integration_id, each]));
  const changed = (): void => {
    for (const each of [endpoints, health, deliveries, replays]) each.reload();
  };
  return (
    <AdminPage id="integrations-page" title="Integrations" lead="Webhooks to your own systems: signed, tried again for days, and every attempt kept.">
      <Endpoints {...{ organizationId, scopes, endpoints, now, changed }} health={byId} />
      <Deliveries {...{ organizationId, deliveries, params, now, changed }} endpoints={list} mayReplay={scopes.has("deliveries:replay")} />
      <Replays replays={replays} endpoints={list} now={now} />
    </AdminPage>
  );
}
