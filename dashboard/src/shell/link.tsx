/** A link to a page of ours: followed without loading anything anew, unless it is to open elsewhere. */

import type { ComponentProps, ReactNode } from "react";
import { navigate } from "./router.ts";

export function Link({ href, children, ...rest }: ComponentProps<"a"> & { href: string }): ReactNode {
  return (
    <a
      {...rest}
      href={href}
      onClick={(event) => {
        const isElsewhere = event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button !== 0;
        if (isElsewhere || event.defaultPrevented) return;
        event.preventDefault();
        navigate(href);
      }}
    >
      {children}
    </a>
  );
}
