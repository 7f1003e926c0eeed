"""The links of a build: those of the repository that builds it, as GitHub Actions names it."""

import os
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class Links(MetadataHookInterface):
    """Fill `project.urls`; a build outside GitHub Actions has no links, since none would be sure to be right."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the links to `metadata`."""
        repository = os.environ.get("GITHUB_REPOSITORY")
        if not repository:
            metadata["urls"] = {}
            return
        home = f"{os.environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{repository}"
        metadata["urls"] = {
            "Source": home,
            "Documentation": f"{home}/tree/main/docs",
            "Changelog": f"{home}/blob/main/CHANGELOG.md",
            "Issues": f"{home}/issues",
        }
