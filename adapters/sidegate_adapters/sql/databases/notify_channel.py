"""The name of PostgreSQL's channel of hints, for writers, too, which need no driver of it."""

HINT_CHANNEL = "sidegate"
"""The channel on which PostgreSQL announces a committed write; each database has its own channels."""
