"""What a pack refuses about resources and settings, each fault with its line, key, and what would be right."""

import pytest

from support.facts.faults import refused_below_head


@pytest.mark.parametrize(
    ("resource", "faults"),
    [
        (
            "documnt:d1: {}",
            ["documnt:d1: unknown resource type `documnt` of pack `paper`: did you mean `document`?"],
        ),
        (
            "workspace:uma: {}",
            [
                (
                    "workspace:uma: a `workspace` is there with each member, not registered here: "
                    "expected one of `document`, `folder`, `template`"
                )
            ],
        ),
        (
            "document:d1: {parents: [template:nda]}",
            ["document:d1.parents.0: `template:nda` is not there: add `template:nda` under `resources`"],
        ),
        (
            "document:d1: {parents: [workspace:una, group:it]}",
            [
                "document:d1.parents.0: `workspace:una` is not there: did you mean `uma`?",
                "document:d1.parents.1: `group:it` is not there: add `it` under `groups`",
            ],
        ),
        (
            "document:d1: {parents: [document:d2]}",
            [
                (
                    "document:d1.parents.0: a `document` can't be under `document:d2`: "
                    "expected `folder:…` or `group:…` or `template:…` or `workspace:…`"
                )
            ],
        ),
        (
            "template:t: {parents: [folder:f]}",
            ["template:t.parents.0: a `template` can't be under `folder:f`: it takes no parents"],
        ),
        (
            "document:d1: {parents: [workspace:uma, workspace:rep]}",
            [
                (
                    "document:d1.parents.0: `workspace:uma` is a second parent of type `workspace`, beside "
                    "`workspace:rep`: expected one of each type"
                )
            ],
        ),
        (
            "folder:f: {parents: [folder:f]}",
            ["folder:f.parents.0: a cycle of parents, `folder:f` > `folder:f`: expected nothing under itself"],
        ),
        (
            "document:d1: {properties: {stats: draft}}",
            ["document:d1.properties.stats: unknown property of `document` `stats`: did you mean `status`?"],
        ),
        (
            "template:t: {properties: {status: draft}}",
            ["template:t.properties.status: unknown property of `template` `status`: there is none"],
        ),
        (
            "document:d1: {properties: {ip: 10.0.0.1}}",
            [
                (
                    "document:d1.properties.ip: `ip` comes with each request and is not stored: "
                    "expected one of `draft`, `pages`, `share`, `status`, `tags`"
                )
            ],
        ),
        (
            "document:d1: {properties: {status: 1, pages: '1', share: true, draft: no, tags: a}}",
            [
                "document:d1.properties.draft: `no` is not right: expected true or false",
                "document:d1.properties.pages: `1` is not right: expected a whole number",
                "document:d1.properties.share: `true` is not right: expected a number",
                "document:d1.properties.status: `1` is not right: expected text",
                "document:d1.properties.tags: `a` is not right: expected a list of texts",
            ],
        ),
        (
            "document:d1: {properties: {pages: 1.5}}",
            ["document:d1.properties.pages: `1.5` is not right: expected a whole number"],
        ),
    ],
)
def test_a_resource_that_does_not_fit_is_refused(resource: str, faults: list[str]) -> None:
    """Type, parents and properties of a registered resource must be declared, be there and fit."""
    assert refused_below_head(f"resources:\n  {resource}") == [f"7: resources.{fault}" for fault in faults]


def test_a_cycle_of_parents_is_named() -> None:
    """A chain of parents that leads back is refused at the parent that closes it."""
    sections = "resources:\n  folder:a: {parents: [folder:b]}\n  folder:b: {parents: [folder:a]}"

    assert refused_below_head(sections) == [
        (
            "8: resources.folder:b.parents.0: a cycle of parents, `folder:a` > `folder:b` > `folder:a`: "
            "expected nothing under itself"
        )
    ]


def test_settings_must_be_declared_and_of_their_type() -> None:
    """An undeclared setting is refused with a near name, a wrong type with the right one."""
    sections = "settings:\n  require_mfas: true\n  seats: many"

    assert refused_below_head(sections) == [
        "7: settings.require_mfas: unknown setting `require_mfas`: did you mean `require_mfa`?",
        "8: settings.seats: `many` is not right: expected a whole number",
    ]
