/* coordinator.pml - who leads, sessions, locks, tasks and the end of a rollout.
 *
 * A step is what coordinator/decide does with one event, and the write that it leads to. Writes are
 * compared with the leader key at the moment at which they are carried out (flush_send). A leader
 * of the past that would write is refused, and steps down: in the model it does not take the step,
 * but finds out. What it does without a write, it does. */

/* After the end nobody has anything to do. */
#ifdef NO_LEADER_GUARD
#define GOES_ON (true)
#else
#define GOES_ON (!st_ended)
#endif

#define CONNECTED(c) (c_link[c] != 0 && !c_gone[c])

#define TRIES_MORE(tries) ((tries) < TRIES_MAX -> (tries) + 1 : TRIES_MAX)

/* ---- helpers ---- */

/* A stream ends: what is unread on it is lost. The other side learns of it later. */
inline stream_cut(a)
{
  if
  :: a_link[a] != 0 && c_link[a_link[a] - 1] == a + 1 -> c_gone[a_link[a] - 1] = true
  :: else
  fi;
  a_link[a] = 0;
  a_stream[a] = 0;
  a_working[a] = false;
  a_welcome[a] = 0;
  a_report[a] = 0;
  for (j : 0 .. NT - 1) {
    a_assign[AT(a, j)] = 0;
    a_settle[AT(a, j)] = false
  }
}

inline task_clear(n)
{
  c_task[n] = TASK_NONE;
  c_window[n] = false;
  c_lock[n] = 0;
  c_adopted[n] = false;
  c_token[n] = 0;
  c_any[n] = false;
  c_unfenced[n] = false;
  c_settle[n] = false;
  c_end[n] = END_NONE;
  c_fenced[n] = false;
  c_tries[n] = 0;
  c_due[n] = 0
}

inline session_clear(c)
{
  c_session[c] = SESSION_NONE;
  c_lease[c] = 0;
  c_agent[c] = 0;
  c_link[c] = 0;
  c_gone[c] = false;
  c_reported[c] = false
}

/* brain_lost, fleet_reset: everything is forgotten and every stream is closed. */
inline coordinator_forget(c)
{
  for (k : 0 .. NA - 1) {
    if
    :: a_link[k] == c + 1 -> stream_cut(k)
    :: else
    fi
  }
  session_clear(c);
  c_term[c] = 0;
  c_planned[c] = false;
  c_asked[c] = false;
  c_last[c] = 0;
  c_closed[c] = false;
  c_abort[c] = false;
  c_loaded[c] = false;
  c_write[c] = 0;
  for (j : 0 .. NT - 1) {
    task_clear(CT(c, j))
  }
}

/* emit_delete of a lock: refused if this coordinator leads no more. */
inline lock_release(c, t)
{
  c_lock[CT(c, t)] = 0;
  c_adopted[CT(c, t)] = false;
  if
  :: LEADS(c) -> st_lock[t] = 0
  :: else
  fi
}

/* registry_send_refresh */
inline refresh_send(c)
{
  c_asked[c] = true;
  if
  :: CONNECTED(c) -> a_report[c_link[c] - 1] = 1 + SEEN
  :: else
  fi
}

/* part_look_up, registry_want_refresh */
inline look_up(c, t)
{
  c_task[CT(c, t)] = TASK_UNKNOWN;
  if
  :: c_session[c] == SESSION_LIVE && !c_asked[c] ->
     refresh_send(c);
     c_due[CT(c, t)] = DUE_OPEN
  :: else -> c_due[CT(c, t)] = DUE_NEXT
  fi
}

#ifdef NO_SETTLE
#define UNFENCED(n) (false)
#else
#define UNFENCED(n) (c_unfenced[n])
#endif

/* part_settle: before it ends as if nothing had happened */
inline task_settle(c, t, how)
{
  c_end[CT(c, t)] = how;
  c_task[CT(c, t)] = TASK_QUEUED;
  c_settle[CT(c, t)] = true;
  c_due[CT(c, t)] = 0
}

/* part_cancel */
inline task_cancel(c, t)
{
  if
  :: c_end[CT(c, t)] == END_FAIL && c_settle[CT(c, t)] -> c_task[CT(c, t)] = TASK_QUEUED
  :: !(c_end[CT(c, t)] == END_FAIL && c_settle[CT(c, t)]) && UNFENCED(CT(c, t)) ->
     task_settle(c, t, END_SKIP)
  :: else ->
     c_task[CT(c, t)] = TASK_SKIPPED;
     c_due[CT(c, t)] = 0
  fi
}

