/** The way to the other pages: those that whoever looks may see. On a phone it opens on demand. */

import { type ReactNode, useEffect, useRef } from "react";
import type { PermittedOrganization } from "../api/session.ts";
import { Link } from "./link.tsx";
import { useNarrow } from "./narrow.ts";
import { type Page, pagesFor } from "./pages.ts";
import { linkTo, useRoute } from "./router.ts";

export function Menu({ organization }: { organization: PermittedOrganization }): ReactNode {
  const { path } = useRoute();
  const isNarrow = useNarrow();
  const disclosure = useRef<HTMLDetailsElement>(null);
  useEffect(() => disclosure.current?.removeAttribute("open"), [path]);
  const shown = pagesFor(organization);
  if (shown.length === 0) return null;
  const links = (
    <ul>
      {shown.map((page) => (
        <li key={page.path}>
          <Link href={linkTo(page.path)} aria-current={isHere(page, path) ? "page" : undefined}>
            {page.name}
          </Link>
        </li>
      ))}
    </ul>
  );
  return (
    <nav className="menu" aria-label="Pages">
      {isNarrow ? (
        <details ref={disclosure}>
          <summary>Menu</summary>
          {links}
        </details>
      ) : (
        links
      )}
    </nav>
  );
}

function isHere(page: Pick<Page, "path">, path: string): boolean {
  return page.path === path || (page.path !== "/" && path.startsWith(`${page.path}/`));
}
