"""What makes a tenant's facts acceptable to its pack, one question per module."""
