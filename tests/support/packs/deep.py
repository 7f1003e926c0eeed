"""Packs in which rights come down from far above: a cabinet in a group, a folder in it, a template, a document."""

from __future__ import annotations

from pathlib import Path

from support.packs.packs import MODEL, write_pack

SCHEMA = """\
name: deep
description: A document is in a template, a folder, a cabinet and a group.
settings:
  require_mfa: {type: boolean}
roles:
  chief: {on: [tenant]}
  clerk: {on: [tenant]}
  keeper: {on: [cabinet, folder, template, document]}
  reader: {on: [cabinet, folder, document]}
  steward: {on: [group, desk]}
  insider: {on: [group], held_by: group}
  self: {on: [desk], held_by: member}
custom_roles: {rule: DP-05, types: [folder, document]}
resources:
  member: {of: member, actions: [view]}
  group: {of: group, actions: [view, manage]}
  role: {of: role, actions: [view]}
  desk: {of: member, actions: [open]}
  cabinet: {parents: [group], actions: [open]}
  folder: {parents: [cabinet, desk], actions: [view, edit]}
  template: {parents: [folder], actions: [view, clone]}
  document:
    parents: [template, desk]
    actions: [view, edit, sign, find]
    properties:
      open: {type: boolean, from: stored}
      level: {type: integer, from: stored, default: 1}
  tenant: {actions: [view]}
rules:
  DP-01: {text: Chiefs may do everything.}
  DP-02: {text: Clerks view what is open.}
  DP-03: {text: Keepers work on what their containers hold.}
  DP-04: {text: Readers view what their containers hold.}
  DP-05: {text: Roles of the tenant's own allow what they were given., enforced_by: [rules, store]}
  DP-06: {text: Members of a group see what is in it.}
  DP-07: {text: Everyone keeps a desk.}
  DP-08: {text: Everyone finds what is open.}
  DP-09: {text: Nobody signs without a second factor., reason: mfa_required}
"""
ALLOWS = """\
p, chief, tenant, *, *, True, allow, DP-01
p, clerk, tenant, document, view, r.obj.open, allow, DP-02
p, clerk, tenant, tenant, view, True, allow, DP-02
p, keeper, cabinet, document, edit, True, allow, DP-03
p, keeper, cabinet, folder, *, True, allow, DP-03
p, keeper, folder, template, *, True, allow, DP-03
p, keeper, template, document, sign, r.obj.level > 0, allow, DP-03
p, keeper, document, document, *, True, allow, DP-03
p, reader, cabinet, document, view, r.obj.level <= 1, allow, DP-04
p, reader, folder, document, view, True, allow, DP-04
p, reader, document, document, view, True, allow, DP-04
p, steward, group, *, view, True, allow, DP-06
p, steward, desk, document, view, True, allow, DP-07
p, insider, group, group, view, True, allow, DP-06
p, insider, group, document, view, r.obj.open, allow, DP-06
p, insider, group, cabinet, open, True, allow, DP-06
p, self, desk, desk, open, True, allow, DP-07
p, self, desk, document, sign, True, allow, DP-07
p, self, desk, folder, view, True, allow, DP-07
p, *, tenant, document, find, r.obj.open, allow, DP-08
"""
DENIES = """\
p, *, tenant, document, sign, not r.sub.mfa, deny, DP-09
"""
BORN_TO_IT = "ada"
"""Who may do everything in the pack `loose`, with no role at all."""
LOOSE_MODEL = f'{MODEL.rstrip()} || r.sub.id == "{BORN_TO_IT}"\n'


def write_deep_packs(directory: Path) -> None:
    """Write `deep`, and `loose`, whose matcher also lets somebody in who holds no role."""
    write_pack(directory / "deep", schema=SCHEMA, rows=ALLOWS + DENIES)
    # Without its deny nobody holds any rule against the one who needs none.
    loose = SCHEMA.replace("name: deep", "name: loose\nmatcher: custom").replace("  DP-09", "  # DP-09")
    write_pack(directory / "loose", schema=loose, model=LOOSE_MODEL, rows=ALLOWS)
