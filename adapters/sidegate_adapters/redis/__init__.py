"""What sidecars share in Redis: remembered decisions, and hints that something has changed."""
