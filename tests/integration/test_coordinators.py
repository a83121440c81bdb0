"""Three coordinators on one etcd: who leads, who stands by, and what a fail-over leaves alone."""
import pytest

from cluster import Coordinators, EtcdCluster
from processes import wait_until
from sets import schemas_of, steps, write_set

NAMES = [f"t_{i:02}" for i in range(12)]


@pytest.fixture
def three(fleet):
    etcd = EtcdCluster(fleet.folder, count=1).start()
    fleet.etcd_cluster = etcd
    group = Coordinators(fleet, etcd)
    yield group
    group.close()
    fleet.close()
    etcd.close()


def test_one_leads_and_two_stand_by(three):
    leader = three.leader()
    assert leader.is_serving() and leader.refusal() is None
    for standby in three.standbys():
        assert not standby.is_serving()
        status, reason = standby.readiness()
        assert status == 503 and leader.address in reason
        code, text, named = standby.refusal()
        assert str(code) == "StatusCode.UNAVAILABLE" and leader.address in text and named == leader.address
