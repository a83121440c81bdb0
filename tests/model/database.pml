/* database.pml - the tenants' journals and the server's processes that work on them:
 * skein.task_begin and skein.task_end of agent/keep/journal/task.sql, as agent/run sends them. */

#if NT > 1
#define SEEN (d_version[0] + 2 * d_version[1])
#else
#define SEEN (d_version[0])
#endif

#define BACKEND_THERE (b_state[BACKENDS - 1] == BACKEND_FREE)

inline slot_clear(n)
{
  s_state[n] = SLOT_FREE;
  s_tenant[n] = 0;
  s_token[n] = 0;
  s_cancel[n] = false;
  s_uncertain[n] = false;
  s_settle[n] = false
}

/* task_run_once, task_batch_run: BEGIN ... COMMIT go out in one round trip. */
inline try_start(n)
{
  if
  :: BACKEND_THERE ->
     m = BACKENDS;
     for (j : 0 .. BACKENDS - 1) {
       m = (b_state[j] == BACKEND_FREE && m == BACKENDS -> j : m)
     }
     b_state[m] = BACKEND_WAITS;
     b_tenant[m] = s_tenant[n];
     b_token[m] = s_token[n];
     b_settle[m] = s_settle[n];
     b_owner[m] = n + 1;
     s_state[n] = SLOT_WORKS
  :: else -> s_state[n] = SLOT_WAITS
  fi
}

/* The transaction is over; whoever listens hears `answer`. */
inline backend_answer(b, answer)
{
  if
  :: b_owner[b] != 0 ->
     s_state[b_owner[b] - 1] = answer;
     s_cancel[b_owner[b] - 1] = false;
     s_uncertain[b_owner[b] - 1] = false
  :: else
  fi;
  for (j : b .. BACKENDS - 2) { /* in the order of their start, whatever became of others */
    b_state[j] = b_state[j + 1];
    b_tenant[j] = b_tenant[j + 1];
    b_token[j] = b_token[j + 1];
    b_settle[j] = b_settle[j + 1];
    b_owner[j] = b_owner[j + 1]
  }
  b_state[BACKENDS - 1] = BACKEND_FREE;
  b_tenant[BACKENDS - 1] = 0;
  b_token[BACKENDS - 1] = 0;
  b_settle[BACKENDS - 1] = false;
  b_owner[BACKENDS - 1] = 0
}

inline row_release(b)
{
  d_open[b_tenant[b]]--
}

#ifdef NO_ROW_LOCK
#define ROW_IS_FREE(b) (true)
#else
#define ROW_IS_FREE(b) (d_open[b_tenant[b]] == 0)
#endif
#ifdef NO_FENCE
#define FENCED(b) (false)
#else
#define FENCED(b) (d_fence[b_tenant[b]] > b_token[b])
#endif
#ifdef NO_VERSION
#define MOVED(b) (false)
#else
#define MOVED(b) (d_version[b_tenant[b]])
#endif
#define LISTENS(b) (b_owner[b] != 0)

