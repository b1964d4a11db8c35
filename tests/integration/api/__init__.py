"""The REST API on real Postgres and Redis."""
