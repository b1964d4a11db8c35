/** What surrounds every page but the board: the header with its menu, how live we are, and what keeps a page from being shown. */

import { Component, type ReactNode, Suspense, useEffect } from "react";
import { Banners } from "../board/states.tsx";
import { Header } from "../header/header.tsx";
import { useClock, useLive } from "../live/store.ts";
import { useTimeZone } from "../live/time-zone.ts";
import { type Page, pageAt, type PageProps, pagesFor } from "./pages.ts";
import { Link } from "./link.tsx";
import { mayWatch } from "./organization.ts";
import { linkTo, useRoute } from "./router.ts";
import { Failed, NotPermitted, Skeleton } from "./states.tsx";

export function Framed(props: PageProps): ReactNode {
  const { path } = useRoute();
  const page = pageAt(path);
  const name = page?.name ?? "No such page";
  useEffect(() => {
    document.title = `${name} · ${props.organization.name}`;
  }, [name, props.organization.name]);
  return (
    <div className="page page-plain">
      <LiveHeader {...props} kicker={name} />
      <main className="plain" id="main">
        <Faults key={path}>
          <Suspense fallback={<Skeleton what="the page" />}>
            <Shown page={page} {...props} />
          </Suspense>
        </Faults>
      </main>
    </div>
  );
}

function Shown({ page, ...props }: PageProps & { page: Page | undefined }): ReactNode {
  if (!page) {
    return (
      <div className="empty">
        <h2>There is no such page</h2>
        <p>
          <Link href={linkTo("/")}>Go to the board</Link>
        </p>
      </div>
    );
  }
  const { organization } = props;
  if (!organization.scopes.includes(page.scope)) {
    const [first] = pagesFor(organization);
    return (
      <NotPermitted organization={organization} scope={page.scope}>
        {first && (
          <p>
            <Link className="button" href={linkTo(first.path)}>
              Go to {first.name}
            </Link>
          </p>
        )}
      </NotPermitted>
    );
  }
  return page.View && <page.View key={organization.organization_id} {...props} />;
}

/** Apart from the page: it ticks each second. */
function LiveHeader({ organization, session, isExpired, kicker }: PageProps & { kicker: string }): ReactNode {
  const { board, link, refused } = useLive();
  const timeZone = useTimeZone();
  const clock = useClock(link, isExpired);
  const liveness = mayWatch(organization) ? clock.liveness : null;
  return (
    <>
      <Header organization={organization} kicker={`${kicker} · ${timeZone}`} session={session} liveness={liveness} presence={board.presence} />
      <Banners link={link} liveness={liveness} lagP95Ms={board.counters?.today.webhook_lag_p95_ms ?? null} isExpired={isExpired} refused={refused} />
    </>
  );
}

/** A page whose files cannot be had (a newer version is served by now) or that stumbled: said, with a way on. */
class Faults extends Component<{ children: ReactNode }, { fault: Error | null }> {
  override readonly state: { fault: Error | null } = { fault: null };

  static getDerivedStateFromError(fault: Error): { fault: Error } {
    return { fault };
  }

  override render(): ReactNode {
    const { fault } = this.state;
    return fault ? <Failed what="this page" fault={fault.message} retry={() => location.reload()} /> : this.props.children;
  }
}
