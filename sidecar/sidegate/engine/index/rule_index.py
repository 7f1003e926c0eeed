"""The index of one route: rules under the keys by which requests find them.

A frozen base, built at once, and beside it a persistent part that grows and shrinks a rule at a time.
Levels split only where there are more than a few rules: a bucket may stand at any depth.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Final

from rpds import HashTrieMap

from sidegate.engine.index.steps import Bucket, IndexedRule, IndexStep, Key, Level, Node, PrefixStep, Values
from sidegate.engine.roles.resolver import RoleResolver

SPLIT: Final = 4
"""A bucket of more rules than this is split by the next key."""


class Index:
    """Finds the rules that the steps of one route leave over. It never changes."""

    __slots__ = ("_added", "_base", "_keys", "_steps")

    def __init__(self, steps: Sequence[IndexStep], entries: Sequence[IndexedRule]) -> None:
        self._steps = tuple(step.with_lengths_of(entries) if isinstance(step, PrefixStep) else step for step in steps)
        self._keys = tuple(key for step in self._steps for key in step.keys)
        self._base = _built(entries, self._keys, 0)
        self._added: Node = ()

    def find(self, request: Values, resolver: RoleResolver) -> Sequence[IndexedRule]:
        """Return the rules that all steps leave over, in their order."""
        levels: list[Level] = []
        bucket: list[IndexedRule] = []
        for node in (self._base, self._added):
            if isinstance(node, tuple):
                bucket.extend(node)
            else:
                levels.append(node)
        for step in self._steps:
            if bucket:
                bucket = step.narrow(bucket, request, resolver)
            further: list[Level] = []
            for level in levels:
                for node in step.descend(level, request, resolver):
                    if isinstance(node, tuple):
                        bucket.extend(node)
                    else:
                        further.append(node)
            levels = further
            if not levels and not bucket:
                break
        return bucket if len(bucket) < 2 else sorted(bucket, key=itemgetter(0))  # noqa: PLR2004 - nothing to sort

    def changed(self, added: Sequence[IndexedRule], removed: Sequence[IndexedRule]) -> Index:
        """Return an index with more rules, and without `removed`, which must stand in the grown part."""
        index = object.__new__(Index)
        node = self._added
        for entry in removed:
            node = _less(node, entry, self._keys, 0)
        for entry in added:
            node = _more(node, entry, self._keys, 0)
        steps = tuple(step.with_lengths_of(added) if isinstance(step, PrefixStep) else step for step in self._steps)
        index._base, index._keys, index._steps, index._added = self._base, self._keys, steps, node
        return index

    def rules_like(self, entry: IndexedRule) -> list[IndexedRule]:
        """Return the rules of the buckets where a rule of the same keys stands."""
        return [*_bucket(self._base, entry, self._keys), *_bucket(self._added, entry, self._keys)]


def _built(entries: Sequence[IndexedRule], keys: tuple[Key, ...], depth: int) -> Node:
    if len(entries) <= SPLIT or depth == len(keys):
        return tuple(entries)
    key = keys[depth]
    groups: dict[object, list[IndexedRule]] = {}
    for entry in entries:
        groups.setdefault(key(entry), []).append(entry)
    return {value: _built(group, keys, depth + 1) for value, group in groups.items()}


def _more(node: Node, entry: IndexedRule, keys: tuple[Key, ...], depth: int) -> Node:
    if isinstance(node, tuple):
        if len(node) < SPLIT or depth == len(keys):
            ordered = not node or node[-1][0] < entry[0]
            return (*node, entry) if ordered else tuple(sorted((*node, entry), key=itemgetter(0)))
        level: HashTrieMap[object, Node] = HashTrieMap()
        for other in node:
            level = _put(level, other, keys, depth)
        return _put(level, entry, keys, depth)
    assert isinstance(node, HashTrieMap)
    return _put(node, entry, keys, depth)


def _put(
    level: HashTrieMap[object, Node], entry: IndexedRule, keys: tuple[Key, ...], depth: int
) -> HashTrieMap[object, Node]:
    key = keys[depth](entry)
    return level.insert(key, _more(level.get(key) or (), entry, keys, depth + 1))


def _less(node: Node, entry: IndexedRule, keys: tuple[Key, ...], depth: int) -> Node:
    """Take a rule out; a level that becomes empty goes too."""
    if isinstance(node, tuple):
        return tuple(other for other in node if other is not entry)
    assert isinstance(node, HashTrieMap)
    key = keys[depth](entry)
    left = _less(node[key], entry, keys, depth + 1)
    smaller: HashTrieMap[object, Node] = node.insert(key, left) if left else node.remove(key)
    return smaller or ()


def _bucket(node: Node, entry: IndexedRule, keys: tuple[Key, ...]) -> Bucket:
    for key in keys:
        if isinstance(node, tuple):
            break
        node = node.get(key(entry), ())
    assert isinstance(node, tuple)
    return node
