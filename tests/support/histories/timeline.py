"""The states that a tenant went through, read from the feed of its changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

from google.protobuf.json_format import MessageToDict

from sidegate.authz.v1 import history_pb2 as pb
from support.histories.record import Effect, EntryKey, Payload


@dataclass(frozen=True, slots=True)
class State:
    """A tenant's facts after a write, and which things that write touched."""

    revision: str
    entries: Mapping[EntryKey, Payload] = field(default_factory=lambda: MappingProxyType({}))
    touched: frozenset[EntryKey] = frozenset()

    def made_by(self, effect: Effect) -> bool:
        """Return whether a write of this effect can have made this state."""
        return effect.entry in self.touched and effect.holds(self.entries)


@dataclass(frozen=True)
class Timeline:
    """The states of one tenant in their order; the first one is before there was anything, at the revision "".

    `settled` is the revision that the set-up ended with, before the first client wrote.
    """

    states: Sequence[State]
    settled: str = ""

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """The position of each revision."""
        return {state.revision: position for position, state in enumerate(self.states)}


def timeline(changes: Iterable[pb.RecordedChange], *, settled: str = "") -> Timeline:
    """Return the states that the changes of one tenant, the oldest first, led through."""
    states = [State("")]
    for recorded in changes:
        entry = recorded.change.entity, tuple(recorded.change.key)
        last = states[-1]
        touched: frozenset[EntryKey] = frozenset()
        if last.revision == recorded.revision:
            states.pop()
            touched = last.touched
        entries = dict(last.entries)
        if recorded.change.HasField("after"):
            entries[entry] = MessageToDict(recorded.change.after)
        else:
            entries.pop(entry, None)
        states.append(State(recorded.revision, entries, touched | {entry}))
    return Timeline(states, settled)
