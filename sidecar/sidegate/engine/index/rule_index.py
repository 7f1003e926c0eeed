"""The index of one alternative of a matcher: rules under the keys by which requests find them.

A frozen base, and a persistent map of the rules that were added later.
A level is split only where it has more than a few rules, so a bucket can be at any depth.
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
    """Finds the rules that pass all steps of one alternative. Immutable."""

    __slots__ = ("_added", "_base", "_keys", "_steps")

    def __init__(self, steps: Sequence[IndexStep], entries: Sequence[IndexedRule]) -> None:
        self._steps = tuple(step.with_lengths_of(entries) if isinstance(step, PrefixStep) else step for step in steps)
        self._keys = tuple(key for step in self._steps for key in step.keys)
        self._base = _build(entries, self._keys, 0)
        self._added: Node = ()

    def find(self, request: Values, resolver: RoleResolver) -> Sequence[IndexedRule]:
        """Return the rules that pass all steps, in their order."""
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
        """Return an index with `added`, and without `removed`, rules that were added after the base was built."""
        index = object.__new__(Index)
        node = self._added
        for entry in removed:
            node = _without_rule(node, entry, self._keys, 0)
        for entry in added:
            node = _with_rule(node, entry, self._keys, 0)
        steps = tuple(step.with_lengths_of(added) if isinstance(step, PrefixStep) else step for step in self._steps)
        index._base, index._keys, index._steps, index._added = self._base, self._keys, steps, node
        return index

    def rules_like(self, entry: IndexedRule) -> list[IndexedRule]:
        """Return the rules in the buckets of a rule's own keys."""
        return [*_bucket(self._base, entry, self._keys), *_bucket(self._added, entry, self._keys)]


def _build(entries: Sequence[IndexedRule], keys: tuple[Key, ...], depth: int) -> Node:
    if len(entries) <= SPLIT or depth == len(keys):
        return tuple(entries)
    key = keys[depth]
    groups: dict[object, list[IndexedRule]] = {}
    for entry in entries:
        groups.setdefault(key(entry), []).append(entry)
    return {value: _build(group, keys, depth + 1) for value, group in groups.items()}


def _with_rule(node: Node, entry: IndexedRule, keys: tuple[Key, ...], depth: int) -> Node:
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
    return level.insert(key, _with_rule(level.get(key) or (), entry, keys, depth + 1))


def _without_rule(node: Node, entry: IndexedRule, keys: tuple[Key, ...], depth: int) -> Node:
    """Remove a rule; a level that becomes empty is removed too."""
    if isinstance(node, tuple):
        return tuple(other for other in node if other is not entry)
    assert isinstance(node, HashTrieMap)
    key = keys[depth](entry)
    left = _without_rule(node[key], entry, keys, depth + 1)
    smaller: HashTrieMap[object, Node] = node.insert(key, left) if left else node.remove(key)
    return smaller or ()


def _bucket(node: Node, entry: IndexedRule, keys: tuple[Key, ...]) -> Bucket:
    for key in keys:
        if isinstance(node, tuple):
            break
        node = node.get(key(entry), ())
    assert isinstance(node, tuple)
    return node
