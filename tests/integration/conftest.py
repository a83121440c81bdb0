"""pytest's entry: the fixtures, and a mark on tests that failed so that logs are shown."""
import pytest

from fixtures import fleet, module_fleet, postgres_template, session_folder  # noqa: F401


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if call.when in ("setup", "call") and outcome.get_result().failed:
        item.failed = True
