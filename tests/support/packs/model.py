"""The model that the policy packs share, with the registered function it needs."""

from sidegate.engine import Entity, ancestors_of, compile_program
from sidegate.model.rules import Row

MODEL = """
[request_definition]
r = sub, dom, obj, act, env
[policy_definition]
p = role, scope, type, act, cond, eft, rule
[role_definition]
g = _, _, _
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = keyMatch(r.obj.type, p.type) && keyMatch(r.act, p.act) && \\
    (p.role == "*" || g(r.sub.ref, p.role, scope(r.obj, r.dom, p.scope))) && eval(p.cond)
"""


def scope(obj: object, dom: object, name: object) -> str:
    assert isinstance(obj, Entity)
    assert isinstance(dom, Entity)
    assert isinstance(name, str)
    return str(dom.ref) if name == "tenant" else ancestors_of(obj).get(name, "")


def compile_pack(rows: list[Row], engine: str):
    return compile_program(MODEL, rows, functions={"scope": scope}, domain_match={"g": "keyMatch"}, engine=engine)


def entity(reference: str, *parents: str, **properties: object) -> Entity:
    type_, _, id_ = reference.partition(":")
    ancestors = {parent.partition(":")[0]: parent for parent in (reference, *parents)}
    return Entity({"ref": reference, "type": type_, "id": id_, **properties}, ancestors)


def ask(subject: Entity, obj: Entity, action: str, *, tenant: str = "acme", **env: object):
    return subject, entity(f"tenant:{tenant}"), obj, action, Entity(env)


ROWS: list[Row] = [
    ("p", "template_admin", "tenant", "template", "clone", "True", "allow", "EF-07"),
    ("p", "document_manager", "template", "document", "view", "True", "allow", "EF-09"),
    ("p", "owner", "document", "document", "*", "True", "allow", "ST-01"),
    ("p", "representative_admin", "tenant", "*", "*", "True", "allow", "EF-01"),
    ("p", "*", "tenant", "*", "*", 'r.sub.status == "inactive"', "deny", "EL-07"),
    ("g", "member:ted", "template_admin", "tenant:acme"),
    ("g", "member:rep", "representative_admin", "tenant:acme"),
    ("g", "member:uma", "group:sales", "*"),
    ("g", "group:sales", "document_manager", "template:nda"),
]
