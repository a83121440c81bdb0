/* sim - runs the coordinator's decisions over simulated fleets, one per seed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"
#include "tests/sim/sim_world.h"

static bool sim_main_run(uint64_t seed, bool verbose, uint64_t totals[8])
{
    struct sim *sim = memory_alloc(sizeof(*sim));

    sim_init(sim, seed, verbose);
    sim_faults_begin(sim);
    if (sim_run_until(sim, SIM_FAULTS_MS)) {
        sim_faults_heal(sim);
        sim_check_liveness(sim);
    }
    bool failed = sim->failed;
    for (size_t i = 0; i < COUNT_OF(sim->statistics); i++) {
        totals[i] += sim->statistics[i];
    }
    sim_release(sim);
    free(sim);
    return !failed;
}

static int sim_main_usage(void)
{
    fputs("usage: sim --seed N | --seeds FIRST-LAST\n"
          "--seed shows everything that happens, --seeds only what fails.\n",
          stderr);
    return 2;
}

int main(int argc, char *argv[])
{
    uint64_t totals[8] = { 0 };
    unsigned long long first;
    unsigned long long last;
    char *end = NULL;

    if (argc != 3 || (strcmp(argv[1], "--seed") != 0 && strcmp(argv[1], "--seeds") != 0)) {
        return sim_main_usage();
    }
    bool one = strcmp(argv[1], "--seed") == 0;
    first = strtoull(argv[2], &end, 10);
    last = first;
    if (!one && *end == '-') {
        last = strtoull(end + 1, &end, 10);
    }
    if (end == argv[2] || *end != '\0' || last < first) {
        return sim_main_usage();
    }
    for (uint64_t seed = first; seed <= last; seed++) {
        if (!sim_main_run(seed, one, totals)) {
            fprintf(stderr, "again, with everything that happens: sim --seed %llu\n",
                    (unsigned long long)seed);
            return 1;
        }
    }
    printf("%llu seeds: %llu rollouts, %llu commits, %llu crashes, %llu lost answers to COMMIT, "
           "%llu refused by a fence\n",
           last - first + 1, (unsigned long long)totals[SIM_COUNT_ROLLOUTS],
           (unsigned long long)totals[SIM_COUNT_COMMITS],
           (unsigned long long)totals[SIM_COUNT_CRASHES],
           (unsigned long long)totals[SIM_COUNT_LOST],
           (unsigned long long)totals[SIM_COUNT_FENCED]);
    return 0;
}
