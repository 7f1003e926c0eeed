"""A small pack that is right, and ways to make it wrong."""

from pathlib import Path

SCHEMA = """\
name: small
description: A pack as small as can be.
settings:
  require_mfa: {type: boolean}
  label: {type: string, default: plain}
member:
  clearance: {type: integer, from: request}
context:
  {ip: {type: string}, address: {type: string, default: 0.0.0.0}}
roles:
  admin: {on: [tenant], count: exactly_one}
  owner: {on: [tenant, folder, note]}
  insider: {on: [group], held_by: group}
  self: {on: [desk], held_by: member}
custom_roles: {rule: SM-02, types: "*"}
resources:
  member: {of: member, actions: [invite, list]}
  group: {of: group, actions: [view]}
  desk: {of: member, actions: [open]}
  folder: {actions: [view], parents: [group]}
  note:
    parents: [folder, desk]
    actions: [view, edit, download_pdf, download_csv]
    properties:
      status: {type: string, from: stored, default: draft}
      readers: {type: list, from: stored}
rules:
  SM-01: {text: Admins may do everything.}
  SM-02: {text: Owners view and edit., enforced_by: [rules, store]}
  SM-03: {text: Who has no quota edits nothing., reason: quota_exhausted, obligations: [buy_quota]}
  SM-04: {text: The invited wait., reason: member_pending, enforced_by: [membership]}
"""
MODEL = """\
[request_definition]
r = sub, dom, obj, act, env

[policy_definition]
p = role, scope, type, act, cond, eft, rule

[role_definition]
g = _, _, _

[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))

[matchers]
m = keyMatch(r.obj.type, p.type) && keyMatch(r.act, p.act) && \
(p.role == "*" || g(r.sub.ref, p.role, scope(r.obj, r.dom, p.scope))) && eval(p.cond)
"""
ROWS = """\
p, admin, tenant, *, *, True, allow, SM-01
p, owner, note, note, *, True, allow, SM-02
p, owner, folder, note, view, True, allow, SM-02
p, *, tenant, note, edit, r.sub.quota <= 0, deny, SM-03
"""


def write_pack(directory: Path, *, schema: str = SCHEMA, model: str = MODEL, rows: str = ROWS) -> Path:
    """Write the three files of a pack and return its directory."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "pack.yaml").write_text(schema, encoding="utf-8")
    (directory / "model.conf").write_text(model, encoding="utf-8")
    (directory / "policy.csv").write_text(rows, encoding="utf-8")
    return directory
