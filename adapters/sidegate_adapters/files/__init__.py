"""What a sidecar keeps in files of its own."""
