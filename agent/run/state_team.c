#include "agent/run/state_team.h"

#include <errno.h>
#include <time.h>

#include "common/core/memory.h"

/* One who has a thread of its own for a page. */
struct state_teammate {
    struct state_team *team;
    struct state_folder *folder;
    pthread_t thread;
    bool runs;
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    bool has_ended;
};

static void *state_team_work(void *context)
{
    struct state_teammate *mate = context;

    state_folder_run(mate->folder);
    if (mate->folder->problem != STATE_FOLDER_WELL) {
        atomic_store(&mate->team->stop, true);
    }
    pthread_mutex_lock(&mate->mutex);
    mate->has_ended = true;
    pthread_cond_signal(&mate->ended);
    pthread_mutex_unlock(&mate->mutex);
    return NULL;
}

static void state_team_start(struct state_team *team, struct state_folder *folder,
                             struct state_teammate *mate)
{
    pthread_condattr_t attributes;

    mate->team = team;
    mate->folder = folder;
    pthread_mutex_init(&mate->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&mate->ended, &attributes);
    pthread_condattr_destroy(&attributes);
    mate->runs = pthread_create(&mate->thread, NULL, state_team_work, mate) == 0;
}

/* Waits until it has ended, at most RUNNER_CANCEL_POLL_MS. */
static bool state_team_wait(struct state_teammate *mate)
{
    static const long second_ns = 1000L * 1000 * 1000;
    struct timespec until;
    int number = 0;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)RUNNER_CANCEL_POLL_MS * 1000 * 1000;
    until.tv_sec += until.tv_nsec / second_ns;
    until.tv_nsec %= second_ns;
    pthread_mutex_lock(&mate->mutex);
    while (!mate->has_ended && number == 0) {
        number = pthread_cond_timedwait(&mate->ended, &mate->mutex, &until);
    }
    bool ended = mate->has_ended;
    pthread_mutex_unlock(&mate->mutex);
    return ended;
}

static void state_team_join(struct state_team *team, struct state_teammate *mate)
{
    while (mate->runs && !state_team_wait(mate)) {
        if (team->call->is_cancelled(team->call->context)) {
            atomic_store(&team->stop, true);
        }
        if (atomic_load(&team->stop)) { /* again and again: it may fall between two statements */
            state_folder_cancel(mate->folder);
        }
    }
    if (mate->runs) {
        (void)pthread_join(mate->thread, NULL);
    } else {
        state_folder_run(mate->folder); /* no thread to be had: then it is done here */
    }
    pthread_cond_destroy(&mate->ended);
    pthread_mutex_destroy(&mate->mutex);
}

/* ---- open and close ---- */

static bool state_team_open_folder(struct state_team *team, const struct state_sql *sql,
                                   bool rehearses, struct runner_report *report)
{
    struct state_folder *folder = &team->folders[team->count];

    *folder = (struct state_folder){ .call = team->call,
                                     .sql = sql,
                                     .program = sql->set->program != NULL ? &team->program : NULL,
                                     .first = team->count == 0,
                                     .rehearses = rehearses,
                                     .stop = &team->stop };
    bool needs_tenant = folder->program == NULL || sql->events_database[0] == '\0';
    if ((!folder->first && needs_tenant &&
         !state_link_open(team->call, "", true, &folder->fold, report)) ||
        (sql->events_database[0] != '\0' &&
         !state_link_open(team->call, sql->events_database, true, &folder->reads, report))) {
        state_link_release(&folder->fold);
        return false;
    }
    team->count++;
    return true;
}

bool state_team_open(struct state_team *team, const struct runner_call *call,
                     const struct state_sql *sql, size_t workers, bool rehearses,
                     struct runner_report *report)
{
    *team = (struct state_team){ .call = call };
    if (sql->set->program != NULL && !state_program_make(call, &team->program, report)) {
        return false;
    }
    if (!state_team_open_folder(team, sql, rehearses, report)) {
        return false;
    }
    while (team->count < workers && !rehearses) {
        struct runner_report ignored = { 0 };

        if (!state_team_open_folder(team, sql, rehearses, &ignored)) {
            break;
        }
    }
    return true;
}

void state_team_close(struct state_team *team)
{
    for (size_t i = 0; i < team->count; i++) {
        state_folder_clear(&team->folders[i]);
        state_link_release(&team->folders[i].fold);
        state_link_release(&team->folders[i].reads);
    }
    team->count = 0;
}

/* ---- a page ---- */

static bool state_team_fail(const struct state_team *team, const struct state_folder *folder,
                            struct runner_report *report)
{
    const struct runner_call *call = team->call;

    switch (folder->problem) {
    case STATE_FOLDER_SQL:
        return state_link_fail(call, folder->failed_on, &folder->error, report);
    case STATE_FOLDER_PROGRAM:
        return runner_fail(call, report, TASK_CODE_RUNNER, "%s", folder->words);
    case STATE_FOLDER_STOPPED:
    case STATE_FOLDER_WELL:
        break;
    }
    if (pg_conn_is_lost(call->conn) || !pg_conn_is_there(call->conn)) {
        report->interrupted = true;
        return runner_fail(call, report, TASK_CODE_DATABASE_LOST,
                           "the connection that guards the tenant is lost");
    }
    return runner_fail(call, report, TASK_CODE_CANCELLED, "cancelled while streams were folded");
}

/* Whose problem is told: one that has stopped has done so because of another's. */
static const struct state_folder *state_team_find_problem(const struct state_team *team)
{
    const struct state_folder *found = NULL;

    for (size_t i = 0; i < team->count; i++) {
        const struct state_folder *folder = &team->folders[i];

        if (folder->problem != STATE_FOLDER_WELL &&
            (found == NULL || found->problem == STATE_FOLDER_STOPPED)) {
            found = folder;
        }
    }
    return found;
}

bool state_team_fold(struct state_team *team, const char *const *streams, size_t count,
                     struct state_result *ret_results, size_t *ret_done,
                     struct runner_report *report)
{
    struct state_teammate mates[STATE_WORKERS_MAX] = { 0 };
    size_t share = (count + team->count - 1) / team->count;
    size_t busy = 0;

    for (size_t at = 0; at < count; at += share) {
        struct state_folder *folder = &team->folders[busy++];

        state_folder_clear(folder);
        folder->streams = streams + at;
        folder->count = share < count - at ? share : count - at;
    }
    for (size_t i = 1; i < busy; i++) {
        state_team_start(team, &team->folders[i], &mates[i]);
    }
    state_folder_run(&team->folders[0]);
    if (team->folders[0].problem != STATE_FOLDER_WELL) {
        atomic_store(&team->stop, true);
    }
    for (size_t i = 1; i < busy; i++) {
        state_team_join(team, &mates[i]);
    }
    const struct state_folder *bad = state_team_find_problem(team);
    if (bad != NULL) {
        return state_team_fail(team, bad, report);
    }
    /* Up to where there is no gap: what stands behind one is folded again with the next page. */
    *ret_done = 0;
    for (size_t i = 0; i < busy; i++) {
        const struct state_folder *folder = &team->folders[i];

        for (size_t n = 0; n < folder->done; n++) {
            ret_results[(*ret_done)++] = folder->results[n];
        }
        if (folder->done < folder->count) {
            break;
        }
    }
    return true;
}
