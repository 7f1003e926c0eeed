"""docs/history.md, run."""

from support.pages import page, shown_and_printed


def test_the_page_is_as_shown(tmp_path):
    """Each command of the page prints what the page shows."""
    shown, printed = shown_and_printed(page("history.md"), tmp_path)
    assert len(shown) > 15
    assert printed == shown
