/** How far what is shown can be trusted, as the API tells it. */

export interface DayFigures {
  date: string;
  ended: number;
  webhooks: number;
  duplicates: number;
  reorders: number;
  reorders_per_1000: number | null;
  repairs: number;
  webhook_lag_p50_ms: number | null;
  webhook_lag_p95_ms: number | null;
  webhook_lag_n: number;
  clock_skewed: number;
  reports_missing: number;
  reports_missing_share: number | null;
}

export interface Stats {
  time_zone: string;
  today: DayFigures | null;
}

export interface OrganizationDetail {
  webhook_url: string;
  time_zone: string;
  webhooks: { date: string; received: number; duplicates: number; unapplied: number; lag_seconds: number };
}

export interface Repair {
  call_id: string | null;
  repair: string;
  type: string;
  occurred_at: string | null;
  received_at: string;
  applied_at: string | null;
}

export interface Reconciliations {
  state: {
    reconciled_to: string;
    attempted_at: string;
    error: string | null;
    failing_since: string | null;
    repairs: number;
    repaired_at: string | null;
  } | null;
  last_day: { received: number; duplicates: number; last_received_at: string | null; refused: number; last_refused_at: string | null; repaired: number };
  by_kind: Record<string, number>;
  repairs: Repair[];
  next_cursor: string | null;
}
