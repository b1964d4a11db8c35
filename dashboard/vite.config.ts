import { defineConfig } from "vitest/config";

export default defineConfig({
  // Served by serve/routes/page.py, below what needs no credential.
  base: "/static/app/",
  build: {
    target: "es2023",
    // Nothing inline: the Content-Security-Policy permits files of our own alone.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  test: { include: ["tests/**/*.test.ts"], environment: "node" },
});
