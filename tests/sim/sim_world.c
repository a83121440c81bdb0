#include "tests/sim/sim_world.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"

/* splitmix64 */
static uint64_t sim_draw(struct sim *sim)
{
    uint64_t z = sim->random += 0x9e3779b97f4a7c15U;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

uint64_t sim_below(struct sim *sim, uint64_t bound)
{
    assert(bound > 0);
    return sim_draw(sim) % bound;
}

uint64_t sim_between(struct sim *sim, uint64_t low, uint64_t high)
{
    return low + sim_below(sim, high - low + 1);
}

bool sim_chance(struct sim *sim, unsigned permille)
{
    return sim_below(sim, 1000) < permille;
}

void sim_note(struct sim *sim, const char *format, ...)
{
    char *note = sim->notes[sim->note_count++ % SIM_NOTES_MAX];
    va_list arguments;
    int used = snprintf(note, SIM_NOTE_BYTES, "%8.3f ", (double)sim->now_ms / 1000.0);

    va_start(arguments, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is */
    vsnprintf(note + used, SIM_NOTE_BYTES - (size_t)used, format, arguments);
    va_end(arguments);
    /* FNV-1a */
    for (const char *at = note; *at != '\0'; at++) {
        sim->trace = (sim->trace ^ (unsigned char)*at) * 0x100000001b3U;
    }
    if (sim->verbose) {
        puts(note);
    }
}

void sim_fail(struct sim *sim, const char *format, ...)
{
    va_list arguments;

    if (sim->failed) {
        return;
    }
    sim->failed = true;
    size_t first = sim->note_count > SIM_NOTES_MAX ? sim->note_count - SIM_NOTES_MAX : 0;
    for (size_t i = first; i < sim->note_count && !sim->verbose; i++) {
        fprintf(stderr, "%s\n", sim->notes[i % SIM_NOTES_MAX]);
    }
    fprintf(stderr, "seed %llu fails at %.3f s: ", (unsigned long long)sim->seed,
            (double)sim->now_ms / 1000.0);
    va_start(arguments, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is */
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputs("\n", stderr);
}

/* ---- time: a heap of what is to happen ---- */

static bool sim_is_before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

void sim_after(struct sim *sim, uint64_t delay_ms,
               void (*run)(struct sim *sim, void *object, uint64_t a, uint64_t b), void *object,
               uint64_t a, uint64_t b)
{
    sim->heap =
        memory_reserve(sim->heap, sim->heap_count, &sim->heap_capacity, sizeof(struct sim_event));
    const struct sim_event event = { .at_ms = sim->now_ms + delay_ms,
                                     .order = ++sim->order,
                                     .run = run,
                                     .object = object,
                                     .a = a,
                                     .b = b };
    size_t at = sim->heap_count++;
    while (at > 0 && sim_is_before(&event, &sim->heap[(at - 1) / 2])) {
        sim->heap[at] = sim->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    sim->heap[at] = event;
}

static struct sim_event sim_next(struct sim *sim)
{
    struct sim_event top = sim->heap[0];
    struct sim_event last = sim->heap[--sim->heap_count];
    size_t at = 0;

    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= sim->heap_count) {
            break;
        }
        if (child + 1 < sim->heap_count &&
            sim_is_before(&sim->heap[child + 1], &sim->heap[child])) {
            child++;
        }
        if (!sim_is_before(&sim->heap[child], &last)) {
            break;
        }
        sim->heap[at] = sim->heap[child];
        at = child;
    }
    sim->heap[at] = last;
    return top;
}

bool sim_run_until(struct sim *sim, uint64_t until_ms)
{
    while (!sim->failed && sim->heap_count > 0 && sim->heap[0].at_ms <= until_ms) {
        struct sim_event event = sim_next(sim);
        assert(event.at_ms >= sim->now_ms);
        sim->now_ms = event.at_ms;
        sim->trace = (sim->trace ^ event.at_ms ^ event.order << 32) * 0x100000001b3U;
        event.run(sim, event.object, event.a, event.b);
    }
    if (sim->now_ms < until_ms) {
        sim->now_ms = until_ms;
    }
    return !sim->failed;
}

/* ---- the world ---- */

static void sim_init_shard(struct sim *sim, struct sim_shard *shard, unsigned index)
{
    unsigned tenants = (unsigned)sim_between(sim, 1, SIM_TENANTS_MAX - 5);

    snprintf(shard->name, sizeof(shard->name), "s%u", index);
    for (unsigned i = 0; i < SIM_TENANTS_MAX; i++) {
        snprintf(shard->tenants[i].name, sizeof(shard->tenants[i].name), "t%02u", i);
        if (i < tenants) {
            sim_database_create(sim, shard, i, (unsigned)sim_below(sim, 3));
            if (shard->tenants[i].version == 1 && sim_chance(sim, 300)) {
                sim_database_forget_version(&shard->tenants[i]);
            }
            shard->tenants[i].broken = sim_chance(sim, 15);
        }
    }
    shard->agent_count = sim_chance(sim, 500) ? 2 : 1;
    for (unsigned i = 0; i < shard->agent_count; i++) {
        shard->agents[i].shard = shard;
        shard->agents[i].index = i;
        sim_agent_start(sim, &shard->agents[i]);
    }
}

void sim_init(struct sim *sim, uint64_t seed, bool verbose)
{
    sim->seed = seed;
    sim->random = seed * 0x2545f4914f6cdd1dU + 1;
    sim->verbose = verbose;
    sim->now_ms = 1000;
    sim->streams = memory_alloc_array(SIM_STREAMS_MAX, sizeof(struct sim_stream));
    sim->fault_ms_max = (uint64_t[]){ 1500, 4000, 12000 }[sim_below(sim, 3)];
    sim->script_ms_max = (uint64_t[]){ 50, 400, 3000 }[sim_below(sim, 3)];
    sim->answer_loss = (unsigned[]){ 0, 5, 40 }[sim_below(sim, 3)];
    sim->clocks_jump = sim_chance(sim, 250);
    sim->set_kind = (struct sim_set_kind){ .reference = seed % 3 == 0,
                                           .repeatable = seed % 2 == 0,
                                           .hooks = seed % 4 == 1 };
    for (unsigned i = 1; i <= SIM_SET_EDITIONS; i++) {
        struct set *set = sim_set_new_of(i, sim->set_kind);
        memcpy(sim->digests[i], set->digest, sizeof(sim->digests[i]));
        sim->repeatables[i] = set->repeatables_digest;
        set_release(set);
        free(set);
    }
    sim->shard_count = (unsigned)sim_between(sim, 1, SIM_SHARDS_MAX);
    for (unsigned i = 0; i < sim->shard_count; i++) {
        sim_init_shard(sim, &sim->shards[i], i);
    }
    for (unsigned i = 0; i < SIM_COORDINATORS; i++) {
        sim->coordinators[i].index = i;
        sim_coordinator_start(sim, &sim->coordinators[i]);
    }
}

void sim_release(struct sim *sim)
{
    for (unsigned i = 0; i < sim->shard_count; i++) {
        for (unsigned j = 0; j < sim->shards[i].agent_count; j++) {
            sim_worker_drop_all(sim, &sim->shards[i].agents[j]);
        }
        for (unsigned j = 0; j < SIM_TENANTS_MAX; j++) {
            free(sim->shards[i].tenants[j].holder);
        }
    }
    for (unsigned i = 0; i < SIM_COORDINATORS; i++) {
        sim_coordinator_crash(sim, &sim->coordinators[i]);
    }
    /* What is still on its way owns memory: let it arrive at ends that are closed. */
    for (size_t i = 0; i < sim->stream_count; i++) {
        sim->streams[i].agent->alive = false;
        sim->streams[i].leader_end = false;
    }
    for (size_t i = 0; i < sim->heap_count; i++) {
        if (sim->heap[i].object != NULL && sim->heap[i].b == UINT64_MAX) {
            sim->heap[i].run(sim, sim->heap[i].object, sim->heap[i].a, UINT64_MAX);
        }
    }
    sim_client_drop_requests(sim);
    sim_etcd_release(&sim->etcd);
    arena_release(&sim->arena);
    free(sim->streams);
    free(sim->heap);
    free(sim->commits);
}
