"""How many examples the fuzzing tests try: few in the test suite, as many as wanted in `make fuzz`."""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, Phase, settings

EXAMPLES: Final = os.environ.get("SIDEGATE_FUZZ_EXAMPLES")


def fuzzed(examples: int) -> settings:
    """Return settings for a number of examples, always the same ones; `SIDEGATE_FUZZ_EXAMPLES` asks for random ones."""
    return settings(
        max_examples=int(EXAMPLES or examples),
        derandomize=EXAMPLES is None,
        # Each example costs calls of a server, or whole files: what failed is printed as it is.
        phases=[Phase.explicit, Phase.generate],
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
