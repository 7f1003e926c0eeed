"""Memory is returned to the system once the process has grown."""

from __future__ import annotations

from sidegate.runtime.heap import GROWTH, HeapRelease, heap_release


class Process:
    """A process whose memory a test sets, and which gives half of what it grew by back when asked."""

    def __init__(self):
        self.resident, self.released = 100 * GROWTH, 0

    def release(self):
        self.released += 1
        self.resident -= GROWTH // 2


async def test_memory_is_released_after_growth_only():
    """Nothing is released at rest, nor twice for one growth, nor for what stays in use; a decrease is remembered."""
    process = Process()
    heap = HeapRelease(lambda: process.resident, process.release)
    assert not await heap.step()
    process.resident += GROWTH
    assert await heap.step()
    assert not await heap.step()
    process.resident -= 10 * GROWTH
    assert not await heap.step()
    process.resident += GROWTH
    assert await heap.step()
    assert process.released == 2


async def test_this_process_can_release_memory():
    """Where the C library can, its own function is called."""
    heap = heap_release()
    if heap is not None:
        heap._before -= GROWTH
        assert await heap.step()
