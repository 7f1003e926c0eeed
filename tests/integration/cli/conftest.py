"""One server for the tests of a file."""

from collections.abc import Iterator

import pytest

from support.servers.cli import Sidecar, apply_facts, sidecar


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    """Run the server that a file's marker `server` describes: its flags, and pairs of an actor and a document."""
    marker = request.node.get_closest_marker("server")
    flags, documents = (marker.args, marker.kwargs.get("documents", ())) if marker else ((), ())
    directory = tmp_path_factory.mktemp("server")
    with sidecar(directory, *flags) as running:
        for actor, document in documents:
            apply_facts(directory, running.address, document, actor=actor)
        yield running
