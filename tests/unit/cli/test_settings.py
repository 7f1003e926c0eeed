"""Settings: sources, their order, and faults that are reported together."""

from __future__ import annotations

import os
import shutil
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sidegate.cli.shell.client import DEFAULT_ADDRESS
from sidegate.config.load import load_settings
from sidegate.config.network.exposure import lame_duck_seconds
from sidegate.config.settings import Settings
from sidegate.errors import SettingsError
from sidegate.server.grpc.listen_addresses import parse_address

EXPECTED_ADDRESSES = "one or several, comma-separated, each once: `host:port` or `unix:/path`"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith("SIDEGATE_"):
            monkeypatch.delenv(name)


@pytest.fixture
def file(tmp_path):
    def written(text: str) -> str:
        path = tmp_path / "sidegate.yaml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return written


def faults(**flags) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(flags)
    return [str(fault) for fault in caught.value.faults]


def test_defaults_listen_on_loopback_only():
    """Without any setting the server is reachable from its own machine alone."""
    assert load_settings({}).listen == ("127.0.0.1:8282",)


@pytest.mark.parametrize(
    ("listen", "given", "seconds"),
    [
        ("127.0.0.1:0,[::1]:0,localhost:0,unix:/run/s.sock", None, 0.0),
        ("127.8.8.8:1", None, 0.0),
        ("127.0.0.1:0,0.0.0.0:8282", None, 5.0),
        ("[::]:8282", None, 5.0),
        ("198.51.100.1:8282", None, 5.0),
        ("0.0.0.0:8282", "0", 0.0),
        ("127.0.0.1:8282", "2.5", 2.5),
    ],
)
def test_load_balancers_get_time_to_notice_a_stop(listen, given, seconds):
    """Unset, the lame-duck time is that of addresses which other machines reach; a given one is taken as it is."""
    settings = load_settings(
        {"listen": listen, "allow_insecure_network": "true"} | ({} if given is None else {"lame_duck": given})
    )
    assert lame_duck_seconds(settings) == seconds


def test_clients_call_where_the_server_listens_by_default():
    """`sidegate check` finds `sidegate serve` without a flag on either."""
    assert load_settings({}).listen == (DEFAULT_ADDRESS,)


def test_flag_beats_environment_beats_file_beats_default(monkeypatch, file):
    """Each source wins over the weaker ones, setting by setting."""
    path = file("max_tenants: 1\nmax_resources: 1\nbatch_limit: 1\n")
    monkeypatch.setenv("SIDEGATE_MAX_TENANTS", "2")
    monkeypatch.setenv("SIDEGATE_MAX_RESOURCES", "2")
    settings = load_settings({"config": path, "max_tenants": "3"})
    assert (settings.max_tenants, settings.max_resources, settings.batch_limit, settings.drain) == (3, 2, 1, 10.0)


def test_environment_can_name_the_file(monkeypatch, file):
    """SIDEGATE_CONFIG does what --config does."""
    monkeypatch.setenv("SIDEGATE_CONFIG", file("log_level: debug"))
    assert load_settings({}).log_level == "debug"


@pytest.mark.parametrize("given", ["127.0.0.1:0,unix:/run/s.sock", " 127.0.0.1:0 , unix:/run/s.sock"])
def test_several_addresses_come_from_one_text(monkeypatch, given):
    """A comma separates addresses in the environment."""
    monkeypatch.setenv("SIDEGATE_LISTEN", given)
    assert load_settings({}).listen == ("127.0.0.1:0", "unix:/run/s.sock")


def test_several_addresses_come_from_a_list_in_the_file(file):
    """YAML lists work, too."""
    assert load_settings({"config": file("listen: ['[::1]:1', localhost:2]")}).listen == ("[::1]:1", "localhost:2")


@pytest.mark.parametrize("text", ["0640", "640", "0o640", "'0640'"])
def test_socket_mode_is_octal_however_it_is_written(file, text):
    """Four spellings of one mode, none of which YAML may turn into another."""
    assert load_settings({"config": file(f"socket_mode: {text}")}).socket_mode == 0o640


def test_an_empty_variable_counts_as_unset(monkeypatch):
    """Composing files with unset variables must not break the start."""
    monkeypatch.setenv("SIDEGATE_ENGINE", "")
    assert load_settings({}).engine == Settings.model_fields["engine"].default


