"""Postgres, Redis and the object store."""
