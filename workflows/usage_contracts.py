"""How call processing names what it books."""

BOOK_USAGE = "book_usage"
"""Local activity on a CallRef: the call is charged, or its charge corrected. Safe to repeat."""
