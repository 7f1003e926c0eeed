"""Implementations of the ports of Sidegate: stores, caches, files."""
