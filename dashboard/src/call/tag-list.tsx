/** A call's tags, to be read. */

import type { ReactNode } from "react";

export function TagList({ tags }: { tags: readonly string[] }): ReactNode {
  return tags.map((tag) => (
    <span key={tag} className="tag">
      {tag}
    </span>
  ));
}