/* part_fail: its record is in the same transaction as the lock's end. */
inline task_fail(c, t)
{
  if
  :: UNFENCED(CT(c, t)) -> task_settle(c, t, END_FAIL)
  :: else ->
     c_task[CT(c, t)] = TASK_FAILED;
     c_due[CT(c, t)] = 0;
     st_failure[t] = true
  fi
}

/* part_settled */
inline task_settled(c, t)
{
  c_unfenced[CT(c, t)] = false;
  q = c_end[CT(c, t)];
  c_end[CT(c, t)] = END_NONE;
  if
  :: q == END_FAIL -> task_fail(c, t)
  :: q == END_SKIP -> task_cancel(c, t)
  :: else -> look_up(c, t)
  fi
}

/* part_settle_again */
inline settle_again(c, t)
{
  if
  :: UNFENCED(CT(c, t)) ->
     q = c_end[CT(c, t)];
     task_settle(c, t, q)
  :: else -> look_up(c, t)
  fi
}

/* session_welcome, registry_resend_refresh: c_session is LIVE now. */
inline session_welcome(c)
{
  a_welcome[c_link[c] - 1] = c_lease[c];
  k = (c_asked[c] || c_last[c] == 1 -> 1 : 0);
  for (j : 0 .. NT - 1) {
    if
    :: c_task[CT(c, j)] == TASK_UNKNOWN ->
       c_due[CT(c, j)] = DUE_OPEN;
       k = 1
    :: else
    fi
  }
  if
  :: k == 1 -> refresh_send(c)
  :: else
  fi
}

/* outcome_lose_session, session_on_ended: the lease is gone for certain, and its locks with it. */
inline session_ended(c)
{
  if
  :: CONNECTED(c) -> k = c_link[c] - 1; stream_cut(k)
  :: else
  fi;
  session_clear(c);
  c_asked[c] = false;
  for (i : 0 .. NT - 1) {
    if
    :: c_task[CT(c, i)] == TASK_LOCKING ->
       if
       :: c_abort[c] && !c_settle[CT(c, i)] -> task_cancel(c, i)
       :: else -> c_task[CT(c, i)] = TASK_QUEUED
       fi
    :: c_task[CT(c, i)] == TASK_RUNNING -> /* outcome_lose_task */
       c_tries[CT(c, i)] = TRIES_MORE(c_tries[CT(c, i)]);
       c_unfenced[CT(c, i)] = true;
#ifdef LOST_IS_FAILURE
       c_unfenced[CT(c, i)] = false;
       c_task[CT(c, i)] = TASK_FAILED
#else
       look_up(c, i)
#endif
    :: c_task[CT(c, i)] == TASK_UNKNOWN && c_due[CT(c, i)] == DUE_OPEN -> c_due[CT(c, i)] = DUE_NEXT
    :: else
    fi;
    c_lock[CT(c, i)] = 0;
    c_adopted[CT(c, i)] = false;
    c_window[CT(c, i)] = false
  }
}

/* A number that nobody has: whether two are the same is all that is ever asked. */
inline lease_new()
{
  for (k : 1 .. NC + NA + 2) {
    n = 0;
    for (j : 0 .. NC - 1) {
      n = (c_lease[j] == k || c_write[j] == k -> 1 : n)
    }
    for (j : 0 .. NA - 1) {
      n = (a_lease[j] == k || a_welcome[j] == k -> 1 : n)
    }
    if
    :: n == 0 -> st_lease = k; break
    :: else
    fi
  }
}

/* A revision greater than all that anybody knows of this tenant. */
inline token_new(t)
{
  n = MAX(d_fence[t], st_lock[t]);
  for (j : 0 .. NC - 1) {
    n = MAX(n, c_token[CT(j, t)]);
    n = MAX(n, c_lock[CT(j, t)])
  }
  for (j : 0 .. NA - 1) {
    n = MAX(n, a_assign[AT(j, t)])
  }
  for (j : 0 .. NA * SLOTS - 1) {
    n = (s_state[j] != SLOT_FREE && s_tenant[j] == t -> MAX(n, s_token[j]) : n)
  }
  for (j : 0 .. BACKENDS - 1) {
    n = (b_state[j] != BACKEND_FREE && b_tenant[j] == t -> MAX(n, b_token[j]) : n)
  }
  st_lock[t] = n + 1
}

