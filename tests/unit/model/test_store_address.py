"""Addresses: of Redis, single server, cluster and Sentinel, and the passwords of all of them."""

from __future__ import annotations

import pytest

from sidegate.model.store_address import (
    RedisAccount,
    RedisAddress,
    RedisKind,
    has_password,
    redacted,
    redis_address,
    same_server,
    with_password,
)

NOBODY = RedisAccount()


@pytest.mark.parametrize(
    ("text", "said", "shown"),
    [
        ("redis://host", RedisAddress(RedisKind.STANDALONE, (("host", 6379),)), "redis://host"),
        (
            "rediss://u:p%40:%2F@[::1]:1/2",
            RedisAddress(RedisKind.STANDALONE, (("::1", 1),), database=2, tls=True, account=RedisAccount("u", "p@:/")),
            "rediss://[::1]:1/2",
        ),
        (
            "unix://:p@/run/redis.sock?db=3",
            RedisAddress(RedisKind.STANDALONE, path="/run/redis.sock", database=3, account=RedisAccount("", "p")),
            "unix:///run/redis.sock",
        ),
        (
            "rediss+sentinel://a,b:1/main/4?sentinel_user=s&sentinel_password=q%26",
            RedisAddress(
                RedisKind.SENTINEL,
                (("a", 26379), ("b", 1)),
                master="main",
                database=4,
                tls=True,
                sentinel_account=RedisAccount("s", "q&"),
            ),
            "rediss+sentinel://a,b:1/main/4",
        ),
        (
            "redis+cluster://a:1,b",
            RedisAddress(RedisKind.CLUSTER, (("a", 1), ("b", 6379))),
            "redis+cluster://a:1,b",
        ),
    ],
)
def test_an_address_says_where_redis_is_and_as_whom_to_connect(text, said, shown):
    """Each part has its place, escapes are undone, and what may be shown holds no account."""
    assert redis_address(text) == said
    assert redacted(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "redis:",
        "redis://",
        "http://host",
        "redis://host:0",
        "redis://host:1:2",
        "redis://host/1/2",
        "redis://host/-1",
        "redis://a@b@c",
        "redis://host?db=1",
        "redis://host?ssl_cert_reqs=none",
        "redis+sentinel://a/",
        "redis+sentinel://a/m/x",
        "redis+cluster://a?sentinel_password=x",
        "redis+unix:///path",
        "unix://host/path?password=x&db=1",
    ],
)
def test_what_is_no_address_is_refused(text):
    """Nothing is guessed, and no parameter can switch verification off."""
    with pytest.raises(ValueError, match=r"."):
        redis_address(text)


def test_a_printed_address_does_not_contain_a_password():
    """What is printed for debugging may end in a log."""
    assert "hush" not in repr(redis_address("redis+sentinel://u:hush@a/m?sentinel_password=hush"))


@pytest.mark.parametrize(
    ("address", "completed"),
    [
        ("postgresql://u@db:1,[::1]:2/facts?ssl=require", "postgresql://u:a%40b@db:1,[::1]:2/facts?ssl=require"),
        ("postgresql://db/facts", "postgresql://:a%40b@db/facts"),
        ("postgresql://keeper:old@/facts?host=/run/pg", "postgresql://keeper:a%40b@/facts?host=/run/pg"),
        ("rediss+cluster://one,two", "rediss+cluster://:a%40b@one,two"),
        ("unix:///run/redis?db=1", "unix://:a%40b@/run/redis?db=1"),
    ],
)
def test_a_password_is_put_before_the_host(address: str, completed: str) -> None:
    """It is escaped, and takes the place of the one that is there."""
    assert with_password(address, "a@b") == completed
    assert has_password(completed)
    assert same_server(address, completed)


@pytest.mark.parametrize("address", ["sqlite:///facts.db", "facts.db", "postgresql://a@b@c/d"])
def test_what_is_no_server_takes_no_password(address: str) -> None:
    """A file has none, and an address with two accounts is none."""
    with pytest.raises(ValueError, match="not the address of a server"):
        with_password(address, "hush")


@pytest.mark.parametrize(
    "other",
    [
        "postgresql://u:p@other/facts",
        "postgresql://u:p@db/others",
        "postgresql://u:p@db/facts?sslmode=require",
        "redis://u:p@db/facts",
        "postgresql://u:p@p@db/facts",
    ],
)
def test_another_host_database_or_parameter_is_another_server(other: str) -> None:
    """User and password may differ, before the host and as parameters; nothing else may."""
    address = "postgresql://u:p@db/facts"
    assert same_server(address, "postgresql://db/facts?user=x&password=y")
    assert not same_server(address, other)