def test_all_faults_are_reported_together_with_their_sources(monkeypatch, file):
    """One run reports every fault of flags, environment and file, each with its source and what would be right."""
    path = file("batch_limit: many\nmax_staleness: .nan\nmax_stalenes: 5\nlog_format: xml\n")
    monkeypatch.setenv("SIDEGATE_DRAIN", "-1")
    monkeypatch.setenv("SIDEGATE_ENGIN", "reference")
    assert faults(config=path, policies="/nowhere", listen="8282") == [
        "environment SIDEGATE_ENGIN: no such setting: did you mean `SIDEGATE_ENGINE`?",
        f"{path}:1: batch_limit: `many` is not right: expected a whole number from 1 to 10000",
        f"{path}:2: max_staleness: `.nan` is not right: expected seconds, above 0, at most 3600",
        f"{path}:3: max_stalenes: no such setting: did you mean `max_staleness`?",
        f"{path}:4: log_format: `xml` is not right: expected `auto`, `json` or `text`",
        "environment SIDEGATE_DRAIN: drain: `-1` is not right: expected seconds, 0 to 3600",
        f"flag --listen: listen: `8282` is not right: expected {EXPECTED_ADDRESSES}",
        "flag --policies: policies: `/nowhere` is not right: expected a directory",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("listen", ""),
        ("listen", "127.0.0.1:8282,127.0.0.1:8282"),
        ("listen", "127.0.0.1:65536"),
        ("listen", "unix:relative"),
        ("socket_mode", "999"),
        ("batch_limit", "0"),
        ("batch_limit", "1.5"),
        ("drain", "nan"),
        ("drain", "inf"),
        ("database", "facts.db"),
        ("database", "mysql://host/db"),
        ("database", "postgresql://host:port/db"),
        ("database", "postgresql:/host/db"),
        ("token_key", "short"),
        ("redis", "localhost:6379"),
        ("redis", "redis://one,two"),
        ("redis", "redis://host/first"),
        ("redis", "redis://host:65536"),
        ("redis", "redis://host?db=1"),
        ("redis", "redis+sentinel://host"),
        ("redis", "redis+cluster://host/1"),
        ("redis", "unix://relative"),
        ("redis_ca", "/nowhere"),
        ("redis_prefix", "a b"),
        ("redis_timeout", "0"),
        ("redis_timeout", "2"),
        ("cache", "warm"),
        ("cache_entries", "0"),
        ("cache_ttl", "0"),
        ("default_pack", "../standard"),
        ("engine", "fast"),
        ("max_staleness", "0"),
        ("poll_interval", "soon"),
        ("max_tenants", "0"),
        ("max_resources", "-1"),
        ("log_level", "loud"),
        ("allow_insecure_network", "perhaps"),
        ("allow_insecure_metrics", "perhaps"),
        ("reflection", "maybe"),
        ("tls_certificate", "/nowhere"),
        ("tls_key", "/nowhere"),
        ("tls_client_ca", "/nowhere"),
        ("metrics_address", "unix:/run/metrics"),
        ("demo", "maybe"),
    ],
)
def test_a_wrong_value_is_refused_with_what_would_be_right(name, value):
    """Every setting refuses what it can't use, in one sentence that names it."""
    (fault,) = faults(**{name: value})
    assert fault.startswith(f"flag --{name.replace('_', '-')}: {name}: ")
    assert " is not right: expected " in fault


def test_certificates_without_tls_or_in_halves_are_refused(file):
    """Certificates require TLS: nothing is sent in the clear because the address says otherwise."""
    pem = file("-----BEGIN CERTIFICATE-----")
    assert faults(redis="redis://host", redis_ca=pem, redis_key=pem) == [
        f"flag --redis-ca: redis_ca: `{pem}` has no effect without TLS: expected a `redis` that begins `rediss`",
        f"flag --redis-key: redis_key: `{pem}` has no effect without TLS: expected a `redis` that begins `rediss`",
        f"flag --redis-key: redis_key: `{pem}` is half of a pair: expected redis_certificate with it",
    ]
    given = {"redis": "rediss://host", "redis_ca": pem, "redis_certificate": pem, "redis_key": pem}
    assert load_settings(given).redis_certificate is not None


def test_the_files_of_the_servers_tls_go_together(file):
    """Half of a pair, and authorities of clients without TLS, are refused."""
    pem = file("-----BEGIN CERTIFICATE-----")
    assert faults(tls_key=pem, tls_client_ca=pem) == [
        f"flag --tls-key: tls_key: `{pem}` is half of a pair: expected tls_certificate with it",
        f"flag --tls-client-ca: tls_client_ca: `{pem}` has no effect without TLS: expected tls_certificate with it",
    ]
    assert faults(tls_certificate=pem) == [
        f"flag --tls-certificate: tls_certificate: `{pem}` is half of a pair: expected tls_key with it"
    ]


