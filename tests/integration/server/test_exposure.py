"""A sidecar that other machines can reach: refused without protection, and what changes where it is allowed."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from sidegate.bootstrap import serving
from sidegate.config.settings import GivenSettings
from sidegate.errors import StartError


def settings(directory: Path, **given: Any) -> GivenSettings:
    stop = {"lame_duck": 0, "drain": 0}
    return GivenSettings.model_validate({"database": f"sqlite:///{directory}/facts.db", **stop, **given})


async def has_reflection(address: str) -> bool:
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    async with grpc.aio.insecure_channel(address) as channel:
        call = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([request]))
        try:
            return bool((await call.read()).list_services_response.service)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                raise
            return False


async def test_settings_from_anywhere_are_refused_without_protection(tmp_path: Path) -> None:
    """Not only the command line refuses: nothing listens with such settings, wherever they come from."""
    given = {"listen": ("0.0.0.0:0",), "metrics_address": "0.0.0.0:0"}
    with pytest.raises(StartError) as caught:
        async with serving(settings(tmp_path, **given)):
            pass

    assert "listen: `0.0.0.0:0` can be reached from other machines" in str(caught.value)
    assert "metrics_address: `0.0.0.0:0` shows metrics" in str(caught.value)


@pytest.mark.parametrize(
    ("listen", "reflection", "found"),
    [
        ("127.0.0.1:0", "auto", True),
        ("127.0.0.1:0", "off", False),
        ("0.0.0.0:0", "auto", False),
        ("0.0.0.0:0", "on", True),
    ],
)
async def test_reflection_is_off_where_others_can_ask(
    tmp_path: Path, listen: str, reflection: str, *, found: bool
) -> None:
    """By default the contract is shown to this machine only; the setting decides otherwise."""
    given = settings(tmp_path, listen=(listen,), reflection=reflection, allow_insecure_network=True)
    async with serving(given) as running:
        assert await has_reflection(running.addresses[0].replace("0.0.0.0", "127.0.0.1")) is found


@pytest.mark.parametrize("wide", [True, False])
async def test_each_unprotected_start_warns(tmp_path: Path, caplog: pytest.LogCaptureFixture, *, wide: bool) -> None:
    """Two warnings name the addresses and what they lack; on loopback there is none, whatever is allowed."""
    address = "0.0.0.0:0" if wide else "127.0.0.1:0"
    given = {"listen": ("127.0.0.1:0", address)[not wide :], "metrics_address": address}
    allowed = {"allow_insecure_network": True, "allow_insecure_metrics": True}
    async with serving(settings(tmp_path, **given, **allowed)):
        pass

    warnings = [record.msg for record in caplog.records if record.levelname == "WARNING"]
    assert [warning["event"] for warning in warnings] == (
        ["listening without protection", "serving metrics without protection"] if wide else []
    )
    if wide:
        assert warnings[0]["addresses"] == [address]
        assert warnings[0]["missing"] == ["TLS (tls_certificate, tls_key)", "authentication (callers)"]
        assert warnings[1]["address"] == address


async def test_files_that_others_can_read_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What is created is open to its owner alone; a file with a wider mode is named at each start, with its mode."""
    given = settings(tmp_path, snapshot_directory=tmp_path / "snapshots")
    before = os.umask(0)
    try:
        async with serving(given):
            pass
    finally:
        os.umask(before)
    found = [path for path in (tmp_path / "facts.db", *(tmp_path / "snapshots").iterdir()) if path.is_file()]
    assert len(found) > 1
    assert {stat.S_IMODE(path.stat().st_mode) for path in found} == {0o600}
    assert stat.S_IMODE((tmp_path / "snapshots").stat().st_mode) == 0o700
    assert "file open to others" not in str([record.msg for record in caplog.records])

    found[0].chmod(0o644)
    (tmp_path / "snapshots" / "key").chmod(0o640)
    async with serving(given):
        pass
    warned = [record.msg for record in caplog.records if record.msg["event"] == "file open to others"]
    assert {(warning["setting"], warning["mode"]) for warning in warned} >= {
        ("database", "0644"),
        ("snapshot_directory", "0640"),
    }
    assert {warning["path"] for warning in warned} >= {str(found[0]), str(tmp_path / "snapshots" / "key")}
