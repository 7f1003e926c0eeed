from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

_LONGEST_SHOWN = 12


def cycles(edges: Mapping[str, Iterable[str]]) -> Iterator[tuple[str, ...]]:
    """Yield chains that lead back to where they start, first and last name equal; none where there is no cycle.

    Removing the last link of each chain removes all cycles. The time is linear in the number of edges.
    """
    done: set[str] = set()
    for start in edges:
        if start not in done:
            yield from _cycles_from(start, edges, done)


def chain_text(chain: Sequence[str]) -> str:
    """Return a chain for a message; of a very long one its beginning and end."""
    names = [f"`{name}`" for name in chain]
    if len(names) > _LONGEST_SHOWN:
        names = [*names[: _LONGEST_SHOWN // 2], "…", *names[-_LONGEST_SHOWN // 2 :]]
    return " > ".join(names)


def _cycles_from(start: str, edges: Mapping[str, Iterable[str]], done: set[str]) -> Iterator[tuple[str, ...]]:
    chain = [start]
    depth = {start: 0}
    ahead = [iter(edges[start])]
    while chain:
        following = next(ahead[-1], None)
        if following is None:
            ahead.pop()
            finished = chain.pop()
            del depth[finished]
            done.add(finished)
        elif following in depth:
            yield (*chain[depth[following] :], following)
        elif following in edges and following not in done:
            depth[following] = len(chain)
            chain.append(following)
            ahead.append(iter(edges[following]))
