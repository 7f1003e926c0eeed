"""Puts together the admission of calls as the settings ask for it."""

from __future__ import annotations

from typing import Final

from sidegate.config.limits.admission import QUEUE
from sidegate.config.settings import Settings
from sidegate.server.admission.admission import Admission
from sidegate.server.admission.call_classes import CallClass
from sidegate.server.admission.lane import Limits
from sidegate.telemetry.admission import AdmissionObserver

CHECKS_PER_TURN: Final = 8
"""Checks that begin in one turn of the event loop; one that comes meanwhile, from a quiet caller, waits for no more."""


def admission_of(settings: Settings, observer: AdmissionObserver) -> Admission:
    """Return the admission that the settings ask for."""
    running = {
        CallClass.BATCH: settings.batch_capacity,
        CallClass.LIST: settings.list_capacity,
        CallClass.READ: settings.read_capacity,
        CallClass.WRITE: settings.write_capacity,
        CallClass.BULK: settings.bulk_capacity,
    }
    checks = settings.check_capacity
    limits = {
        CallClass.CHECK: Limits(checks, QUEUE * checks, per_turn=CHECKS_PER_TURN),
        **{each: Limits(most, QUEUE * most) for each, most in running.items()},
    }
    return Admission(limits, patience=settings.queue_patience, observer=observer)
