"""Where concrete classes meet: the only room that names them together."""

from sidegate.bootstrap.core import Core, deciding
from sidegate.bootstrap.demo import DEMO_TENANT
from sidegate.bootstrap.policy_tests import answerer
from sidegate.bootstrap.sidecar import Running, run, serving

__all__ = ["DEMO_TENANT", "Core", "Running", "answerer", "deciding", "run", "serving"]
