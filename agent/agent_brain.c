#include "agent/agent_brain.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent_gate.h"
#include "agent/agent_intake.h"
#include "agent/agent_metrics.h"
#include "agent/agent_words.h"
#include "agent/complaint.h"
#include "agent/decide/tenant_filter.h"
#include "agent/decide/uplink.h"
#include "agent/result_post.h"
#include "agent/shelf.h"
#include "agent/task_list.h"
#include "agent/tenant_book.h"
#include "common/core/clock.h"
#include "common/core/limits.h"
#include "common/core/log.h"
#include "common/core/memory.h"

enum {
    AGENT_IDLE_MS = 500,
    AGENT_GOODBYE_MS = 1000, /* how long the coordinator has to end the stream of one that leaves */
};

struct agent_brain {
    struct agent_brain_parts parts;
    pthread_t thread;
    struct uplink uplink;
    struct line *line;
    uint64_t stream; /* the one whose events count */
    struct agent_intake intake;
    struct task_list *tasks;
    struct agent_metrics *metrics;
    struct result_post post;
    struct tenant_book *tenants;
    uint64_t working_since_ms; /* when the newest welcome came */
    bool has_worked;           /* it had a session, so another agent may have had one since */
    uint64_t lease_told_ms;    /* what the executor knows of the lease */
    uint32_t workers_told;     /* how many may work, as the last heartbeat had it */
    char trouble[TEXT_BYTES_MAX];
    struct complaint complaint;
    uint64_t now_ms;
    struct agent_gate gate; /* what others ask of us */
    uint64_t gone_ms;       /* when the stream is given up, after the last word; 0: not said yet */
};

/* One that stands by may have results of its last session: the truth about those tries, and perhaps
 * nobody has looked into the journal yet. */
static bool agent_is_heard(const struct agent_brain *brain)
{
    return brain->uplink.state == UPLINK_WORKING || brain->uplink.state == UPLINK_STANDBY;
}

/* ---- the session ---- */

static void agent_on_lease_end(struct agent_brain *brain)
{
    log_warning("session_lost", "shard=%s tasks=%zu", brain->parts.shard,
                task_list_count(brain->tasks));
    /* What commits before the cancel arrives is kept out by the fence if somebody else has taken
     * the tenant meanwhile, and stands in the journal if not. */
    executor_cancel(brain->parts.executor, NULL, NULL, 0);
    agent_intake_drop(&brain->intake, NULL);
    line_close(brain->line);
}

/* Takes the event over. */
static void agent_on_assign(struct agent_brain *brain, struct agent_event *event)
{
    /* After a pause the lease may have run out before this message was looked at. */
    if (uplink_lease_ran_out(&brain->uplink, brain->now_ms)) {
        agent_on_lease_end(brain);
    }
    if (brain->uplink.lease_id == 0) {
        agent_event_free(&event); /* without a session nothing may start */
        return;
    }
    agent_intake_assign(&brain->intake, event);
}

static void agent_on_cancel(struct agent_brain *brain, const struct task_cancel *cancel)
{
    if (cancel->tenant_count == 0) {
        agent_intake_drop(&brain->intake, cancel->rollout);
    }
    executor_cancel(brain->parts.executor, cancel->rollout,
                    cancel->tenant_count == 0 ? NULL : cancel->tenants, cancel->tenant_count);
}

/* Said on each stream, so that the coordinator hands out no task which would only come back. */
static void agent_say_leaving(struct agent_brain *brain)
{
    if (brain->intake.draining) {
        agent_words_leaving(brain->line, false);
    }
}

