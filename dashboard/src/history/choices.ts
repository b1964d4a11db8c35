/** What filters offer to choose from: the organization's assistants and numbers. Without them a filter takes what is typed. */

import { organizationPath } from "../api/client.ts";
import { useReading, valueOf } from "../api/reading.ts";
import type { PermittedOrganization } from "../api/session.ts";
import { useLive } from "../live/store.ts";

export interface Choices {
  /** Id and name, as calls tell them. */
  assistants: readonly (readonly [string, string])[];
  numbers: readonly string[];
  assistantName: (id: string) => string;
}

interface Assistants {
  assistants: { id: string; provider_assistant_id: string | null; name: string }[];
}

interface Numbers {
  phone_numbers: { number: string }[];
}

export function useChoices({ organization_id: organizationId, scopes }: PermittedOrganization): Choices {
  const known = useReading<Assistants>(scopes.includes("assistants:read") ? organizationPath(organizationId, "assistants") : null, { limit: 200 });
  const numbers = useReading<Numbers>(scopes.includes("phone-numbers:read") ? organizationPath(organizationId, "phone-numbers") : null, { limit: 200 });
  const { board } = useLive();
  const names = new Map<string, string>();
  // Calls tell an assistant by the provider's id; one that only the provider knows is met on the board alone.
  for (const call of board.calls.values()) if (call.assistant_id) names.set(call.assistant_id, call.assistant_name ?? call.assistant_id);
  for (const each of valueOf(known.reading)?.assistants ?? []) names.set(each.provider_assistant_id ?? each.id, each.name);
  return {
    assistants: [...names].toSorted((a, b) => a[1].localeCompare(b[1])),
    numbers: valueOf(numbers.reading)?.phone_numbers.map((each) => each.number) ?? [],
    assistantName: (id) => names.get(id) ?? id,
  };
}
