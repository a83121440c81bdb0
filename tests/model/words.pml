/* words.pml - sizes, words and all state of the model.
 *
 * Every process of a fleet may be paused at any moment for any time: in the model each step of each
 * process may be delayed for ever, so a pause is not an event but the rule. What costs a fault is
 * what a pause leads to: a lease that ends while its owner does not know. */

#ifndef NC
#define NC 2 /* coordinators */
#endif
#ifndef NA
#define NA 2 /* agents, all of one shard: one works, the others stand by */
#endif
#ifndef NT
#define NT 1 /* tenants of that shard */
#endif
#ifndef FAULTS
#define FAULTS 2 /* how many of all kinds together */
#endif
#ifndef ABORTS
#define ABORTS 0 /* how often the operator aborts the rollout: 0 or 1 */
#endif
#ifndef SLOTS
#define SLOTS (NT + 1) /* tasks that an agent knows of */
#endif
#ifndef BACKENDS
#define BACKENDS (NT + 2) /* of the database, at work for skein at the same time */
#endif
#ifndef TRIES_MAX
#define TRIES_MAX 0 /* TASK_TRIES_MAX is 5, more than there are faults: 0 does not count them */
#endif

#define CT(c, t) ((c) * NT + (t))
#define AT(a, t) ((a) * NT + (t))
#define AS(a, s) ((a) * SLOTS + (s))

#define MAX(x, y) ((x) > (y) -> (x) : (y))

/* Scratch of d_steps, never read by another step. */
hidden byte i, j, k, m, n, q;

/* ---- the store ---- */

byte st_leader; /* whose the leader key is: coordinator + 1, 0: nobody's */
byte st_term;   /* its create revision. Of it and of tokens only the order counts. */
bool led;       /* somebody has led */
byte st_lease;  /* of the session key; 0: no session. All task locks hang on it. */
byte st_agent;  /* whose session: agent + 1 */
bool came; /* some agent has said hello */
byte st_lock[NT];  /* token of the tenant's lock; 0: none */
bool st_failure[NT];
bool st_abort; /* resume_phase ABORTED */
bool st_ended;
byte st_report[NT]; /* what the ended rollout says of its tenants */
byte faults = FAULTS;
byte aborts = ABORTS;

/* ---- coordinators: only memory, gone when they lose leadership ---- */

/* Where a tenant's task is: enum tenant_task_state. A dry run changes nothing, so there is none. */
#define TASK_NONE 0 /* not planned */
#define TASK_QUEUED 1
#define TASK_LOCKING 2 /* its lock is durable, its token not known yet */
#define TASK_RUNNING 3
#define TASK_UNKNOWN 4
#define TASK_MIGRATED 5
#define TASK_SKIPPED 6
#define TASK_FAILED 7

/* enum session_state. What the store is asked for and its answer are one step, so GRANTING, STORING
 * and ENDING are not seen. */
#define SESSION_NONE 0
#define SESSION_LIVE 1
#define SESSION_DETACHED 2

/* Which look at the journal an UNKNOWN task waits for. */
#define DUE_OPEN 0  /* the one that is under way */
#define DUE_NEXT 1  /* the one after it */

#define END_NONE 0
#define END_FAIL 1
#define END_SKIP 2

byte c_term[NC];    /* that it believes to lead; 0: it does not */
byte c_session[NC]; /* SESSION_... */
byte c_lease[NC];
byte c_agent[NC];    /* whose session: agent + 1 */
byte c_link[NC];     /* the agent on the session's stream + 1 */
bool c_gone[NC];     /* that stream is gone, which is not known yet */
bool c_reported[NC]; /* the agent has reported in this session */
bool c_planned[NC];  /* the rollout's tenants are known */
bool c_asked[NC];    /* a refresh is open */
byte c_last[NC];     /* the last look before the end: 0, 1 asked, 2 seen */
bool c_closed[NC];   /* the rollout has ended */
bool c_abort[NC];    /* it is being aborted */
bool c_loaded[NC];   /* somebody has led before */
byte c_write[NC]; /* a window's locks are durable under this lease, which is not known yet */
byte c_task[NC * NT];
bool c_window[NC * NT]; /* the tenant is in the window that is being written */
byte c_lock[NC * NT];   /* token of its lock, as far as is known here */
bool c_adopted[NC * NT];
byte c_token[NC * NT]; /* of the newest try */
bool c_any[NC * NT];   /* any_result */
bool c_unfenced[NC * NT]; /* an earlier try may still commit */
bool c_settle[NC * NT];   /* its mode is TASK_SETTLE */
byte c_end[NC * NT];      /* END_...: what it ends as when it is settled */
bool c_fenced[NC * NT];
byte c_tries[NC * NT];
byte c_due[NC * NT];

/* ---- agents ---- */

byte a_link[NA];    /* the coordinator of its stream + 1 */
byte a_stream[NA];  /* that one's term when the stream was opened */
byte a_term[NA];    /* the newest that was obeyed */
byte a_lease[NA];   /* what it believes to hold; 0: none */
bool a_working[NA]; /* welcomed on this stream */
/* Messages on the way to it, in their order: welcome, then the others. Lost with the stream. */
byte a_welcome[NA]; /* with this lease */
byte a_assign[NA * NT]; /* with this token */
bool a_settle[NA * NT]; /* in this mode */
/* A refresh is open: 1 + who was migrated when it was asked for, a bit each; 0: none. */
byte a_report[NA];

#define SLOT_FREE 0
#define SLOT_WAITS 1 /* for a connection, when there is none at once */
#define SLOT_WORKS 2
#define SLOT_OK 3     /* SUCCEEDED */
#define SLOT_FAILED 4 /* refused by the server for good: all was rolled back */
#define SLOT_FENCED 5
#define SLOT_AGAIN 6   /* CANCELLED: to be looked up */
#define SLOT_LOST 7    /* DATABASE_LOST: the same, and it may have committed */
#define SLOT_SETTLED 8 /* not migrated, and no earlier try can do it any more */

byte s_state[NA * SLOTS];
byte s_tenant[NA * SLOTS];
byte s_token[NA * SLOTS];
bool s_cancel[NA * SLOTS];
bool s_uncertain[NA * SLOTS];
bool s_settle[NA * SLOTS];

/* ---- the database ---- */

#define BACKEND_FREE 0
#define BACKEND_WAITS 1 /* BEGIN is on its way to it, or it waits for the row lock */
#define BACKEND_OPEN 2  /* task_begin has passed: scripts run */

byte b_state[BACKENDS];
byte b_tenant[BACKENDS];
byte b_token[BACKENDS];
bool b_settle[BACKENDS];
byte b_owner[BACKENDS]; /* AS(...) + 1 of who listens; 0: nobody */

bool d_version[NT];   /* the journal's row: whether this rollout has moved it */
byte d_fence[NT];     /* its fence */
byte d_applied[NT];   /* how often the script has taken effect */
byte d_open[NT];      /* transactions past task_begin: who holds the row lock */

/* The compare with the leader key in every write (flush_send). */
#ifdef NO_LEADER_GUARD
#define LEADS(c) (c_term[c] != 0)
#else
#define LEADS(c) (st_leader == (c) + 1 && st_term == c_term[c])
#endif