static void agent_on_welcome(struct agent_brain *brain, const struct welcome *welcome)
{
    bool from_standby = brain->uplink.state == UPLINK_STANDBY;

    if (!uplink_step(&brain->uplink, UPLINK_EVENT_WELCOME, brain->now_ms)) {
        return;
    }
    if (welcome->lease_id != brain->uplink.lease_id) {
        /* What still runs was locked under another lease: somebody else may have it by now. */
        executor_cancel(brain->parts.executor, NULL, NULL, 0);
        agent_intake_drop(&brain->intake, NULL);
        if (from_standby || brain->has_worked) {
            tenant_book_distrust(brain->tenants, desk_read_anew(brain->parts.desk));
        }
    }
    brain->has_worked = true;
    brain->working_since_ms = brain->now_ms;
    uplink_start_lease(&brain->uplink, welcome, brain->now_ms);
    log_info("session_started", "shard=%s coordinator=%s lease=%" PRId64 " term=%" PRIu64,
             brain->parts.shard, line_address(brain->line), welcome->lease_id, brain->uplink.term);
    complaint_forget(&brain->complaint);
    desk_forget_refresh(brain->parts.desk);
    task_list_send_again(brain->tasks);
    result_post_due_at(&brain->post, brain->now_ms);
    tenant_book_welcome(brain->tenants, brain->line);
    control_post_send(brain->parts.control, brain->line, brain->now_ms, true);
    agent_say_leaving(brain);
}

static void agent_on_standby(struct agent_brain *brain, const char *other)
{
    if (uplink_step(&brain->uplink, UPLINK_EVENT_STANDBY, brain->now_ms)) {
        log_info("standing_by", "shard=%s coordinator=%s for=%s", brain->parts.shard,
                 line_address(brain->line), other);
        complaint_forget(&brain->complaint);
        task_list_send_again(brain->tasks);
        result_post_due_at(&brain->post, brain->now_ms);
        agent_say_leaving(brain);
        if (brain->uplink.lease_id != 0) {
            brain->uplink.lease_id = 0;
            executor_cancel(brain->parts.executor, NULL, NULL, 0);
            agent_intake_drop(&brain->intake, NULL);
        }
    }
}

static void agent_on_closed(struct agent_brain *brain, const struct agent_event *event)
{
    if (!uplink_step(&brain->uplink, UPLINK_EVENT_CLOSED, brain->now_ms)) {
        return;
    }
    if (brain->gone_ms == 0) {
        complaint_say(&brain->complaint, &event->closed.error, line_address(brain->line),
                      brain->now_ms);
    }
    const char *leader = event->closed.leader;
    if (event->closed.silent && leader[0] == '\0') {
        line_rest(brain->line, brain->now_ms);
    }
    bool follow = leader[0] != '\0' && uplink_follows(&brain->uplink, brain->now_ms);
    line_close(brain->line);
    line_next_address(brain->line, follow ? leader : "");
    tenant_book_closed(brain->tenants);
}

static void agent_connect(struct agent_brain *brain)
{
    struct error err = { 0 };

    if (!line_open(brain->line, &brain->stream, &err)) {
        log_failure("connect_failed", &err, "coordinator=%s", line_address(brain->line));
        line_next_address(brain->line, "");
        uplink_step(&brain->uplink, UPLINK_EVENT_OPENED, brain->now_ms);
        uplink_step(&brain->uplink, UPLINK_EVENT_CLOSED, brain->now_ms);
        return;
    }
    uplink_step(&brain->uplink, UPLINK_EVENT_OPENED, brain->now_ms);
    agent_words_hello(brain->line, &brain->parts, brain->uplink.lease_id, brain->tasks);
}

/* ---- events ---- */

static void agent_on_tenants(struct agent_brain *brain, struct agent_event *event)
{
    struct tenants_snapshot *snapshot = &event->tenants.snapshot;
    const char *trouble = "";
    bool failed = event->tenants.error.code != ERR_NONE;

    if (failed && brain->trouble[0] == '\0') {
        log_failure("tenants_not_read", &event->tenants.error, "shard=%s", brain->parts.shard);
    }
    if (!failed) {
        snapshot->count = tenant_filter(snapshot->items, snapshot->count, &snapshot->arena,
                                        &snapshot->items, &trouble);
    }
    if (event->tenants.trouble[0] != '\0') {
        trouble = event->tenants.trouble;
    }
    snprintf(brain->trouble, sizeof(brain->trouble), "%s",
             failed ? event->tenants.error.message : trouble);
    if (failed) {
        brain->uplink.heartbeat_at_ms = brain->now_ms; /* operators should see it soon */
        return; /* refresh is answered when the database is back */
    }
    const struct tenant_reading reading = { .snapshot = snapshot,
                                            .number = event->tenants.reading,
                                            .started_ms = event->tenants.started_ms,
                                            .refresh = event->tenants.refresh };
    if (brain->uplink.state == UPLINK_WORKING && reading.started_ms > brain->working_since_ms) {
        register_desk_compare(brain->parts.register_desk, snapshot->items, snapshot->count,
                              reading.started_ms);
    }
    tenant_book_put(brain->tenants, &reading,
                    brain->uplink.state == UPLINK_WORKING ? brain->line : NULL);
    agent_metrics_set_tenants(brain->metrics, tenant_book_count(brain->tenants));
}

