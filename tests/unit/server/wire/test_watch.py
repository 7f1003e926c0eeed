"""How changes are cut into responses."""

from hypothesis import given
from hypothesis import strategies as st

from sidegate.server.wire.watch import cut

LIMIT = 100
revisions = st.lists(st.lists(st.integers(1, 130), min_size=1, max_size=8), max_size=12)


@given(revisions)
def test_parts_are_whole_and_fit(revisions):
    """Parts follow each other without loss, none is too long that could be shorter, and no short revision is torn."""
    names = [number for number, sizes in enumerate(revisions) for _ in sizes]
    sizes = [size for revision in revisions for size in revision]
    parts = list(cut(names, sizes, LIMIT))
    assert [position for part in parts for position in range(part.start, part.stop)] == [*range(len(sizes))]
    for part in parts:
        assert sum(sizes[part]) <= LIMIT or part.stop - part.start == 1
        assert part.stop > part.start or not sizes
    for number, revision in enumerate(revisions):
        touched = sum(number in names[part] for part in parts)
        assert touched == 1 or sum(revision) > LIMIT


def test_nothing_is_one_empty_part():
    """A heartbeat is one response."""
    assert list(cut([], [])) == [slice(0, 0)]


def test_parts_are_as_long_as_they_may_be():
    """Whole revisions are sent together while they fit."""
    assert list(cut("aabbccd", [30, 30, 20, 20, 30, 30, 30], LIMIT)) == [slice(0, 4), slice(4, 7)]