inline term_new()
{
  st_term = 0;
  for (j : 0 .. NC - 1) {
    st_term = MAX(st_term, c_term[j])
  }
  for (j : 0 .. NA - 1) {
    st_term = MAX(st_term, a_term[j]);
    st_term = MAX(st_term, a_stream[j])
  }
  st_term++
}

/* The end of the session's lease in the store takes all task locks along. */
inline lease_end()
{
  st_lease = 0;
  st_agent = 0;
  for (j : 0 .. NT - 1) {
    st_lock[j] = 0
  }
}

/* outcome_reconcile_lock, for one lock that is known here: which slot of the agent has it? */
inline reconcile(c, a, t)
{
  k = SLOTS;
  for (j : 0 .. SLOTS - 1) {
    if
    :: s_state[AS(a, j)] != SLOT_FREE && s_tenant[AS(a, j)] == t &&
       s_token[AS(a, j)] >= c_lock[CT(c, t)] -> k = j
    :: else
    fi
  }
  if
  :: c_lock[CT(c, t)] == 0 || c_task[CT(c, t)] == TASK_LOCKING -> skip
  :: else ->
     if
     :: k < SLOTS && (c_task[CT(c, t)] == TASK_NONE || c_token[CT(c, t)] == s_token[AS(a, k)]) ->
        c_lock[CT(c, t)] = s_token[AS(a, k)];
        c_adopted[CT(c, t)] = true;
        c_settle[CT(c, t)] = (c_task[CT(c, t)] == TASK_NONE -> s_settle[AS(a, k)] :
                                                               c_settle[CT(c, t)])
     :: else ->
        if
        :: c_task[CT(c, t)] == TASK_RUNNING -> /* outcome_miss */
#ifndef MISS_IS_NEVER
           c_unfenced[CT(c, t)] = true; /* the agent may have been started again */
#endif
           look_up(c, t)
        :: else
        fi;
        lock_release(c, t)
     fi
  fi
}

/* part_see, part_plan, part_on_report: `kind` 1 is the first report of a session, 2 what a refresh
 * asked for; `seen` says who is migrated. */
inline report_take(c, kind, seen)
{
  for (i : 0 .. NT - 1) {
    if /* part_see_task: the journal beats every other opinion */
    :: (seen & (1 << i)) &&
       (c_task[CT(c, i)] == TASK_QUEUED || c_task[CT(c, i)] == TASK_UNKNOWN ||
        c_task[CT(c, i)] == TASK_SKIPPED || c_task[CT(c, i)] == TASK_FAILED) ->
       if
       :: LEADS(c) -> st_failure[i] = false
       :: else
       fi;
       c_task[CT(c, i)] = TASK_MIGRATED;
       c_due[CT(c, i)] = 0
    :: else
    fi;
    if /* part_resolve: nothing happened to it since the task began */
    :: kind == 2 && c_task[CT(c, i)] == TASK_UNKNOWN && c_due[CT(c, i)] == DUE_OPEN ->
       if
       :: c_end[CT(c, i)] != END_NONE && UNFENCED(CT(c, i)) -> settle_again(c, i)
       :: c_end[CT(c, i)] != END_NONE && !UNFENCED(CT(c, i)) -> task_settled(c, i)
       :: c_end[CT(c, i)] == END_NONE && c_abort[c] -> task_cancel(c, i)
       :: c_end[CT(c, i)] == END_NONE && !c_abort[c] && TRIES_MAX > 0 &&
          c_tries[CT(c, i)] >= TRIES_MAX && LEADS(c) ->
          task_fail(c, i)
       :: else ->
          c_task[CT(c, i)] = TASK_QUEUED;
          c_settle[CT(c, i)] = false
       fi
    :: else
    fi;
    if /* part_plan, part_classify */
    :: !c_planned[c] && !c_closed[c] ->
       c_unfenced[CT(c, i)] = c_loaded[c]; /* who may have had it is not known any more */
       if
       :: c_adopted[CT(c, i)] ->
          c_task[CT(c, i)] = TASK_RUNNING;
          c_token[CT(c, i)] = c_lock[CT(c, i)]
       :: !c_adopted[CT(c, i)] && (seen & (1 << i)) -> c_task[CT(c, i)] = TASK_MIGRATED
       :: !c_adopted[CT(c, i)] && !(seen & (1 << i)) && st_failure[i] -> task_fail(c, i)
       :: else ->
          c_task[CT(c, i)] = TASK_QUEUED;
          c_any[CT(c, i)] = true;
          if
          :: c_abort[c] -> task_cancel(c, i)
          :: else
          fi
       fi
    :: else
    fi
  }
  c_reported[c] = true;
  c_planned[c] = !c_closed[c];
  if
  :: kind == 2 ->
     c_asked[c] = false;
     c_last[c] = (c_last[c] == 1 -> 2 : c_last[c]);
     k = 0;
     for (j : 0 .. NT - 1) {
       if
       :: c_task[CT(c, j)] == TASK_UNKNOWN && c_due[CT(c, j)] == DUE_NEXT ->
          c_due[CT(c, j)] = DUE_OPEN;
          k = 1
       :: else
       fi
     }
     if
     :: k == 1 -> refresh_send(c)
     :: else
     fi
  :: else
  fi
}