static void agent_on_history_request(struct agent_brain *brain,
                                     const struct history_request *request)
{
    if (!desk_history(brain->parts.desk, request)) {
        const struct history_reply busy = { .request = request->request,
                                            .error = "the agent is busy: try again later" };
        agent_words_history(brain->line, &busy);
    }
}

static void agent_on_schema_request(struct agent_brain *brain, const struct schema_request *request)
{
    if (!desk_schemas(brain->parts.desk, request)) {
        const struct schema_reply busy = { .request = request->request,
                                           .error = "the agent is busy: try again later" };
        agent_words_schemas(brain->line, &busy);
    }
}

/* Takes the event over when it keeps it: then *event is NULL. */
static void agent_on_message(struct agent_brain *brain, struct agent_event **event)
{
    const struct coordinator_message *message = &(*event)->message;

    if ((*event)->stream != brain->stream || !uplink_accepts_term(&brain->uplink, message->term)) {
        return;
    }
    switch (message->kind) {
    case COORDINATOR_MESSAGE_WELCOME:
        agent_on_welcome(brain, &message->welcome);
        break;
    case COORDINATOR_MESSAGE_STANDBY:
        agent_on_standby(brain, message->standby_for);
        break;
    case COORDINATOR_MESSAGE_HEARTBEAT_ACK:
        uplink_on_heartbeat_ack(&brain->uplink, message->sequence);
        break;
    case COORDINATOR_MESSAGE_ASSIGN:
        agent_on_assign(brain, *event);
        *event = NULL;
        break;
    case COORDINATOR_MESSAGE_CANCEL:
        agent_on_cancel(brain, &message->cancel);
        break;
    case COORDINATOR_MESSAGE_REFRESH:
        desk_refresh(brain->parts.desk, message->refresh);
        break;
    case COORDINATOR_MESSAGE_RESULTS_ACK:
        task_list_acknowledge(brain->tasks, message->sequence);
        break;
    case COORDINATOR_MESSAGE_HISTORY:
        agent_on_history_request(brain, &message->history);
        break;
    case COORDINATOR_MESSAGE_SCHEMAS:
        agent_on_schema_request(brain, &message->schemas);
        break;
    case COORDINATOR_MESSAGE_CONTROL_RUN:
        agent_intake_control(&brain->intake, *event);
        *event = NULL;
        break;
    case COORDINATOR_MESSAGE_CONTROL_ANSWER:
        control_client_answer(control_post_client(brain->parts.control), &message->control_answer);
        break;
    case COORDINATOR_MESSAGE_COUNT:
        break;
    }
}

/* Takes the event over. */
static void agent_on_result(struct agent_brain *brain, struct agent_event *event)
{
    const struct task_result *result = &event->result;
    const char *set = task_list_find_set(brain->tasks, result);
    bool failed = result->outcome == TASK_FAILED;

    if (register_desk_take(brain->parts.register_desk, event, set)) {
        return; /* it comes back */
    }
    agent_metrics_count_result(brain->metrics, result);
    result_post_due_at(&brain->post, failed ? brain->now_ms : brain->now_ms + RESULTS_WAIT_MS);
    if (set != NULL) {
        tenant_book_note(brain->tenants, result, set, brain->now_ms);
    }
    task_list_finish(brain->tasks, event);
}