LACKS = "without TLS (tls_certificate, tls_key) and without authentication (callers)"
LOCAL = "an address of this machine alone such as `127.0.0.1:8282`"


@pytest.mark.parametrize("address", ["0.0.0.0:1", "[::]:1", "192.0.2.1:1", "[::ffff:192.0.2.1]:1"])
def test_listening_wider_without_protection_is_refused(address):
    """An address that other machines can reach, or may, is an error that says what to do."""
    expected = f"expected these settings, {LOCAL}, a Unix socket, or allow_insecure_network"
    assert faults(listen=f"127.0.0.1:1,{address}") == [
        f"flag --listen: listen: `{address}` can be reached from other machines, {LACKS}: {expected}"
    ]
    assert load_settings({"listen": address, "allow_insecure_network": True})


@pytest.mark.parametrize(
    "address", ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "localhost:1", "unix:/run/s.sock"]
)
def test_listening_on_this_machine_alone_needs_nothing(address):
    """Loopback, by number or by name, and Unix sockets need neither TLS nor authentication."""
    assert load_settings({"listen": address})


def test_a_name_that_is_not_known_counts_as_exposed(monkeypatch):
    """Where it can't be found out, nothing is taken for local."""

    def unknown(*_args, **_options):
        raise socket.gaierror

    monkeypatch.setattr("socket.getaddrinfo", unknown)
    (fault,) = faults(listen="no-such.example:1")
    assert "`no-such.example:1` can be reached from other machines" in fault


def test_a_name_is_local_only_if_all_its_addresses_are(monkeypatch):
    """A name that also has an address of the network is exposed."""
    found = [(0, 0, 0, "", (address, 0)) for address in ("127.0.0.1", "192.0.2.1")]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_args, **_options: found)
    (fault,) = faults(listen="both.example:1")
    assert "`both.example:1` can be reached from other machines" in fault


def test_tls_alone_does_not_open_the_network(file):
    """With TLS and without authentication the error names what is still missing."""
    pem = file("-----BEGIN CERTIFICATE-----")
    (fault,) = faults(listen="0.0.0.0:1", tls_certificate=pem, tls_key=pem)
    assert "from other machines, without authentication (callers): expected" in fault
    (fault,) = faults(listen="0.0.0.0:1", callers=pem)
    assert "from other machines, without TLS (tls_certificate, tls_key): expected" in fault
    (fault,) = faults(metrics_address="0.0.0.0:1", callers=pem)
    assert "to other machines, without TLS, so that keys can be read: expected" in fault
    assert load_settings({"listen": "0.0.0.0:1", "callers": pem, "tls_certificate": pem, "tls_key": pem})


def test_metrics_for_other_machines_are_refused_unless_allowed():
    """Metrics have no TLS and no authentication, so they are shown to this machine unless a setting says more."""
    (fault,) = faults(metrics_address="0.0.0.0:1")
    assert "metrics_address: `0.0.0.0:1` shows metrics to other machines, without TLS and authentication" in fault
    assert fault.endswith(f": expected {LOCAL}, or allow_insecure_metrics")
    assert load_settings({"metrics_address": "0.0.0.0:1", "allow_insecure_metrics": "true"})
    assert load_settings({"metrics_address": "localhost:1"})


def test_always_asking_redis_goes_with_a_redis():
    """A mode that could do nothing is refused; the default is right with a Redis and without."""
    (fault,) = faults(cache="always")
    assert fault == "flag --cache: cache: `always` remembers decisions in Redis: expected `redis` with it"
    assert load_settings({"cache": "always", "redis": "redis://host"}).cache == "always"


def test_the_password_of_redis_is_never_shown(monkeypatch):
    """Neither where the address is right nor where it is wrong."""
    right = load_settings({"redis": "redis+sentinel://u:hush@a,b/main?sentinel_password=hush"})
    assert str(right.redis) == "redis+sentinel://a,b/main"
    monkeypatch.setenv("SIDEGATE_REDIS", "redis://u:hush@host?timeout=hush")
    (fault,) = faults()
    assert "hush" not in fault
    assert "`redis://host` is not right" in fault


