"""Local vendors that speak and misbehave like the real ones."""