static void agent_apply(struct agent_brain *brain, struct agent_event **event)
{
    switch ((*event)->type) {
    case AGENT_EVENT_MESSAGE:
        agent_on_message(brain, event);
        break;
    case AGENT_EVENT_CLOSED:
        if ((*event)->stream == brain->stream) {
            agent_on_closed(brain, *event);
        }
        break;
    case AGENT_EVENT_RESULT:
        agent_on_result(brain, *event);
        *event = NULL;
        break;
    case AGENT_EVENT_TENANTS:
        agent_on_tenants(brain, *event);
        break;
    case AGENT_EVENT_HISTORY:
        agent_words_history(brain->line, &(*event)->history);
        break;
    case AGENT_EVENT_SCHEMAS:
        agent_words_schemas(brain->line, &(*event)->schemas);
        break;
    case AGENT_EVENT_ARCHIVE:
        agent_intake_archive(&brain->intake, event);
        break;
    case AGENT_EVENT_SET:
        agent_intake_set(&brain->intake, (*event)->set.name, (*event)->set.digest,
                         (*event)->set.prepared, &(*event)->set.error);
        (*event)->set.prepared = NULL;
        break;
    case AGENT_EVENT_CONTROL:
        agent_words_control_done(brain->line, &(*event)->control_done);
        break;
    case AGENT_EVENT_WAKE:
    case AGENT_EVENT_COUNT:
        break;
    }
}

/* ---- the loop ---- */

static void agent_set_status(struct agent_brain *brain)
{
    enum uplink_state state = brain->uplink.state;
    bool connected = agent_is_heard(brain);
    const char *workers_reason = "";
    char reason[AGENT_REASON_BYTES];
    uint64_t until_ms = uplink_works_until_ms(&brain->uplink);

    agent_metrics_update(brain->metrics, state, task_list_count(brain->tasks),
                         mailbox_depth(brain->parts.inbox),
                         until_ms > brain->now_ms ? until_ms - brain->now_ms : 0);
    uint32_t workers = executor_workers_now(brain->parts.executor, &workers_reason);
    agent_metrics_set_workers(brain->metrics, workers);
    if (workers != brain->workers_told) {
        brain->workers_told = workers;
        brain->uplink.heartbeat_at_ms = brain->now_ms; /* operators should see it soon */
    }
    if (!connected) {
        snprintf(reason, sizeof(reason), "no session: coordinator %.180s",
                 line_address(brain->line));
    } else {
        snprintf(reason, sizeof(reason), "%.200s", brain->trouble);
    }
    agent_gate_set_ready(&brain->gate, connected && brain->trouble[0] == '\0', reason);
    if (!brain->intake.draining && agent_gate_is_draining(&brain->gate)) {
        brain->intake.draining = true;
        agent_say_leaving(brain);
        agent_gate_say_drained(&brain->gate);
    }
}

/* Workers look at the lease themselves before they touch a tenant. */
static void agent_tell_lease(struct agent_brain *brain)
{
    uint64_t until_ms = uplink_works_until_ms(&brain->uplink);

    if (until_ms != brain->lease_told_ms) {
        brain->lease_told_ms = until_ms;
        executor_set_lease(brain->parts.executor, until_ms);
    }
}

static void agent_tick(struct agent_brain *brain)
{
    uint64_t sequence;

    if (uplink_lease_ran_out(&brain->uplink, brain->now_ms)) {
        agent_on_lease_end(brain);
    }
    agent_tell_lease(brain);
    if (brain->uplink.state == UPLINK_DOWN && brain->now_ms >= brain->uplink.retry_at_ms &&
        brain->gone_ms == 0) {
        agent_connect(brain);
    }
    if (uplink_take_heartbeat(&brain->uplink, brain->now_ms, &sequence)) {
        agent_words_heartbeat(brain->line, &brain->parts, sequence, brain->tasks, brain->trouble);
    }
    if (agent_is_heard(brain)) {
        result_post_send(&brain->post, brain->line, brain->tasks,
                         executor_load(brain->parts.executor), brain->now_ms);
    }
    if (brain->uplink.state == UPLINK_WORKING) {
        control_post_send(brain->parts.control, brain->line, brain->now_ms, false);
    }
    agent_set_status(brain);
}

