"""Bulk work in a process of its own, which can be stopped at any time and whose memory ends with it."""
