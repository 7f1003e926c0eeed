"""Where concrete classes meet: the only room that names them together."""

from sidegate.bootstrap.assembly import DEMO_TENANT, Core, Running, deciding, run, serving
from sidegate.bootstrap.policy_tests import answerer

__all__ = ["DEMO_TENANT", "Core", "Running", "answerer", "deciding", "run", "serving"]
