"""Files that a sidecar stores for itself."""
