"""Who may call: the caller file, loaded at the start and again on request."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from sidegate.callers.directory import CallerDirectory
from sidegate.callers.file import CallerFile, read_caller_file
from sidegate.errors import CallersError
from sidegate.model.callers.caller import Caller
from sidegate.model.callers.credentials import Credentials
from sidegate.model.callers.token_issuer import TokenIssuer
from sidegate.runtime.tasks import cancel_and_wait
from sidegate.telemetry.callers import CallerEvent, CallerHook, ignore_event
from sidegate.telemetry.logging import get_log
from sidegate_adapters.oidc.fetch import Unreadable
from sidegate_adapters.oidc.key_sets import usable_keys
from sidegate_adapters.oidc.verifier import JwtVerifier

_LOG = get_log("bootstrap")


@dataclass(frozen=True, slots=True)
class _Loaded:
    """One state of the caller file, and what verifies tokens for it."""

    directory: CallerDirectory
    verifier: JwtVerifier


class FileCallers:
    """An `Authenticator` for the callers of a file, which is loaded again when asked; after an error the old ones stay.

    What was remembered of tokens is dropped with the state that it belongs to.
    """

    def __init__(self, path: Path, observe: CallerHook = ignore_event) -> None:
        """Load the file.

        Raises:
            CallersError: it is wrong.
        """
        self._path = path
        self._observe = observe
        self._requested = asyncio.Event()
        self._loaded = self._made(load_caller_file(path), None)

    def __repr__(self) -> str:
        return f"FileCallers({self._loaded.directory!r})"

    async def authenticate(self, credentials: Credentials) -> Caller:
        """Return the caller of a call.

        Raises:
            Unauthenticated: the credentials are not valid.
            Unavailable: they can't be checked now.
        """
        return await self._loaded.directory.authenticate(credentials)

    def ask(self) -> None:
        """Request a reload; a request during a reload causes one more."""
        self._requested.set()

    async def run(self) -> None:
        """Read issuers' keys from time to time, and reload the file whenever it is requested, until cancelled."""
        while True:
            keys = asyncio.create_task(self._loaded.verifier.run())
            try:
                await self._until_reloaded()
            finally:
                await cancel_and_wait([keys])

    async def reload(self) -> bool:
        """Reload now; return False where the file is wrong, and the current callers stay."""
        try:
            file = await asyncio.to_thread(load_caller_file, self._path)
            loaded = self._made(file, self._loaded.verifier)
        except CallersError as error:
            self._observe(CallerEvent.RELOAD_REJECTED)
            _LOG.error("caller reload rejected", faults=[str(fault) for fault in error.faults])
            return False
        # Their keys are there before the first call, so that no valid token is refused meanwhile.
        await loaded.verifier.refresh()
        self._loaded = loaded
        self._observe(CallerEvent.RELOADED)
        _LOG.info("callers reloaded", callers=loaded.directory.names())
        return True

    async def _until_reloaded(self) -> None:
        reloaded = False
        while not reloaded:
            await self._requested.wait()
            self._requested.clear()
            reloaded = await self.reload()

    def _made(self, file: CallerFile, previous: JwtVerifier | None) -> _Loaded:
        verifier = JwtVerifier(file.issuers.values(), failed=self._keys_failed, previous=previous)
        return _Loaded(CallerDirectory(file, verifier), verifier)

    def _keys_failed(self, issuer: str, problem: str) -> None:
        self._observe(CallerEvent.KEYS_UNREADABLE)
        _LOG.warning("issuer keys unreadable", issuer=issuer, why=problem)


def load_caller_file(path: Path) -> CallerFile:
    """Read a caller file and the files of keys that it names; keys behind URLs are not read.

    Raises:
        CallersError: something is wrong; names every fault.
    """
    return read_caller_file(path, _key_problem)


def _key_problem(issuer: TokenIssuer) -> str:
    """Return what is wrong with an issuer's keys in a file; "" where nothing is."""
    try:
        return "" if usable_keys(issuer) else "there is no key for its algorithms"
    except Unreadable as error:
        return str(error)
