"""Durable work after a call."""
