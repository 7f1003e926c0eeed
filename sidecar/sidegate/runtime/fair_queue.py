"""A queue that serves those who wait in turn, so that nobody waits long behind one who waits with many."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from sidegate.runtime.shares import Share

T = TypeVar("T")


class FairQueue(Generic[T]):
    """Serves callers in turn, the tenants of each caller in turn, and the entries of each tenant in their order.

    Where no caller is known, tenants are served in turn. It holds no more keys than entries.
    """

    def __init__(self) -> None:
        self._turns: OrderedDict[Share, OrderedDict[Share, dict[T, None]]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __repr__(self) -> str:
        return f"FairQueue({self._length} of {len(self._turns)})"

    def put(self, share: Share, entry: T) -> None:
        """Add an entry, which must not be in the queue."""
        self._turns.setdefault(_party(share), OrderedDict()).setdefault(share, {})[entry] = None
        self._length += 1

    def pop(self, may_run: Callable[[Share], bool] = lambda _: True) -> tuple[Share, T] | None:
        """Remove the entry whose turn it is and return it with its share; None where none of them may run."""
        for party, shares in self._turns.items():
            for share, entries in shares.items():
                if may_run(share):
                    entry = next(iter(entries))
                    shares.move_to_end(share)
                    self._turns.move_to_end(party)
                    self._remove(share, entry)
                    return share, entry
        return None

    def pop_from_longest(self, share: Share) -> T | None:
        """Remove the newest entry of the caller with most entries; None where that would be the caller of `share`."""
        lengths = {party: sum(map(len, shares.values())) for party, shares in self._turns.items()}
        longest = max(lengths, key=lambda party: lengths[party], default=None)
        if longest is None or lengths[longest] <= lengths.get(_party(share), 0) + 1:
            return None
        of_longest = self._turns[longest]
        fullest = max(of_longest, key=lambda each: len(of_longest[each]))
        entry = next(reversed(of_longest[fullest]))
        self._remove(fullest, entry)
        return entry

    def discard(self, share: Share, entry: T) -> None:
        """Remove an entry if it is in the queue."""
        shares = self._turns.get(_party(share))
        if shares is not None and entry in shares.get(share, ()):
            self._remove(share, entry)

    def ahead_of(self, share: Share) -> int:
        """Return about how many entries are served before one that is added now."""
        shares = self._turns.get(_party(share))
        if shares is None:
            return min(self._length, len(self._turns))
        own = len(shares.get(share, ()))
        others = len(shares) - (share in shares)
        before = own + (own + 1) * others
        return min(self._length, before + (before + 1) * (len(self._turns) - 1))

    def _remove(self, share: Share, entry: T) -> None:
        party = _party(share)
        shares = self._turns[party]
        del shares[share][entry]
        if not shares[share]:
            del shares[share]
        if not shares:
            del self._turns[party]
        self._length -= 1


def _party(share: Share) -> Share:
    """Return what competes first: the caller with all its tenants, or the tenant where no caller is known."""
    return Share(share.caller) if share.caller else share