def test_a_secret_is_never_in_a_message(monkeypatch):
    """A wrong token_key is refused without being quoted, in the text and in the chain of causes."""
    monkeypatch.setenv("SIDEGATE_TOKEN_KEY", "hush")
    with pytest.raises(SettingsError) as caught:
        load_settings({})
    assert "hush" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.fixture
def secret(tmp_path):
    def written(text: str, name: str = "secret") -> str:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return written


def test_a_secret_can_come_from_a_file_of_its_own(monkeypatch, secret):
    """A file holds the whole setting, or the password that an address lacks; no line end belongs to it."""
    monkeypatch.setenv("SIDEGATE_DATABASE_FILE", secret("postgresql://keeper:hush@db/facts\n", "database"))
    monkeypatch.setenv("SIDEGATE_TOKEN_KEY_FILE", secret("the first of the keys\nthe second of the keys\n", "keys"))
    settings = load_settings({"redis": "redis+sentinel://u@a,b/main", "redis_password_file": secret("p@ss/w\n")})
    assert settings.database.get_secret_value() == "postgresql://keeper:hush@db/facts"
    assert settings.redis.get_secret_value() == "redis+sentinel://u:p%40ss%2Fw@a,b/main"
    assert [key.get_secret_value() for key in settings.token_key] == ["the first of the keys", "the second of the keys"]
    assert "hush" not in repr(settings)


def test_files_of_secrets_that_cant_be_used_are_refused(monkeypatch, secret, tmp_path):
    """Each fault names the setting of the file with its origin, and nothing of a secret."""
    empty, password = secret("\n", "empty"), secret("hush", "password")
    monkeypatch.setenv("SIDEGATE_DATABASE_PASSWORD_FILE", password)
    lacks = f"database_password_file: `{password}` has no address to go with: expected `database` with it"
    assert faults(redis_file=empty, token_key_file=str(tmp_path / "none")) == [
        f"flag --redis-file: redis_file: `{empty}` is empty: expected a file with the secret",
        f"flag --token-key-file: token_key_file: `{tmp_path}/none` can't be read: no such file or directory",
        f"environment SIDEGATE_DATABASE_PASSWORD_FILE: {lacks}",
    ]
    (fault,) = faults(database="postgresql://u:p@db/facts")
    assert f"`{password}` goes with a `database` without a password: expected one of the two" in fault
    (fault,) = faults(database="sqlite:///facts.db")
    assert f"`{password}` goes with the address of a server: expected one in `database`" in fault
    (fault,) = faults(database="postgresql://u@db/facts", redis="redis://host", redis_file=password)
    assert fault == f"flag --redis-file: redis_file: `{password}` goes with no `redis`: expected one of the two"
    (fault,) = faults(database="postgresql://u@db/facts", redis_file=secret("redis://u:hush@host/first", "wrong"))
    assert fault.startswith("flag --redis-file: redis_file: `redis://host/first` is not right: expected `redis://")
    (fault,) = faults(database="postgresql://u@db/facts", redis_file=str(tmp_path))
    assert "is not a regular file: expected a file with the secret" in fault


def test_keys_are_a_list_or_lines(monkeypatch, file):
    """Several keys are a list in the file and lines in the environment, in the same order."""
    first, second = "the first of the keys", "the second of the keys"
    monkeypatch.setenv("SIDEGATE_TOKEN_KEY", f"{first}\n{second}\n")
    of_lines = load_settings({}).token_key
    monkeypatch.delenv("SIDEGATE_TOKEN_KEY")
    of_list = load_settings({"config": file(f"token_key: [{first}, {second}]")}).token_key
    assert [key.get_secret_value() for key in of_lines] == [key.get_secret_value() for key in of_list]
    assert [key.get_secret_value() for key in of_list] == [first, second]
    monkeypatch.setenv("SIDEGATE_TOKEN_KEY", f"{first}\nhush")
    (fault,) = faults()
    assert "environment SIDEGATE_TOKEN_KEY: token_key: the given secret is not right: expected at least 16 c" in fault