static bool agent_is_over(struct agent_brain *brain)
{
    uint64_t until_ms = agent_gate_stop_ms(&brain->gate);

    if (until_ms == UINT64_MAX || (task_list_count(brain->tasks) > 0 && brain->now_ms < until_ms)) {
        return false;
    }
    if (brain->gone_ms == 0) {
        agent_words_leaving(brain->line, true);
        brain->gone_ms = brain->now_ms + AGENT_GOODBYE_MS;
    }
    return brain->uplink.state == UPLINK_DOWN || brain->now_ms >= brain->gone_ms;
}

/* When the brain has something to do if nobody writes to it. Results can go out only while the
 * session is ours; the welcome sends them otherwise. */
static uint64_t agent_next_ms(const struct agent_brain *brain)
{
    uint64_t next = uplink_next_ms(&brain->uplink);

    if (agent_is_heard(brain) && brain->post.due_ms < next) {
        next = brain->post.due_ms;
    }
    uint64_t idle = brain->now_ms + (brain->intake.draining ? 20 : AGENT_IDLE_MS);
    return next < idle ? next : idle;
}

static void *agent_brain_run(void *argument)
{
    struct agent_brain *brain = argument;
    void *batch[EVENT_BATCH_MAX];

    pthread_setname_np(pthread_self(), "brain");
    while (!agent_is_over(brain)) {
        size_t count =
            mailbox_take(brain->parts.inbox, batch, EVENT_BATCH_MAX, agent_next_ms(brain));
        brain->now_ms = clock_monotonic_ms();
        brain->intake.now_ms = brain->now_ms;
        for (size_t i = 0; i < count; i++) {
            struct agent_event *event = batch[i];
            agent_apply(brain, &event);
            agent_event_free(&event);
        }
        agent_tick(brain);
    }
    uplink_step(&brain->uplink, UPLINK_EVENT_STOP, brain->now_ms);
    return NULL;
}

struct agent_brain *agent_brain_start(const struct agent_brain_parts *parts)
{
    struct agent_brain *brain = memory_alloc(sizeof(*brain));

    brain->parts = *parts;
    brain->now_ms = clock_monotonic_ms();
    uplink_init(&brain->uplink, brain->now_ms);
    uplink_set_seed(&brain->uplink, parts->seed);
    brain->tenants = tenant_book_new();
    result_post_init(&brain->post);
    executor_set_lease(parts->executor, 0);
    brain->line = line_new(&parts->line);
    brain->tasks = task_list_new();
    brain->metrics = agent_metrics_new(parts->metrics);
    brain->intake = (struct agent_intake){ .parts = &brain->parts,
                                           .line = brain->line,
                                           .shelf = shelf_new(),
                                           .tasks = brain->tasks,
                                           .post = &brain->post,
                                           .now_ms = brain->now_ms };
    agent_gate_init(&brain->gate);
    pthread_create(&brain->thread, NULL, agent_brain_run, brain);
    return brain;
}

static void agent_brain_wake(struct agent_brain *brain)
{
    mailbox_post_reserved(brain->parts.inbox, agent_event_new(AGENT_EVENT_WAKE));
}

void agent_brain_drain(struct agent_brain *brain)
{
    agent_gate_drain(&brain->gate);
    agent_brain_wake(brain);
    agent_gate_wait_drained(&brain->gate);
}

void agent_brain_stop(struct agent_brain **pointer, uint64_t wait_ms)
{
    struct agent_brain *brain = *pointer;

    if (brain == NULL) {
        return;
    }
    agent_gate_stop(&brain->gate, clock_monotonic_ms() + wait_ms);
    agent_brain_wake(brain);
    pthread_join(brain->thread, NULL);
    line_free(&brain->line);
    shelf_free(&brain->intake.shelf);
    task_list_free(&brain->tasks);
    agent_metrics_free(&brain->metrics);
    tenant_book_free(&brain->tenants);
    agent_gate_release(&brain->gate);
    free(brain);
    *pointer = NULL;
}

bool agent_brain_is_ready(struct agent_brain *brain, char ret_reason[AGENT_REASON_BYTES])
{
    return agent_gate_is_ready(&brain->gate, ret_reason);
}