#define IS_FINAL(task) ((task) >= TASK_MIGRATED)
#define FINAL(c)                                                                                   \
  (c_planned[c] && IS_FINAL(c_task[CT(c, 0)]) && IS_FINAL(c_task[CT(c, NT - 1)]))
#define ASKS(c, t)                                                                                 \
  (c_task[CT(c, t)] == TASK_UNKNOWN || c_task[CT(c, t)] == TASK_QUEUED)
#define GONE(c) (c_session[c] == SESSION_NONE && a_link[0] != c + 1 && a_link[NA - 1] != c + 1)
#define DRAINED(c)                                                                                 \
  (c_term[c] != 0 && !c_closed[c] && c_write[c] == 0 && c_lock[CT(c, 0)] == 0 &&                   \
   c_lock[CT(c, NT - 1)] == 0 && (GONE(c) || (c_planned[c] && !ASKS(c, 0) && !ASKS(c, NT - 1))))
#ifdef NO_LAST_LOOK
#define LOOKED_AGAIN(c) (true)
#else
#define LOOKED_AGAIN(c) (c_last[c] == 2 || c_session[c] != SESSION_LIVE)
#endif

/* Only the database goes on: everything else is forgotten, which keeps the model small. */
inline history_end()
{
  for (n : 0 .. NC - 1) {
    coordinator_forget(n)
  }
  for (n : 0 .. NA - 1) {
    stream_cut(n);
    a_term[n] = 0;
    a_lease[n] = 0;
    for (j : 0 .. SLOTS - 1) {
      slot_clear(AS(n, j))
    }
  }
  for (n : 0 .. BACKENDS - 1) {
    b_owner[n] = 0
  }
  for (n : 0 .. NT - 1) {
    st_lock[n] = 0;
    st_failure[n] = false
  }
  st_leader = 0;
  st_term = 0;
  st_lease = 0;
  st_agent = 0;
  faults = 0
}

/* rollout_step to an end, rollout_close: what its report says from now on */
inline rollout_end(c)
{
  if
  :: !LEADS(c) -> coordinator_forget(c)
  :: else ->
     assert(!st_ended); /* only once */
     printf("coordinator %d ends the rollout\n", c);
     st_ended = true;
     for (j : 0 .. NT - 1) {
       st_report[j] = (IS_FINAL(c_task[CT(c, j)]) -> c_task[CT(c, j)] : TASK_UNKNOWN);
       assert(st_report[j] != TASK_MIGRATED || d_version[j])
     }
#ifndef NO_LEADER_GUARD
     history_end() /* nothing that anybody remembers can change the report any more */
#else
     c_closed[c] = true;
     c_planned[c] = false;
     for (j : 0 .. NT - 1) {
       task_clear(CT(c, j))
     }
#endif
  fi
}

