"""A sidecar that other machines can reach: refused without protection, and what changes where it is allowed."""

from __future__ import annotations

import os
import resource
import stat
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from sidegate.authz.v1.tenant_pb2 import ListTenantsRequest, SuspendTenantRequest
from sidegate.authz.v1.tenant_pb2_grpc import TenantServiceStub
from sidegate.bootstrap import serving
from sidegate.bootstrap.open_files import allow_open_files
from sidegate.bootstrap.storage.file_modes import warn_of_open_files
from sidegate.client.channel import open_channel
from sidegate.config.settings import GivenSettings
from sidegate.errors import StartError
from support.servers.authority import Authority, client_files
from support.servers.sidecar import failure


def settings(directory: Path, **given: Any) -> GivenSettings:
    stop = {"lame_duck": 0, "drain": 0}
    return GivenSettings.model_validate({"database": f"sqlite:///{directory}/facts.db", **stop, **given})


async def has_reflection(channel: grpc.aio.Channel) -> bool:
    request = reflection_pb2.ServerReflectionRequest(list_services="")
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
        address = running.addresses[0].replace("0.0.0.0", "127.0.0.1")
        async with open_channel(address) as channel:
            assert await has_reflection(channel) is found


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
        assert (warnings[1]["address"], warnings[1]["missing"]) == (address, ["TLS", "authentication (callers)"])


async def test_tls_and_callers_open_the_network_without_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With a certificate and a caller file no setting is needed: callers are known, and reflection is off."""
    authority = Authority(tmp_path)
    issued, shown = authority.server(), authority.client(dns="orders.shop.svc")
    callers = tmp_path / "callers.yaml"
    callers.write_text(
        "callers: {orders: {identities: [{dns: orders.shop.svc}], rights: {membership.read: '*'}, actors: [platform]}}"
    )
    given = {
        "listen": ("0.0.0.0:0",),
        "lame_duck": 0,
        "callers": callers,
        "tls_certificate": issued.certificate,
        "tls_key": issued.key,
        "tls_client_ca": authority.ca,
    }
    async with serving(settings(tmp_path, **given)) as running:
        address = running.addresses[0].replace("0.0.0.0", "127.0.0.1")
        async with open_channel(address, client_files(authority, shown)) as channel:
            stub = TenantServiceStub(channel)
            assert not (await stub.ListTenants(ListTenantsRequest())).tenants
            found = await failure(stub.SuspendTenant(SuspendTenantRequest(name="tenants/acme")))
            assert not await has_reflection(channel)
    assert (found.code, found.info.reason) == (grpc.StatusCode.PERMISSION_DENIED, "CALLER_LACKS_RIGHT")
    assert "without protection" not in str([record.msg for record in caplog.records])


@pytest.mark.parametrize(
    ("limits", "raised", "warned"),
    [
        ((1024, 4096), (1256, 4096), False),
        ((1024, 1100), (1100, 1100), True),
        ((1024, resource.RLIM_INFINITY), (1256, resource.RLIM_INFINITY), False),
        ((2000, 4096), None, False),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), None, False),
    ],
)
def test_connections_do_not_take_the_files_of_the_store(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    limits: tuple[int, int],
    raised: tuple[int, int] | None,
    *,
    warned: bool,
) -> None:
    """The limit of open files is raised to what the connections need; one that can't be is warned of."""
    set_to: list[tuple[int, int]] = []
    monkeypatch.setattr("resource.getrlimit", lambda _kind: limits)
    monkeypatch.setattr("resource.setrlimit", lambda _kind, found: set_to.append(found))
    allow_open_files(GivenSettings())
    assert set_to == ([raised] if raised else [])
    assert [record.msg["event"] for record in caplog.records] == ["too few open files allowed"] * warned


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        ("token_key: a secret of many characters", True),
        ("database: postgresql://keeper:hush@db/facts", True),
        ("database: postgresql://keeper@db/facts", False),
        ("log_level: debug", False),
    ],
)
def test_a_settings_file_is_warned_of_if_it_holds_a_secret(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str, *, warned: bool
) -> None:
    """A settings file that everyone can read is fine, unless a key or a password is in it."""
    config = tmp_path / "sidegate.yaml"
    config.write_text(text)
    config.chmod(0o644)
    warn_of_open_files(settings(tmp_path, config=config))
    assert [record.msg["setting"] for record in caplog.records] == ["config"] * warned


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
