"""The websocket hub."""
