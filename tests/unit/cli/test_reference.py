"""The page of settings is what the settings are."""

from __future__ import annotations

from pathlib import Path

from sidegate.cli.reference import configuration
from sidegate.config import COMPONENTS, Settings

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"


def test_the_page_is_current():
    """docs/configuration.md is what `python -m sidegate.cli.reference` writes."""
    assert PAGE.read_text(encoding="utf-8") == configuration()


def test_every_setting_stands_on_the_page():
    """No component is left out of the page."""
    listed = {name for component in COMPONENTS for name in component.model_fields}
    assert listed | {"config"} == set(Settings.model_fields)
