"""The embedded stack: every server of the product, started and ended on one machine."""
