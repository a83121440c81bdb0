/* scale_fleet: what a rollout over a very large fleet costs the coordinator.
 *
 *   scale_fleet AGENTS TENANTS           one row of the table in tests/bench/README.md
 *   scale_fleet --check AGENTS TENANTS   silent, and fails when a count is larger than it must be
 *
 * The counts are the same in every run; times and memory are this machine's. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/core/memory.h"
#include "coordinator/decide/event.h"
#include "tests/bench/scale_world.h"
#include "tests/sim/sim_set.h"

enum {
    SCALE_EDITION = 3,
    SCALE_SETTLE_MS = 60000,    /* until all agents have reported */
    SCALE_PATIENCE_MS = 900000, /* a rollout that takes longer is stuck */
    SCALE_LOOK_MS = 100,
};

static uint64_t scale_peak_kib(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)usage.ru_maxrss;
}

static uint64_t scale_resident_kib(void)
{
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");

    if (statm == NULL || fscanf(statm, "%*u %lu", &pages) != 1) {
        pages = 0;
    }
    if (statm != NULL) {
        fclose(statm);
    }
    return pages * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
}

static bool scale_ask(struct scale_world *world, struct operator_request request)
{
    struct event *event = event_new(EVENT_OPERATOR);

    request.call = 1;
    request.actor = "ana";
    request.reason = "";
    request.object = "";
    request.lock_owner = "";
    event->operator= request;
    world->reply = ERR_INTERNAL;
    scale_world_event(world, event);
    for (int i = 0; i < 1000 && world->reply == ERR_INTERNAL; i++) {
        scale_world_run(world, world->now_ms + 10);
    }
    return world->reply == ERR_NONE;
}

/* Every agent is there and has reported, and there is a set. */
static bool scale_connect(struct scale_world *world)
{
    const struct operator_request publish = { .verb = OPERATOR_PUBLISH,
                                              .set = sim_set_new(SCALE_EDITION),
                                              .archive = bytes_of_text("archive") };

    scale_agents_start(world);
    scale_world_run(world, world->now_ms + SCALE_SETTLE_MS);
    return scale_ask(world, publish);
}

static bool scale_start(struct scale_world *world)
{
    const struct operator_request start = { .verb = OPERATOR_START,
                                            .spec = { .id = "nwbjxz42",
                                                      .set = "billing",
                                                      .digest = "",
                                                      .target = "",
                                                      .selector = "",
                                                      .created_by = "",
                                                      .reason = "",
                                                      .baseline_unmanaged = "",
                                                      .tenant = "",
                                                      .from_ledger = "" } };

    return scale_ask(world, start);
}

static void scale_look(struct scale_world *world, struct rollout_view *ret_view)
{
    struct fleet_numbers numbers;
    uint64_t in_flight = 0;

    fleet_numbers(world->fleet, &numbers);
    for (size_t i = 0; i < TASK_MODE_COUNT; i++) {
        in_flight += numbers.tasks_in_flight[i];
    }
    if (in_flight > world->counts.in_flight_max) {
        world->counts.in_flight_max = in_flight;
    }
    fleet_rollout_at(world->fleet, 0, world->now_ms, ret_view);
}

/* True when it has succeeded on every tenant, and each was dry-run once and run once. */
static bool scale_finish(struct scale_world *world)
{
    uint64_t until_ms = world->now_ms + SCALE_PATIENCE_MS;
    struct rollout_view view;

    do {
        scale_world_run(world, world->now_ms + SCALE_LOOK_MS);
        scale_look(world, &view);
    } while (!rollout_phase_is_final(view.state.phase) && world->now_ms < until_ms);
    if (view.state.phase != ROLLOUT_SUCCEEDED ||
        view.state.counts.migrated != world->tenant_count) {
        fprintf(stderr, "scale_fleet: %s (%s), %" PRIu64 " of %zu tenants are migrated\n",
                rollout_phase_name(view.state.phase), view.waiting_for, view.state.counts.migrated,
                world->tenant_count);
        return false;
    }
    for (size_t i = 0; i < world->tenant_count; i++) {
        const struct scale_tenant *tenant = &world->tenants[i];
        if (tenant->dry_runs != 1 || tenant->runs != 1) {
            fprintf(stderr, "scale_fleet: tenant %zu: %u dry runs, %u runs\n", i, tenant->dry_runs,
                    tenant->runs);
            return false;
        }
    }
    return true;
}

