"""The page of settings is what the settings are."""

from __future__ import annotations

from sidegate.cli.configuration_page import configuration
from sidegate.config.settings import COMPONENTS, Settings
from support.paths import ROOT

PAGE = ROOT / "docs" / "configuration.md"


def test_the_page_is_current():
    """docs/configuration.md is what `python -m sidegate.cli.configuration_page` writes."""
    assert PAGE.read_text(encoding="utf-8") == configuration()


def test_every_setting_is_on_the_page():
    """No component is left out of the page."""
    listed = {name for component in COMPONENTS for name in component.model_fields}
    assert listed | {"config"} == set(Settings.model_fields)