/* outcome_on_results, outcome_apply: what an answer means; its write and its acknowledgement. */
inline result_take(c, a, s, t)
{
  k = (c_token[CT(c, t)] == s_token[AS(a, s)] || c_task[CT(c, t)] == TASK_NONE -> 1 : 0);
#ifdef NO_RESULT_TOKEN
  k = 1;
#endif
  m = c_task[CT(c, t)];
  printf("coordinator %d hears from agent %d: slot %d, token %d, answer %d\n", c, a, s,
         s_token[AS(a, s)], s_state[AS(a, s)]);
  if /* outcome_is_current */
  :: !((m == TASK_RUNNING && k == 1) ||
       ((m == TASK_QUEUED || m == TASK_UNKNOWN) && (k == 1 || c_any[CT(c, t)])) ||
       (m == TASK_NONE && c_lock[CT(c, t)] == s_token[AS(a, s)])) ->
     slot_clear(AS(a, s)) /* nothing to write: acknowledged at once */
  :: else ->
     if
     :: !LEADS(c) -> coordinator_forget(c) /* not acknowledged: it is sent again elsewhere */
     :: else ->
        k = (c_lock[CT(c, t)] == s_token[AS(a, s)] -> 1 : 0);
        if
        :: m == TASK_NONE -> /* outcome_note_unplanned */
           st_failure[t] =
             st_failure[t] || (s_state[AS(a, s)] == SLOT_FAILED && !s_settle[AS(a, s)])
        :: m != TASK_NONE && s_state[AS(a, s)] == SLOT_OK ->
           c_task[CT(c, t)] = TASK_MIGRATED;
           c_due[CT(c, t)] = 0;
           st_failure[t] = false
        :: m != TASK_NONE && s_state[AS(a, s)] == SLOT_SETTLED ->
           task_settled(c, t)
        :: m != TASK_NONE && s_settle[AS(a, s)] && s_state[AS(a, s)] != SLOT_OK &&
           s_state[AS(a, s)] != SLOT_SETTLED ->
           c_unfenced[CT(c, t)] = c_unfenced[CT(c, t)] && s_state[AS(a, s)] != SLOT_FENCED;
           settle_again(c, t)
        :: m != TASK_NONE && !s_settle[AS(a, s)] && s_state[AS(a, s)] == SLOT_FAILED ->
           task_fail(c, t)
        :: m != TASK_NONE && !s_settle[AS(a, s)] && s_state[AS(a, s)] == SLOT_FENCED ->
           if
           :: c_fenced[CT(c, t)] -> task_fail(c, t)
           :: else ->
              c_fenced[CT(c, t)] = true;
              look_up(c, t)
           fi
        :: m != TASK_NONE && !s_settle[AS(a, s)] &&
           (s_state[AS(a, s)] == SLOT_AGAIN || s_state[AS(a, s)] == SLOT_LOST) ->
           c_unfenced[CT(c, t)] = c_unfenced[CT(c, t)] || s_state[AS(a, s)] == SLOT_LOST;
           if
           :: c_abort[c] && s_state[AS(a, s)] == SLOT_AGAIN -> task_cancel(c, t)
           :: else ->
              c_tries[CT(c, t)] = TRIES_MORE(c_tries[CT(c, t)]);
              look_up(c, t)
           fi
        fi;
        if
        :: m != TASK_NONE -> c_token[CT(c, t)] = 0; c_any[CT(c, t)] = false
        :: else
        fi;
        if
        :: k == 1 -> lock_release(c, t)
        :: else
        fi;
        slot_clear(AS(a, s))
     fi
  fi
}

/* rollout_serves: settling changes no tenant, and an abort waits for it. */
#define TO_TAKE(c, t) (c_task[CT(c, t)] == TASK_QUEUED && (!c_abort[c] || c_settle[CT(c, t)]))
#define REPORTED(c)                                                                                \
  (LEADS(c) && c_session[c] == SESSION_LIVE && CONNECTED(c) && a_working[c_link[c] - 1] &&         \
   a_welcome[c_link[c] - 1] == 0 && a_report[c_link[c] - 1] != 0)

/* ---- the coordinator ---- */

/* session_begin, session_on_granted, session_on_stored: the grant, the record and its answer. Only
 * who leads gets that far. */
inline session_begin(c, a)
{
  lease_new();
  st_agent = a + 1;
  c_agent[c] = a + 1;
  c_link[c] = a + 1;
  c_lease[c] = st_lease;
  c_session[c] = SESSION_LIVE;
  session_welcome(c)
}

/* session_step to ENDING, leases_revoke, session_on_ended: no compare with the leader key. */
inline session_revoke(c)
{
  if
  :: c_lease[c] == st_lease -> lease_end()
  :: else
  fi;
  session_ended(c)
}

