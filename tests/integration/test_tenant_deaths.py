"""Who dies, stands still or is stopped while a tenant is made, removed or dropped in more than one
transaction: whole or not at all (4 min, most of it waiting for leases)."""
import pytest

from fleet import continue_process
from homes import FAILS, MADE, PG_DUMP, Home
from processes import wait_until


@pytest.fixture
def home(fleet, request):
    return Home(fleet, request.param == "database")


@pytest.fixture
def databases(fleet):
    return Home(fleet, True)


@pytest.mark.parametrize("home,point", [
    ("schema", "after_step"), ("schema", "make_before_end"), ("database", "make_after_database"),
    ("database", "make_before_end"), ("database", "make_after_end")], indirect=["home"])
def test_the_agent_dies_while_it_makes_a_tenant(home, point):
    home.die_at(point)
    said = home.begin("create", "t_2")
    wait_until(lambda: not home.agent.process.is_running(), "the agent to die", timeout=120)
    if point != "make_after_end":
        assert home.listed() == ["t_ref"]  # nobody takes half of it for a tenant
    home.come_back()
    assert said.result().code == 0, said.result()
    home.assert_whole("t_2", *MADE)


@pytest.mark.parametrize("home,point", [("schema", "make_before_copied"), ("database", "make_copied")],
                         indirect=["home"])
def test_the_agent_dies_while_it_copies(home, point):
    home.die_at(point)
    said = home.begin("create", "t_2", "--from", "reference")
    home.come_back()
    assert said.result().code == 0, said.result()
    home.assert_whole("t_2", *MADE)


@pytest.mark.parametrize("home,point", [("schema", "make_before_remove"), ("database", "make_before_raze")],
                         indirect=["home"])
def test_the_agent_dies_while_it_removes_what_failed(home, point):
    home.publish("0.4.0", "0.5.0", extra={"0.5.0": FAILS})
    home.die_at(point)
    said = home.begin("create", "t_2")
    home.come_back()
    assert said.result().code == 4, said.result()
    assert "division by zero" in said.result().err
    home.assert_nothing()


@pytest.mark.parametrize("point", ["drop_before_database", "drop_after_database"])
def test_the_agent_dies_while_it_drops_a_database(databases, point):
    databases.create("t_2", check=0)
    databases.die_at(point)
    said = databases.begin("drop", "t_2")
    databases.come_back()
    assert said.result().code == 0, said.result()
    databases.assert_nothing()


def slow(version):
    return {version: "SELECT pg_sleep(60);"}


def newest(home):
    return home.fleet.skein("rollout", "list", json=True, check=0).json[0]["id"]


def begin_slow(home):
    home.publish("0.4.0", "0.5.0", extra=slow("0.5.0"))
    said = home.begin("create", "t_2")
    sleeps = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(60)%%'"
    wait_until(lambda: home.server.sql(sleeps)[0][0] > 0, "the script to run", timeout=60)
    return said


@pytest.mark.parametrize("home", ["schema", "database"], indirect=True)
def test_an_aborted_create_leaves_nothing(home):
    said = begin_slow(home)
    home.fleet.skein("rollout", "abort", newest(home), "--yes", check=0)
    home.fleet.wait_phase(newest(home), "ABORTED", timeout=60)
    assert said.result().code != 0
    wait_until(lambda: home.names() == ["t_ref"], "all of it to go")
    home.assert_nothing()


@pytest.mark.parametrize("home", ["schema", "database"], indirect=True)
def test_an_aborted_create_of_a_dead_agent_is_removed_by_the_next(home):
    said = begin_slow(home)
    home.agent.kill()
    home.fleet.skein("rollout", "abort", newest(home), "--yes", check=0)
    assert home.names() == ["t_2", "t_ref"] and home.listed() == ["t_ref"]
    home.agent.start()
    home.fleet.wait_phase(newest(home), "ABORTED", timeout=120)
    assert said.result().code != 0
    home.assert_nothing()
    home.publish("0.4.0", "0.5.0", "0.6.0", extra=slow("0.5.0"))
    home.create("t_2", "--to", "0.4.0", check=0)
    home.assert_whole("t_2", *MADE)


def is_stopped(program):
    with open(f"/proc/{program.process.pid}/stat", encoding="ascii") as file:
        return file.read().rsplit(")", 1)[1].split()[0] == "T"


def stall_at(home, point, verb):
    """An agent that stands still in the middle of it; a second one that has done it instead."""
    home.agent.kill()
    home.agent.start(SKEIN_PAUSE_AT=point)
    home.agent.wait_ready()
    said = home.begin(verb, "t_2")
    wait_until(lambda: is_stopped(home.agent), "the agent to stand still", timeout=60)
    second = home.fleet.start_agent("eu-1", home.server, key="second", wait=False,
                                    mode="database" if home.databases else "schema",
                                    flags=["--refresh-ms", "1000", "--pg-dump", PG_DUMP])
    assert said.result().code == 0, said.result()
    return second


def wake_up(home):
    log = home.agent.process.log
    continue_process(home.agent.process)
    wait_until(lambda: "stream_closed" in log() or "standing_by" in log(), "the agent to notice",
               timeout=60)
    ours = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    wait_until(lambda: home.server.sql(ours) == [(0,)], "its sessions to end", timeout=60)


@pytest.mark.parametrize("point", ["make_before_database", "make_before_end"])
def test_an_agent_that_comes_too_late_makes_nothing(databases, point):
    second = stall_at(databases, point, "create")
    databases.assert_whole("t_2", *MADE)
    wake_up(databases)
    second.process.assert_running()
    databases.assert_whole("t_2", *MADE)


def test_an_agent_that_comes_too_late_drops_nothing(databases):
    databases.create("t_2", check=0)
    stall_at(databases, "drop_before_database", "drop")
    databases.assert_nothing()
    databases.create("t_2", check=0)  # another one of that name
    wake_up(databases)
    databases.assert_whole("t_2", *MADE)
