"""A shard on which tenants are made and dropped, of either kind; for the tests of that."""
import concurrent.futures
import glob

from processes import wait_until
from sets import databases_of, schemas_of, steps, write_set

POOL = concurrent.futures.ThreadPoolExecutor(4)
PG_DUMP = sorted(glob.glob("/usr/lib/postgresql/*/bin/pg_dump"))[-1]
INDEX = """-- skein:transaction none
CREATE INDEX CONCURRENTLY account_email ON account (email);
"""
FAILS = "SELECT 1 / 0;"
MADE = ("0.1.0", "0.2.0", "0.3.0", "0.4.0")


def scripts(*versions, extra=None):
    """A walk: 0.1.0, 0.2.0, an index outside any transaction, and `versions` behind it."""
    return {**steps("0.2.0", *versions, extra=extra), "0.3.0__index.sql": INDEX}


class Home:
    """One shard of one kind, with the reference tenant t_ref at 0.4.0."""

    def __init__(self, fleet, databases):
        self.fleet, self.databases = fleet, databases
        self.server = fleet.start_pg("eu")
        self.make_by_hand("t_ref")
        fleet.start_coordinator()
        self.agent = fleet.start_agent(
            "eu-1", self.server, mode="database" if databases else "schema",
            flags=["--refresh-ms", "1000", "--pg-dump", PG_DUMP])
        fleet.wait_tenants(1)
        self.publish("0.4.0")
        fleet.roll_out("billing")

    def make_by_hand(self, name):
        make = self.fleet.create_databases if self.databases else self.fleet.create_schemas
        make(self.server, [name])

    def publish(self, *versions, extra=None):
        folder = self.fleet.path("billing")
        self.fleet.publish(write_set(folder, scripts(*versions, extra=extra), reference="eu-1/t_ref"))

    def tenant(self, name):
        return (databases_of if self.databases else schemas_of)(self.server, [name])[0]

    def create(self, tenant, *args, **options):
        return self.fleet.skein("tenant", "create", f"eu-1/{tenant}", "--set", "billing", *args,
                                timeout=180, **options)

    def drop(self, tenant, *args, **options):
        return self.fleet.skein("tenant", "drop", f"eu-1/{tenant}", "--yes", "--reason", "over", *args,
                                timeout=180, **options)

    def begin(self, verb, *args):
        """The command in the background, for as long as it takes."""
        return POOL.submit(getattr(self, verb), *args)

    def names(self):
        """What the server has, half made or not."""
        rows = self.server.sql(
            "SELECT datname FROM pg_database WHERE datname LIKE 't\\_%' ORDER BY 1" if self.databases
            else "SELECT nspname FROM pg_namespace WHERE nspname LIKE 't\\_%' ORDER BY 1")
        return [row[0] for row in rows]

    def listed(self):
        found = self.fleet.skein("tenant", "list", json=True, check=0).json
        return [t["tenant"].split("/")[1] for t in found]

    def die_at(self, point):
        self.agent.kill()
        self.agent.start(SKEIN_CRASH_AT=point)
        self.agent.wait_ready()

    def come_back(self):
        wait_until(lambda: not self.agent.process.is_running(), "the agent to die", timeout=120)
        self.agent.start(SKEIN_CRASH_AT="")

    def assert_whole(self, name, *versions):
        tenant = self.tenant(name)
        done = [row[0] for row in tenant.history() if row[2] == "up" and row[3] == "done"]
        assert done[-len(versions):] == list(versions), done  # of earlier ones some may stay
        assert self.databases or "started" not in {row[3] for row in tenant.history()}
        assert tenant.version() == versions[-1]
        assert tenant.sql("SELECT count(*) FROM pg_indexes WHERE indexname = 'account_email'"
                          " AND schemaname = current_schema()") == [(1,)]
        assert self.listed() == sorted({"t_ref", name}) and self.names() == self.listed()
        wait_until(lambda: self.fleet.skein("lock", "list", json=True).json == [], "the locks to go")

    def assert_nothing(self):
        assert self.names() == ["t_ref"] and self.listed() == ["t_ref"]