/* flush_send, flush_on_done: the locks of the window, bound to the session's lease. */
inline locks_write(c)
{
  for (i : 0 .. NT - 1) {
    if
    :: c_window[CT(c, i)] ->
       token_new(i);
       c_lock[CT(c, i)] = st_lock[i]
    :: else
    fi
  }
}

proctype coordinator(byte c)
{
end:
  do
  /* leadership_take_key, fleet_load: from then on only this coordinator writes. Symmetry: the first
   * to lead is number 0. */
  :: d_step {
       GOES_ON && c_term[c] == 0 && st_leader == 0 && (c == 0 || led) ->
       printf("coordinator %d leads\n", c);
       c_loaded[c] = led;
       led = true;
       term_new();
       st_leader = c + 1;
       c_term[c] = st_term;
       c_closed[c] = st_ended;
       c_abort[c] = st_abort;
       if
       :: st_lease != 0 -> /* session_load, fleet_load_lock */
          c_session[c] = SESSION_DETACHED;
          c_lease[c] = st_lease;
          c_agent[c] = st_agent;
          for (i : 0 .. NT - 1) {
            c_lock[CT(c, i)] = st_lock[i]
          }
       :: else
       fi;
       skip
     }
  /* leadership_keep, leadership_lose: it finds out that the key is another's or gone. */
  :: d_step {
       c_term[c] != 0 && !(st_leader == c + 1 && st_term == c_term[c]) ->
       printf("coordinator %d finds that it leads no more\n", c);
       coordinator_forget(c);
       skip
     }
  /* Killed. Its key stays until the lease ends. */
  :: d_step {
       c_term[c] != 0 && faults > 0 ->
       printf("FAULT: coordinator %d is killed\n", c);
       faults--;
       coordinator_forget(c);
       skip
     }

  /* session_on_closed: who has nothing to do may be replaced at once. */
  :: d_step {
       LEADS(c) && c_gone[c] ->
       printf("coordinator %d sees the stream closed\n", c);
       c_gone[c] = false;
       c_link[c] = 0;
       k = 0;
       for (j : 0 .. NT - 1) {
         if
         :: c_task[CT(c, j)] == TASK_LOCKING || c_task[CT(c, j)] == TASK_RUNNING ||
            c_lock[CT(c, j)] != 0 -> k = 1
         :: else
         fi
       }
       if
       :: c_session[c] == SESSION_LIVE && k == 0 -> session_revoke(c)
       :: c_session[c] == SESSION_LIVE && k == 1 -> c_session[c] = SESSION_DETACHED
       :: else
       fi;
       skip
     }
  /* session_on_tick: nobody came back. (That it is silent on a living stream is left out: the store
   * lets the lease end then, see below.) */
  :: d_step {
       c_session[c] == SESSION_DETACHED ->
       printf("coordinator %d revokes the session\n", c);
       session_revoke(c);
       skip
     }
  /* session_on_ended: the store has let it go. */
  :: d_step {
       LEADS(c) && c_lease[c] != 0 && c_lease[c] != st_lease ->
       printf("coordinator %d sees that the session has ended\n", c);
       session_ended(c);
       skip
     }
  /* session_promote: who stands by. */
  :: d_step {
       LEADS(c) && c_term[c] != 0 && c_session[c] == SESSION_NONE && c_link[c] == 0 &&
       (a_link[0] == c + 1 || a_link[NA - 1] == c + 1) ->
       printf("coordinator %d takes who stands by\n", c);
       if
       :: a_link[0] == c + 1 -> session_begin(c, 0)
       :: else -> session_begin(c, NA - 1)
       fi;
       skip
     }

  /* registry_on_report: the journals were read at once, or just before. */
  :: d_step {
       REPORTED(c) ->
       printf("coordinator %d has looked at the journals\n", c);
       n = a_report[c_link[c] - 1] - 1;
       a_report[c_link[c] - 1] = 0;
       report_take(c, 2, n);
       skip
     }
  :: d_step {
       REPORTED(c) && a_report[c_link[c] - 1] != 1 + SEEN ->
       printf("coordinator %d has looked at the journals\n", c);
       n = SEEN;
       a_report[c_link[c] - 1] = 0;
       report_take(c, 2, n);
       skip
     }

  /* wave_take: a window with every tenant that waits. With a dead lease the write is left out
   * (flush_on_probed), which is as if it was not taken. */
  :: d_step {
       LEADS(c) && c_session[c] == SESSION_LIVE && c_reported[c] && c_planned[c] &&
       c_write[c] == 0 && c_lease[c] == st_lease && (TO_TAKE(c, 0) || TO_TAKE(c, NT - 1)) ->
       printf("coordinator %d locks what waits\n", c);
       for (j : 0 .. NT - 1) {
         if
         :: TO_TAKE(c, j) ->
            c_task[CT(c, j)] = TASK_LOCKING;
            c_window[CT(c, j)] = true;
            c_any[CT(c, j)] = false
         :: else
         fi
       }
       c_write[c] = c_lease[c];
       locks_write(c);
       skip
     }
  /* flush_retry_later: the answer was lost; the same write is sent again. */
  :: d_step {
       LEADS(c) && c_write[c] != 0 && c_write[c] == st_lease && faults > 0 ->
       printf("FAULT: coordinator %d locks again, the answer was lost\n", c);
       faults--;
       locks_write(c);
       skip
     }
  /* wave_on_stored: sent only now, and only if the session still lives. */
  :: d_step {
       c_write[c] != 0 ->
       printf("coordinator %d sends tasks\n", c);
       for (j : 0 .. NT - 1) {
         if
         :: c_window[CT(c, j)] && c_task[CT(c, j)] == TASK_LOCKING ->
            if
            :: c_session[c] == SESSION_LIVE && c_lease[c] == c_write[c] &&
               (!c_abort[c] || c_settle[CT(c, j)]) ->
               c_task[CT(c, j)] = TASK_RUNNING;
               c_token[CT(c, j)] = c_lock[CT(c, j)];
               if
               :: CONNECTED(c) ->
                  a_assign[AT(c_link[c] - 1, j)] = c_lock[CT(c, j)];
                  a_settle[AT(c_link[c] - 1, j)] = c_settle[CT(c, j)]
               :: else
               fi
            :: else -> /* wave_give_back */
               lock_release(c, j);
               if
               :: c_abort[c] && !c_settle[CT(c, j)] -> task_cancel(c, j)
               :: else -> c_task[CT(c, j)] = TASK_QUEUED
               fi
            fi
         :: else
         fi;
         c_window[CT(c, j)] = false
       }
       c_write[c] = 0;
       skip
     }

  /* operator_rollout: abort, which is durable before it is answered. */
  :: d_step {
       aborts > 0 && c_term[c] != 0 && LEADS(c) && !st_ended && !st_abort ->
       printf("coordinator %d aborts\n", c);
       aborts--;
       st_abort = true;
       c_abort[c] = true;
       for (j : 0 .. NT - 1) { /* rollout_begin_abort */
         if
         :: c_task[CT(c, j)] == TASK_QUEUED -> task_cancel(c, j)
         :: else
         fi
       };
       skip
     }

  /* rollout_has_looked_again */
  :: d_step {
       LEADS(c) && c_last[c] == 0 && c_session[c] == SESSION_LIVE && !c_asked[c] &&
       !c_abort[c] && FINAL(c) ->
       c_last[c] = 1;
       refresh_send(c);
       skip
     }
  /* rollout_check: every task has ended. */
  :: d_step {
       LEADS(c) && !c_abort[c] && FINAL(c) && LOOKED_AGAIN(c) ->
       rollout_end(c);
       skip
     }
  /* rollout_is_drained */
  :: d_step {
       LEADS(c) && c_abort[c] && DRAINED(c) ->
       rollout_end(c);
       skip
     }
  od
}

/* What the store does by itself: leases end. While their owners believe in them, that is a fault: a
 * pause of the owner, or a cut, for longer than the lease. */
proctype store()
{
end:
  do
  :: d_step {
       st_leader != 0 && c_term[st_leader - 1] != st_term ->
       st_leader = 0;
       skip
     }
  :: d_step {
       st_leader != 0 && c_term[st_leader - 1] == st_term && faults > 0 ->
       printf("FAULT: leader key is gone\n");
       faults--;
       st_leader = 0;
       skip
     }
  :: d_step {
       st_lease != 0 && faults > 0 ->
       printf("FAULT: session's lease is gone\n");
       faults--;
       lease_end();
       skip
     }
  od
}
