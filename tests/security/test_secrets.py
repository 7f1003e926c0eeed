"""Nothing that a sidecar or its commands write has a secret in it, whatever goes wrong."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import grpc
import pytest

from sidegate.authz.v1 import authorization_pb2 as pb
from sidegate.authz.v1 import authorization_pb2_grpc, membership_pb2, membership_pb2_grpc
from sidegate.bootstrap.callers import load_caller_file
from sidegate.callers.keys import digest_of
from sidegate.config.settings import GivenSettings
from sidegate.errors import CallersError
from support.servers.callers import es256, write_callers
from support.servers.cli import sidecar, sidegate
from support.servers.ports import reserved_port
from support.waiting import block_until

KEY = "sidegate_a-key-that-only-these-tests-know-0123456"
DIGEST = digest_of(KEY).hex()
TOKEN_KEY = "the-token-key-of-all-sidecars"
REDIS_PASSWORD = "the-password-of-redis"
DATABASE_PASSWORD = "the-password-of-the-database"
CLAIM = "the-claim-of-a-person"
INVITATION = "an-invitation-that-nobody-else-may-accept"
CALLERS = f"""\
callers:
  orders:
    identities: [key: {{name: a, sha256: "{DIGEST}"}}]
    rights: {{check: "*", membership.write: "*"}}
    actors: [platform]
"""


@dataclass(frozen=True)
class Written:
    """What a sidecar had written when it ended, and what its clients got."""

    log: str
    answers: str
    secrets: dict[str, str]


def _calls(channel: grpc.Channel, directory: Path) -> Iterator[str]:
    """Make calls with secrets in them, most of which fail, and yield what their clients got."""
    check = authorization_pb2_grpc.AuthorizationServiceStub(channel).Check
    members = membership_pb2_grpc.MembershipServiceStub(channel)
    token = _token()
    question = pb.CheckRequest(
        tenant="demo",
        subject=pb.Subject(id="uma", properties={"quota": CLAIM, CLAIM: [[CLAIM]]}),
        action="view",
        resource=pb.Resource(type="document", id="contract"),
    )
    accepted = membership_pb2.AcceptInvitationRequest(parent="tenants/demo", token=INVITATION)
    for header in ("", f"Bearer {token}", f"Bearer {token[:-8]}", f"Basic {token}", f"Bearer {KEY} {KEY}"):
        yield _ended(check, question, header)
    for call, message in ((check, question), (members.AcceptInvitation, accepted)):
        yield _ended(call, message, f"Bearer {KEY}")
    (directory / "secrets.txt").write_text(token)


def _ended(call: grpc.UnaryUnaryMultiCallable, message: object, header: str) -> str:
    try:
        return str(call(message, metadata=(("authorization", header),) if header else ()))
    except grpc.RpcError as error:
        return f"{error.details()} {error.trailing_metadata()}"


def _token() -> str:
    import jwt  # noqa: PLC0415 - the tests that need no token start without it

    claims = {"iss": "https://id.example.org", "aud": "sidegate", "sub": "ann", "exp": 4_000_000_000}
    return jwt.encode(claims, es256().private, "ES256")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Run a sidecar with a secret in each setting that holds one, with its debug log, and let it fail."""
    directory = tmp_path_factory.mktemp("secrets")
    callers = write_callers(directory, CALLERS)
    variables = {
        "SIDEGATE_TOKEN_KEY": TOKEN_KEY,
        "SIDEGATE_REDIS": f"redis://user:{REDIS_PASSWORD}@127.0.0.1:{reserved_port()}",
        "SIDEGATE_CACHE": "always",
        "SIDEGATE_LOG_LEVEL": "debug",
    }
    metrics = f"127.0.0.1:{reserved_port()}"
    flags = ("--demo", "--callers", callers, "--metrics-address", metrics)
    with sidecar(directory, *flags, env=variables) as running:
        with grpc.insecure_channel(running.address) as channel:
            answers = [*_calls(channel, directory)]
        # As an operator does who pastes the key, and not its hash.
        callers.write_text(CALLERS.replace(DIGEST, KEY))
        running.process.send_signal(signal.SIGHUP)
        log = directory / "serve.err"
        block_until(lambda: "caller reload rejected" in log.read_text())
        with urlopen(f"http://{metrics}/metrics") as answer:
            answers.append(answer.read().decode())
        answers.append(running.announced)
        assert running.stop() == 0
    secrets = {
        "key": KEY,
        "token key": TOKEN_KEY,
        "password of Redis": REDIS_PASSWORD,
        "claim": CLAIM,
        "token": (directory / "secrets.txt").read_text(),
        "invitation": INVITATION,
    }
    return Written(log.read_text(), "\n".join(answers), secrets)


@pytest.mark.parametrize("name", ["key", "token key", "password of Redis", "claim", "token", "invitation"])
def test_no_secret_is_in_logs_answers_and_metrics(written, name):
    """Settings, credentials, claims and tokens of requests: nothing of them is logged, counted or answered."""
    secret = written.secrets[name]
    assert "authentication failed" in written.log
    assert secret not in written.log
    assert secret not in written.answers
    signature = secret.rpartition(".")[2]
    assert signature not in written.log + written.answers


@pytest.mark.parametrize("wrong", ["check:", "platform", "identities:", DIGEST])
def test_a_key_in_the_caller_file_is_not_quoted(tmp_path, wrong):
    """A key that was pasted where something else belongs is in no error, and errors are logged."""
    path = write_callers(tmp_path, CALLERS.replace(wrong, f"{KEY}:" if wrong.endswith(":") else KEY))
    with pytest.raises(CallersError) as caught:
        load_caller_file(path)
    assert KEY not in f"{caught.value} {caught.value!r} {caught.value.__cause__}"


def test_no_command_shows_a_secret_of_its_environment(tmp_path):
    """A database that does not answer is named without its password; versions show none either."""
    address = f"postgresql://user:{DATABASE_PASSWORD}@127.0.0.1:{reserved_port()}/facts"
    variables = {
        "SIDEGATE_DATABASE": address,
        "SIDEGATE_TOKEN_KEY": TOKEN_KEY,
        "SIDEGATE_REDIS": f"redis://user:{REDIS_PASSWORD}@127.0.0.1:{reserved_port()}",
    }
    shown = [
        sidegate("version", env=variables),
        sidegate("serve", "--listen", "127.0.0.1:0", env=variables, cwd=tmp_path),
    ]
    assert [bool(done.code) for done in shown] == [False, True]
    text = str(shown)
    for secret in (DATABASE_PASSWORD, TOKEN_KEY, REDIS_PASSWORD):
        assert secret not in text


def test_settings_show_no_secret():
    """Neither `repr` nor `str` of the settings, nor their dump as text, holds a secret."""
    settings = GivenSettings.model_validate(
        {
            "database": f"postgresql://user:{DATABASE_PASSWORD}@host/facts",
            "token_key": (TOKEN_KEY, f"{TOKEN_KEY}-2"),
            "redis": f"redis://user:{REDIS_PASSWORD}@host",
        }
    )
    text = f"{settings!r} {settings} {settings.model_dump_json()} {settings.model_dump()}"
    for secret in (DATABASE_PASSWORD, TOKEN_KEY, REDIS_PASSWORD):
        assert secret not in text
