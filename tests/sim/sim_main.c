/* sim - runs the coordinator's decisions over simulated fleets, one per seed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"
#include "tests/sim/sim_world.h"

enum sim_main_say { SIM_SAY_FAILURES, SIM_SAY_ALL, SIM_SAY_TRACES };

static bool sim_main_run(uint64_t seed, enum sim_main_say say, uint64_t totals[SIM_COUNTS])
{
    struct sim *sim = memory_alloc(sizeof(*sim));

    sim_init(sim, seed, say == SIM_SAY_ALL);
    sim_operator_begin(sim);
    sim_faults_begin(sim);
    sim_check_begin(sim);
    if (sim_run_until(sim, SIM_FAULTS_MS)) {
        sim_faults_heal(sim);
        sim_check_liveness(sim);
    }
    bool failed = sim->failed;
    for (size_t i = 0; i < COUNT_OF(sim->statistics); i++) {
        totals[i] += sim->statistics[i];
    }
    if (say != SIM_SAY_FAILURES) {
        printf("seed %llu trace %016llx\n", (unsigned long long)seed,
               (unsigned long long)sim->trace);
    }
    sim->verbose = false;
    sim_release(sim);
    free(sim);
    return !failed;
}

static int sim_main_usage(void)
{
    fputs("usage: sim --seed N | --seeds FIRST-LAST | --traces FIRST-LAST\n"
          "--seed shows everything that happens, --seeds only what fails, --traces a hash of each "
          "run.\n",
          stderr);
    return 2;
}

int main(int argc, char *argv[])
{
    static const char *const options[] = {
        [SIM_SAY_FAILURES] = "--seeds", [SIM_SAY_ALL] = "--seed", [SIM_SAY_TRACES] = "--traces"
    };
    uint64_t totals[SIM_COUNTS] = { 0 };
    unsigned say = 0;
    char *end = NULL;

    while (argc == 3 && say < COUNT_OF(options) && strcmp(argv[1], options[say]) != 0) {
        say++;
    }
    if (argc != 3 || say == COUNT_OF(options)) {
        return sim_main_usage();
    }
    unsigned long long first = strtoull(argv[2], &end, 10);
    unsigned long long last = first;
    if (say != SIM_SAY_ALL && *end == '-') {
        last = strtoull(end + 1, &end, 10);
    }
    if (end == argv[2] || *end != '\0' || last < first) {
        return sim_main_usage();
    }
    for (uint64_t seed = first; seed <= last; seed++) {
        if (!sim_main_run(seed, (enum sim_main_say)say, totals)) {
            fprintf(stderr, "again, with everything that happens: tests/sim/run --seed %llu\n",
                    (unsigned long long)seed);
            return 1;
        }
    }
    if (say == SIM_SAY_TRACES) {
        return 0;
    }
    printf(
        "%llu seeds: %llu leaders, %llu rollouts, %llu commits, %llu crashes, %llu store writes, "
        "%llu without an answer, %llu lost answers to COMMIT, %llu refused by a fence, "
        "%llu sessions adopted at work, %llu tenants rolled back, %llu half way\n",
        last - first + 1, (unsigned long long)totals[SIM_COUNT_LEADERS],
        (unsigned long long)totals[SIM_COUNT_ROLLOUTS],
        (unsigned long long)totals[SIM_COUNT_COMMITS],
        (unsigned long long)totals[SIM_COUNT_CRASHES], (unsigned long long)totals[SIM_COUNT_WRITES],
        (unsigned long long)totals[SIM_COUNT_UNANSWERED],
        (unsigned long long)totals[SIM_COUNT_LOST], (unsigned long long)totals[SIM_COUNT_FENCED],
        (unsigned long long)totals[SIM_COUNT_ADOPTED], (unsigned long long)totals[SIM_COUNT_UNDONE],
        (unsigned long long)totals[SIM_COUNT_PARTS]);
    return 0;
}
