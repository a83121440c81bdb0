"""Uses the fixtures of tests/integration."""
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../integration"))

from fixtures import fleet, module_fleet, postgres_template, session_folder  # noqa: E402,F401


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if call.when in ("setup", "call") and outcome.get_result().failed:
        item.failed = True
