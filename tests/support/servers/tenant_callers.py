"""A caller file of two callers: one of all tenants, and one that may do everything in the tenant `acme` only."""

from __future__ import annotations

from sidegate.callers.keys import digest_of, new_key
from sidegate.model.callers.caller import Right

ADMIN, GUEST = new_key(), new_key()
CALLERS = f"""\
callers:
  admin:
    identities: [key: {{name: a, sha256: "{digest_of(ADMIN).hex()}"}}]
    rights: {{facts.bulk: "*"}}
    actors: [platform]
  guest:
    identities: [key: {{name: a, sha256: "{digest_of(GUEST).hex()}"}}]
    rights: {{{", ".join(f"{right}: [acme]" for right in Right if right is not Right.METRICS)}}}
    actors: [platform, members]
"""
