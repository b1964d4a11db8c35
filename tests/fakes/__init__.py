"""In-memory ports, for simulations that crash at every await."""
