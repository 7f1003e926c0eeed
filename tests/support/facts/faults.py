"""Reads documents and returns their faults as a user sees them."""

from textwrap import dedent, indent

from sidegate.errors import FactsError
from sidegate.facts.read import read_facts
from sidegate.facts.validate import check_facts
from support.facts.pack import facts_schema

HEAD = """\
tenants:
  acme:
    members:
      rep: {roles: [chief], email: Rep@acme.example}
      uma: {}
"""


def refused(text: str, **pack: bool) -> list[str]:
    """Return the faults of a document as a user sees them."""
    schema = facts_schema(**pack)
    try:
        document = read_facts(text, "facts.yaml")
    except FactsError as error:
        return [str(fault) for fault in error.faults]
    return [str(fault) for facts in document.tenants.values() for fault in check_facts(facts, document, schema)]


def refused_below_head(text: str, **pack: bool) -> list[str]:
    """Return the faults of sections that follow the head, whose first line is line 6."""
    faults = refused(HEAD + indent(dedent(text), "    "), **pack)
    return [fault.removeprefix("facts.yaml:").replace("tenants.acme.", "") for fault in faults]
