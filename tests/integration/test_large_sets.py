"""The largest set that skein takes: 10,000 scripts in 64 MiB, published, planned and rolled out.

Budget: 60 s.
"""
import os
import time

from sets import schemas_of

SCRIPTS = 10000
SET_BYTES = 64 << 20
SCRIPT_BYTES = (SET_BYTES - 4096) // SCRIPTS
NAMES = ["t_1", "t_2"]
RESIDENT_MAX_KB = 1 << 20  # of each program: sets are kept a few times, not dozens of times


def write_large_set(folder):
    os.makedirs(folder)
    with open(os.path.join(folder, "skein.yaml"), "w", encoding="utf-8") as file:
        file.write("name: large\n")
    line = "-- what this step is for, in many words, as generated scripts have them\n"
    for i in range(SCRIPTS):
        # Not an UPDATE of one row: each would step over what all before it, in its transaction, left behind.
        body = "CREATE TABLE run (n int PRIMARY KEY);\n" * (i == 0) + f"INSERT INTO run VALUES ({i});\n"
        fill = SCRIPT_BYTES - len(body)
        text = line * (fill // len(line)) + "-" * (fill % len(line) - 1) + "\n" + body
        with open(os.path.join(folder, f"0.{i // 100}.{i % 100}__step_{i}.sql"), "w",
                  encoding="utf-8") as file:
            file.write(text)
    return folder


def resident_peak_kb(program):
    with open(f"/proc/{program.process.pid}/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))


def count_runs(tenant):
    return tenant.sql("SELECT count(*) FROM run")[0][0]


class Clock:
    def __init__(self):
        self.last = time.monotonic()

    def note(self, what):
        now = time.monotonic()
        print(f"{what}: {now - self.last:.1f} s")
        self.last = now


def take_off(fleet, store):
    server = fleet.start_pg("eu")
    fleet.create_schemas(server, NAMES)
    fleet.start_coordinator(store=store)
    fleet.start_agent("eu-1", server)
    fleet.wait_tenants(len(NAMES))
    return write_large_set(fleet.path("large")), schemas_of(server, NAMES), Clock()


def publish_and_roll_out(fleet, folder, tenants, clock):
    first = fleet.skein("set", "publish", folder, json=True, check=0).json
    clock.note("publish")
    assert first["changed"] is True and int(first["migrations"]) == SCRIPTS
    plan = fleet.skein("plan", "large", json=True, check=0).json
    clock.note("plan")
    assert [len(tenant["scripts"]) for tenant in plan["tenants"]] == [SCRIPTS] * len(NAMES)
    fleet.roll_out("large")
    clock.note("rollout")
    for tenant in tenants:
        assert count_runs(tenant) == SCRIPTS and tenant.version("large") == "0.99.99"
        assert len(tenant.history()) == SCRIPTS
    return first


def restart_the_coordinator(fleet, clock, last):
    """It reads the whole set from its store."""
    fleet.coordinator.kill()
    fleet.coordinator.start().wait_ready()
    clock.note("restart of the coordinator")
    shown = fleet.skein("set", "show", "large", json=True, check=0).json
    assert shown["migrations"][-1]["version"] == last
    for program in (fleet.coordinator, fleet.agents["eu-1"]):
        peak = resident_peak_kb(program)
        print(f"{program.process.name}: {peak >> 10} MiB")
        assert peak < RESIDENT_MAX_KB, program.process.name


def test_the_largest_set_in_a_file(fleet):
    folder, tenants, clock = take_off(fleet, "sqlite")
    first = publish_and_roll_out(fleet, folder, tenants, clock)
    again = fleet.skein("set", "publish", folder, json=True, check=0).json
    clock.note("publish again")
    assert again["changed"] is False and again["digest"] == first["digest"]
    # One more script is a whole edition more, for the store and for the agents; not for the tenants.
    with open(os.path.join(folder, "1.0.0__last.sql"), "w", encoding="utf-8") as file:
        file.write(f"INSERT INTO run VALUES ({SCRIPTS});\n")
    fleet.publish(folder)
    clock.note("publish one more script")
    fleet.roll_out("large")
    clock.note("rollout of one script")
    assert [count_runs(tenant) for tenant in tenants] == [SCRIPTS + 1] * len(NAMES)
    restart_the_coordinator(fleet, clock, "1.0.0")


def test_the_largest_set_in_etcd(fleet):
    folder, tenants, clock = take_off(fleet, "etcd")
    publish_and_roll_out(fleet, folder, tenants, clock)
    restart_the_coordinator(fleet, clock, "0.99.99")
