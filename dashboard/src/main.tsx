import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { loadSession } from "./api/session.ts";
import { App } from "./shell/app.tsx";
import "./shell/base.css";
import "./board/board.css";
import "./table/table.css";
import "./call/call.css";

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");
void loadSession();
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