static uint64_t scale_sum(const uint64_t *counts, size_t count)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < count; i++) {
        sum += counts[i];
    }
    return sum;
}

static void scale_print(const struct scale_world *world, const struct scale_counts *before,
                        uint64_t idle_kib)
{
    const struct scale_counts *now = &world->counts;
    uint64_t decide_us = now->decide_us - before->decide_us;
    double tenants = (double)world->tenant_count;

    printf("| %zu | %zu | %" PRIu64 " | %.2f | %" PRIu64 " | %" PRIu64 " | %" PRIu64 " | %" PRIu64
           " | %.2f | %.2f | %.1f | %.2f | %" PRIu64 " | %" PRIu64 " | %" PRIu64 " | %.0f |\n",
           world->agent_count, world->tenant_count, now->transactions - before->transactions,
           (double)(now->operations - before->operations) / tenants,
           scale_sum(now->sent, COORDINATOR_MESSAGE_COUNT) -
               scale_sum(before->sent, COORDINATOR_MESSAGE_COUNT),
           scale_sum(now->received, AGENT_MESSAGE_COUNT) -
               scale_sum(before->received, AGENT_MESSAGE_COUNT),
           now->lease_calls - before->lease_calls, now->backlog_max,
           (double)before->decide_us / 1e6, (double)decide_us / 1e6, (double)decide_us / tenants,
           (double)(now->write_us - before->write_us) / 1e6, now->step_us_max / 1000,
           idle_kib / 1024, scale_peak_kib() / 1024, (double)(now->now_ms - before->now_ms) / 1000);
}

/* ---- what must hold whatever the machine ---- */

static bool scale_expect(const char *what, uint64_t count, uint64_t bound)
{
    if (count > bound) {
        fprintf(stderr, "scale_fleet: %s: %" PRIu64 ", which is more than %" PRIu64 "\n", what,
                count, bound);
        return false;
    }
    return true;
}

static bool scale_check(const struct scale_world *world, const struct scale_counts *before)
{
    const struct scale_counts *now = &world->counts;
    uint64_t tenants = world->tenant_count;
    uint64_t agents = world->agent_count;
    uint64_t seconds = (now->now_ms - before->now_ms) / 1000 + 1;
    uint64_t operations = now->operations - before->operations;
    uint64_t sent = scale_sum(now->sent, COORDINATOR_MESSAGE_COUNT) -
                    scale_sum(before->sent, COORDINATOR_MESSAGE_COUNT);
    uint64_t beats = agents * (seconds * 1000 / HEARTBEAT_INTERVAL_MS + 1);

    /* A lock is taken and given back for the dry run and for the run; progress comes on top. */
    bool fits = scale_expect("operations", operations, tenants * 5 + agents * 10 + 100);
    fits = scale_expect("transactions", now->transactions - before->transactions,
                        operations / 40 + seconds * 1000 / FLUSH_INTERVAL_MS + 100) &&
           fits;
    fits = scale_expect("messages", sent, tenants / 4 + agents * 10 + beats) && fits;
    fits = scale_expect("tasks in flight", now->in_flight_max, TASKS_IN_FLIGHT_MAX) && fits;
    fits = scale_expect("backlog", now->backlog_max, FLUSH_BACKLOG_MAX * 3 / 4) && fits;
    return fits;
}

int main(int argc, char **argv)
{
    bool check = argc == 4 && strcmp(argv[1], "--check") == 0;
    size_t agent_count = argc >= 3 ? strtoul(argv[argc - 2], NULL, 10) : 0;
    size_t tenant_count = argc >= 3 ? strtoul(argv[argc - 1], NULL, 10) : 0;
    struct scale_world world;

    if (argc != (check ? 4 : 3) || agent_count == 0 || agent_count > SHARDS_MAX ||
        tenant_count < agent_count || tenant_count > (size_t)agent_count * TENANTS_PER_SHARD_MAX) {
        fprintf(stderr, "usage: scale_fleet [--check] AGENTS TENANTS\n");
        return 2;
    }
    scale_world_init(&world, agent_count, tenant_count);
    bool right = scale_connect(&world);
    const struct scale_counts before = world.counts;
    uint64_t idle_kib = scale_resident_kib();
    world.counts.step_us_max = 0;
    right = right && scale_start(&world) && scale_finish(&world);
    if (right && check) {
        right = scale_check(&world, &before);
    } else if (right) {
        scale_print(&world, &before, idle_kib);
    }
    scale_world_release(&world);
    return right ? 0 : 1;
}
