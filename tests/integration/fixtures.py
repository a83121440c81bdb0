"""Fixtures that tests/integration and tests/chaos share."""
import os
import shutil
import tempfile

import pytest

from fleet import Fleet
from servers import PostgresTemplate


@pytest.fixture(scope="session")
def session_folder():
    folder = tempfile.mkdtemp(prefix="skein-test-", dir="/tmp")
    os.chmod(folder, 0o755)  # the servers run as another user when we are root
    yield folder
    if not os.environ.get("SKEIN_TEST_KEEP"):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_template(session_folder):
    return PostgresTemplate(session_folder)


def make_fleet(request, session_folder, postgres_template):
    folder = tempfile.mkdtemp(prefix="fleet-", dir=session_folder)
    os.chmod(folder, 0o755)
    fleet = Fleet(folder, postgres_template)
    failed_before = request.session.testsfailed
    try:
        yield fleet
    finally:
        if request.session.testsfailed > failed_before or getattr(request.node, "failed", False):
            print(fleet.logs())
        try:
            fleet.close()
        finally:
            if not os.environ.get("SKEIN_TEST_KEEP"):
                shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def fleet(request, session_folder, postgres_template):
    """An empty fleet; what a test starts in it ends with the test."""
    yield from make_fleet(request, session_folder, postgres_template)


@pytest.fixture(scope="module")
def module_fleet(request, session_folder, postgres_template):
    """The same for all tests of a file."""
    yield from make_fleet(request, session_folder, postgres_template)
