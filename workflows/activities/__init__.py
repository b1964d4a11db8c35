"""What workflows do to the world."""
