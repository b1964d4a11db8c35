"""Journeys of users through the running product."""
