import { lazy, StrictMode, Suspense } from "react";
import { createRoot } from "react-dom/client";
import { loadSession } from "./api/session.ts";
import { App } from "./shell/app.tsx";
import { routeOf } from "./shell/router.ts";
import "./shell/base.css";
import "./board/board.css";
import "./table/table.css";
import "./call/call.css";

// A board on the wall goes by a credential of its own: nothing else is asked for there.
const Wallboard = lazy(async () => ({ default: (await import("./wallboard/entrance.tsx")).Entrance }));
const isWallboard = routeOf(location.pathname, "").path === "/wallboard";

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");
if (!isWallboard) void loadSession();
createRoot(root).render(
  <StrictMode>
    {isWallboard ? (
      <Suspense>
        <Wallboard />
      </Suspense>
    ) : (
      <App />
    )}
  </StrictMode>,
);
