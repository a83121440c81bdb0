/* agent_event.h - what reaches the agent's brain thread, through its one mailbox.
 *
 * An event owns its arena; what it points to lives there. */
#ifndef SKEIN_AGENT_AGENT_EVENT_H
#define SKEIN_AGENT_AGENT_EVENT_H

#include <stdint.h>

#include "agent/check/prepared_set.h"
#include "agent/keep/tenants.h"
#include "common/core/arena.h"
#include "common/core/error.h"
#include "common/model/message.h"

enum agent_event_type {
    AGENT_EVENT_MESSAGE, /* from the coordinator: `message` */
    AGENT_EVENT_CLOSED,  /* the stream ended: `closed` */
    AGENT_EVENT_RESULT,  /* from a worker: `result` */
    AGENT_EVENT_TENANTS, /* from the desk: `tenants` */
    AGENT_EVENT_HISTORY, /* from the desk: `history` */
    AGENT_EVENT_ARCHIVE, /* a set was fetched, or not: `archive` */
    AGENT_EVENT_SET,     /* from the desk: a set was prepared, or not: `set` */
    AGENT_EVENT_CONTROL, /* from the control desk: `control_done` */
    AGENT_EVENT_WAKE,    /* look at the stop flag, and at what workers want sent */
    AGENT_EVENT_SCHEMAS, /* from the desk: `schemas` */
    AGENT_EVENT_COUNT,
};

struct agent_event {
    enum agent_event_type type;
    struct arena arena;
    bool registered; /* RESULT: the registry has been written, or need not be */
    uint64_t stream; /* MESSAGE, CLOSED: which one; older streams' events are ignored */
    union {
        struct coordinator_message message;
        struct {
            struct error error;
            const char *leader; /* "" or where the leader is */
            bool silent;        /* nothing had come for so long that nobody may be there */
        } closed;
        struct task_result result;
        struct {
            struct tenants_snapshot snapshot; /* empty with an error */
            uint64_t refresh;
            uint64_t reading;    /* see desk_read_anew */
            uint64_t started_ms; /* when it was begun */
            struct error error;
            const char *trouble;
        } tenants;
        struct history_reply history;
        struct schema_reply schemas;
        struct control_done control_done;
        struct {
            const char *name;
            const char *digest;
            struct bytes bytes;
            struct error error;
        } archive;
        struct {
            const char *name;
            const char *digest;
            struct prepared_set *prepared; /* NULL with an error; the receiver takes it */
            struct error error;
        } set;
    };
};

struct agent_event *agent_event_new(enum agent_event_type type);
/* AGENT_EVENT_RESULT of a task that failed before any worker had it. */
struct agent_event *agent_event_new_answer(const char *shard,
                                           const struct task_assignment *assignment,
                                           const struct task_item *item, enum task_code code,
                                           const char *why);
/* Which set a message cannot do without: that of an assignment or a control run. */
void agent_event_wanted_set(const struct agent_event *event, const char **ret_name,
                            const char **ret_digest);
void agent_event_free(struct agent_event **pointer);

#endif
