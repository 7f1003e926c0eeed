"""Hypothesis without a clock: on a busy machine nothing fails for being slow."""

from hypothesis import HealthCheck, settings

unhurried = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
