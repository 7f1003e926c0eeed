"""What a client shows to say who it is."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Credentials:
    """The credentials of one call, as the transport received them.

    `bearer` is the key or token of the header `authorization: Bearer ...`; `malformed` says what is wrong with that
    header, "" where nothing is. `uris` and `dns_names` are those of the certificate that the client has proven to be
    its own. `unix_socket` is whether the connection came over a Unix socket. `peer` is the client's address, for logs.
    """

    bearer: str = field(default="", repr=False)
    uris: tuple[str, ...] = ()
    dns_names: tuple[str, ...] = ()
    unix_socket: bool = False
    malformed: str = ""
    peer: str = ""


NO_CREDENTIALS = Credentials()
