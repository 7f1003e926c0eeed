"""docs/membership.md, run."""

import pytest

from support.pages import page, shown_and_printed


@pytest.mark.timeout(300)
def test_the_story_is_as_shown(tmp_path):
    """Each command of the page prints what the page shows, invitations and confirmations among them."""
    shown, printed = shown_and_printed(page("membership.md"), tmp_path)
    assert len(shown) > 30
    assert printed == shown