def test_a_secret_does_not_show_in_the_settings():
    """Settings can be logged."""
    assert "0123456789abcdef" not in repr(load_settings({"token_key": "0123456789abcdef"}))


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://keeper:hush%40@db.example:5432/facts?sslmode=require", "postgresql://db.example:5432/facts"),
        ("postgresql://db.example/facts?user=keeper&password=hush", "postgresql://db.example/facts"),
        ("postgresql://keeper:hush@one:1,[::1]:2/facts", "postgresql://one:1,[::1]:2/facts"),
        ("postgresql://keeper:hush@/facts?host=/run/postgresql", "postgresql:///facts"),
        ("sqlite:////var/lib/f@cts.db", "sqlite:////var/lib/f@cts.db"),
    ],
)
def test_a_database_is_taken_whole_and_shown_without_its_password(address, shown):
    """PostgreSQL's addresses may hold a user, a password and parameters, which nothing that is printed shows."""
    settings = load_settings({"database": address})
    assert settings.database.get_secret_value() == address
    assert str(settings.database) == shown
    assert f"ServerAddress('{shown}')" in repr(settings)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://keeper:hush/hush@db/facts",
        "postgresql://keeper:hush?hush@db/facts",
        "postgresql://keeper:1?hush@db/facts",
        "postgresql://keeper:hush#hush@db/facts",
        "postgresql://keeper:hush@hush@db/facts",
        "postgresql://keeper:hush",
        "postgresql://db/facts?password=hush@",
        "postgres://keeper:hush@db/facts",
        "mysql://keeper:hush@db/facts",
        "keeper:hush@db/facts",
    ],
)
def test_a_wrong_address_is_refused_without_its_password(address):
    """Where the password can't be found in an address, only its scheme is quoted."""
    (fault,) = faults(database=address)
    assert "hush" not in fault
    assert "`postgresql://user:password@host/database`" in fault


def test_polling_must_be_faster_than_the_bound(monkeypatch):
    """A server that polls less often than it promises would never be fresh."""
    monkeypatch.setenv("SIDEGATE_MAX_STALENESS", "0.2")
    message = "a poll_interval of `0.5` must be less than max_staleness, `0.2`"
    assert faults() == [f"environment SIDEGATE_MAX_STALENESS: max_staleness: {message}"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("listen: [", "not valid YAML"),
        ("- listen", "expected a mapping of settings"),
        ("config: other.yaml", "a settings file can't name another"),
        ("demo: true\ndemo: false", "key `demo` is given twice"),
    ],
)
def test_a_file_that_holds_no_settings_is_refused(file, text, expected):
    """What can't be read as settings is one fault with its location."""
    (fault,) = faults(config=file(text))
    assert expected in fault
    assert "sidegate.yaml" in fault


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path):
    """A missing or binary file is a sentence."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert faults(config=str(tmp_path / "none")) == [
        f"{tmp_path}/none: can't read the settings: no such file or directory"
    ]
    assert faults(config=str(tmp_path / "binary")) == [f"{tmp_path}/binary: not UTF-8 text"]


def test_an_empty_file_sets_nothing(file):
    """A settings file whose lines are all comments is fine."""
    assert load_settings({"config": file("# nothing yet\n")}).config


@pytest.mark.parametrize(
    "name",
    [
        "SIDEGATE_SERVICE_HOST",
        "SIDEGATE_SERVICE_PORT",
        "SIDEGATE_SERVICE_PORT_GRPC",
        "SIDEGATE_PORT",
        "SIDEGATE_PORT_8282_TCP_ADDR",
        "SIDEGATE_METRICS_SERVICE_HOST",
        "SIDEGATE_ADDRESS",
    ],
)
def test_variables_that_others_set_are_no_faults(monkeypatch, name):
    """A Kubernetes service called `sidegate` puts variables into every pod; the clients have one of their own."""
    monkeypatch.setenv(name, "x")
    assert load_settings({})


def test_no_setting_is_taken_for_a_variable_that_others_set():
    """A setting called `port` could not be distinguished from what Kubernetes injects."""
    assert not [name for name in Settings.model_fields if name.endswith(("port", "service_host"))]


def test_settings_never_change():
    """Settings are frozen."""
    with pytest.raises(ValidationError):
        load_settings({}).drain = 1.0


@given(st.one_of(st.from_regex(r"[a-z0-9.\[\]:-]{1,20}:[0-9]{1,6}", fullmatch=True), st.text(max_size=30)))
def test_every_address_that_the_settings_take_the_server_takes(text):
    """No address passes the settings and then fails as malformed at the start."""
    try:
        settings = load_settings({"listen": (text,), "allow_insecure_network": True})
    except SettingsError:
        return
    parse_address(settings.listen[0])


def test_policies_may_be_any_directory(tmp_path):
    """A directory of packs is named as it is."""
    shutil.copytree("policies/standard", tmp_path / "standard")
    assert load_settings({"policies": str(tmp_path)}).policies == tmp_path