proctype backend(byte b)
{
end:
  do
  /* skein.task_begin: takes the row, then looks. SK007: this rollout did it; SK002: fenced. */
  :: d_step {
       b_state[b] == BACKEND_WAITS && ROW_IS_FREE(b) && !b_settle[b] ->
       printf("backend %d begins tenant %d with token %d, fence %d\n", b, b_tenant[b], b_token[b],
              d_fence[b_tenant[b]]);
       if
       :: MOVED(b) && d_fence[b_tenant[b]] <= b_token[b] -> backend_answer(b, SLOT_OK)
       :: !(MOVED(b) && d_fence[b_tenant[b]] <= b_token[b]) && FENCED(b) ->
          backend_answer(b, SLOT_FENCED)
       :: else ->
          d_open[b_tenant[b]]++;
          assert(d_open[b_tenant[b]] == 1); /* one at a time */
          b_state[b] = BACKEND_OPEN
       fi;
       skip
     }
  /* skein.task_settle: waits for the row (or ends who holds it), and raises the fence. */
  :: d_step {
       b_state[b] == BACKEND_WAITS && ROW_IS_FREE(b) && b_settle[b] ->
       printf("backend %d settles tenant %d with token %d\n", b, b_tenant[b], b_token[b]);
       if
       :: d_version[b_tenant[b]] -> backend_answer(b, SLOT_OK)
       :: !d_version[b_tenant[b]] && FENCED(b) -> backend_answer(b, SLOT_FENCED)
       :: else ->
          d_fence[b_tenant[b]] = b_token[b];
          backend_answer(b, SLOT_SETTLED)
       fi;
       skip
     }
  /* The same for a try that was cancelled after one of its own was lost: fences that out, too. */
  :: d_step {
       b_state[b] == BACKEND_WAITS && ROW_IS_FREE(b) && !b_settle[b] && LISTENS(b) &&
       s_cancel[b_owner[b] - 1] && s_uncertain[b_owner[b] - 1] ->
       printf("backend %d settles its own tenant %d\n", b, b_tenant[b]);
       if
       :: d_version[b_tenant[b]] -> backend_answer(b, SLOT_OK)
       :: !d_version[b_tenant[b]] && FENCED(b) -> backend_answer(b, SLOT_FENCED)
       :: else ->
          d_fence[b_tenant[b]] = b_token[b] + 1;
          backend_answer(b, SLOT_AGAIN)
       fi;
       skip
     }
  /* skein.task_end, COMMIT */
  :: d_step {
       b_state[b] == BACKEND_OPEN ->
       printf("backend %d commits tenant %d with token %d\n", b, b_tenant[b], b_token[b]);
       assert(b_token[b] >= d_fence[b_tenant[b]]); /* none older after a newer one */
       d_applied[b_tenant[b]]++;
       assert(d_applied[b_tenant[b]] == 1); /* exactly once */
       d_version[b_tenant[b]] = true;
       d_fence[b_tenant[b]] = b_token[b];
       row_release(b);
       backend_answer(b, SLOT_OK);
       skip
     }
  /* The script fails for a reason of the moment, or waits too long for a lock of the live load. */
  :: d_step {
       b_state[b] == BACKEND_OPEN && LISTENS(b) && faults > 0 ->
       printf("FAULT: backend %d: the script fails\n", b);
       faults--;
       row_release(b);
#ifdef REFUSED_IS_SURE
       backend_answer(b, SLOT_FAILED);
#else
       if /* task_run_refused: an earlier try of ours may still come */
       :: LISTENS(b) && s_uncertain[b_owner[b] - 1] -> backend_answer(b, SLOT_LOST)
       :: else -> backend_answer(b, SLOT_FAILED)
       fi;
#endif
       skip
     }
  /* The row lock is not had, however long it waits: DATABASE_LOST. */
  :: d_step {
       b_state[b] == BACKEND_WAITS && LISTENS(b) && !ROW_IS_FREE(b) &&
       faults > 0 ->
       printf("FAULT: backend %d: the row is locked for too long\n", b);
       faults--;
       backend_answer(b, SLOT_LOST);
       skip
     }
  /* The connection breaks: TASK_VERDICT_UNCERTAIN, another try follows with the same token. The
   * server may not know, and go on. */
  :: d_step {
       b_state[b] != BACKEND_FREE && LISTENS(b) && faults > 0 ->
       printf("FAULT: backend %d: the connection breaks\n", b);
       faults--;
#ifdef UNCERTAIN_IS_FAILURE
       s_state[b_owner[b] - 1] = SLOT_FAILED;
#else
       s_uncertain[b_owner[b] - 1] = true;
       k = b_owner[b] - 1;
       try_start(k);
#endif
       b_owner[b] = 0;
       skip
     }
  /* worker_link_cancel. After a lost try it is a probe, which answers only what it has seen. */
  :: d_step {
       b_state[b] != BACKEND_FREE && LISTENS(b) && s_cancel[b_owner[b] - 1] && !b_settle[b] &&
       !s_uncertain[b_owner[b] - 1] ->
       printf("backend %d is cancelled\n", b);
       if
       :: b_state[b] == BACKEND_OPEN -> row_release(b)
       :: else
       fi;
       backend_answer(b, SLOT_AGAIN);
       skip
     }
  /* A server process that nobody listens to ends (client_connection_check_interval, a restart). */
  :: d_step {
       b_state[b] != BACKEND_FREE && !LISTENS(b) ->
       printf("backend %d ends, nobody listens\n", b);
       if
       :: b_state[b] == BACKEND_OPEN -> row_release(b)
       :: else
       fi;
       backend_answer(b, 0);
       skip
     }
  od
}
