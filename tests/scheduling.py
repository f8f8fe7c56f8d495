"""Which worker runs which test: what a module's tests share is made once, and so is a group's."""

import re
from functools import cache

from xdist.scheduler import LoadScopeScheduling

from app.config import ROOT

_GROUP = re.compile(r"""^pytestmark\b.*?\bxdist_group\(["'](\w+)["']\)""", re.MULTILINE | re.DOTALL)


class ByModule(LoadScopeScheduling):  # type: ignore[misc]  # the plugin has no types
    """Keep the tests of one module, or of all modules of one `xdist_group`, on one worker.

    The groups are read from the sources: what the plugin appends to a test's id to name its group
    is not part of ids any more since pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return group_of(module) or module


@cache
def group_of(module: str) -> str:
    """Return the group that a module's tests are marked with, or nothing."""
    found = _GROUP.search((ROOT / module).read_text())
    return found[1] if found else ""
