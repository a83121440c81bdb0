/* agent.pml - an agent: its line to a coordinator, its lease, its tasks and their tries. */

/* uplink_accepts_term; messages of a stream all have the term that its coordinator led with. */
#ifdef NO_TERM
#define OBEYS(a) (true)
#else
#define OBEYS(a) (a_stream[a] >= a_term[a])
#endif

/* uplink_lease_ran_out */
#ifdef NO_AGENT_LEASE
#define MINDS_LEASE (a_link[a] != 0 && c_lease[a_link[a] - 1] != a_lease[a])
#else
#define MINDS_LEASE (true)
#endif

/* executor_cancel: what waits is answered at once, but for tries whose COMMIT is not settled; what
 * works is cancelled when the server hears of it. */
inline agent_cancel(a)
{
  for (j : 0 .. SLOTS - 1) {
    if
    :: s_state[AS(a, j)] == SLOT_WAITS && !s_uncertain[AS(a, j)] -> s_state[AS(a, j)] = SLOT_AGAIN
    :: s_state[AS(a, j)] == SLOT_WORKS ||
       (s_state[AS(a, j)] == SLOT_WAITS && s_uncertain[AS(a, j)]) -> s_cancel[AS(a, j)] = true
    :: else
    fi
  }
}

#define ADOPTS(a, c)                                                                               \
  (c_session[c] != SESSION_NONE &&                                                                 \
   (c_agent[c] == a + 1 || (c_lease[c] != 0 && c_lease[c] == a_lease[a])))

/* session_on_hello: answered in one step, since nothing that happens between sending and reading it
 * changes what it says. A dead session that the coordinator takes for alive costs a fault. */
inline hello(a, c)
{
  printf("agent %d says hello to coordinator %d\n", a, c);
  a_link[a] = c + 1;
  came = true;
  a_stream[a] = c_term[c];
  a_term[a] = (a_lease[a] == 0 -> 0 : a_term[a]); /* uplink_enter */
  if
  :: c_session[c] == SESSION_NONE -> session_begin(c, a)
  :: ADOPTS(a, c) -> /* session_adopt */
     c_link[c] = a + 1;
     c_gone[c] = false;
     c_session[c] = SESSION_LIVE;
     session_welcome(c);
     for (i : 0 .. NT - 1) {
       reconcile(c, a, i)
     }
  :: else -> /* agent_on_standby */
     if
     :: a_lease[a] != 0 && OBEYS(a) -> a_lease[a] = 0; agent_cancel(a)
     :: else
     fi
  fi
}

/* agent_on_welcome, agent_send_all_tenants. Its report, which was perhaps read long before, is
 * taken in the same step. */
inline welcome_take(a, seen)
{
  if
  :: OBEYS(a) ->
     printf("agent %d is welcome\n", a);
     if
     :: a_welcome[a] != a_lease[a] -> agent_cancel(a) /* locked under another lease */
     :: else
     fi;
     a_lease[a] = a_welcome[a];
     a_term[a] = a_stream[a];
     a_working[a] = true;
     a_welcome[a] = 0;
     n = seen;
     m = a_link[a] - 1;
     if
     :: c_session[m] == SESSION_LIVE && c_link[m] == a + 1 -> report_take(m, 1, n)
     :: else
     fi
  :: else -> a_welcome[a] = 0
  fi
}

/* agent_on_assign, task_list_add */
inline assign_take(a, t)
{
  k = SLOTS;
  for (j : 0 .. SLOTS - 1) {
    k = (s_state[AS(a, j)] == SLOT_FREE && k == SLOTS -> j : k)
  }
  if
  :: a_working[a] && a_lease[a] != 0 ->
     printf("agent %d has tenant %d with token %d\n", a, t, a_assign[AT(a, t)]);
     s_state[AS(a, k)] = SLOT_WAITS;
     s_tenant[AS(a, k)] = t;
     s_token[AS(a, k)] = a_assign[AT(a, t)];
     s_settle[AS(a, k)] = a_settle[AT(a, t)];
     try_start(AS(a, k))
  :: else
  fi;
  a_assign[AT(a, t)] = 0;
  a_settle[AT(a, t)] = false
}

#define SLOT_THERE(a)                                                                              \
  (s_state[AS(a, 0)] == SLOT_FREE || s_state[AS(a, 1)] == SLOT_FREE ||                             \
   s_state[AS(a, SLOTS - 1)] == SLOT_FREE)
#define MAY_ASSIGN(a, t) (a_assign[AT(a, t)] != 0 && a_welcome[a] == 0 && SLOT_THERE(a))
#define MAY_CANCEL(n) ((s_state[n] == SLOT_WAITS || s_state[n] == SLOT_WORKS) && !s_cancel[n])
#define CANCELLABLE(a)                                                                             \
  (MAY_CANCEL(AS(a, 0)) || MAY_CANCEL(AS(a, 1)) || MAY_CANCEL(AS(a, SLOTS - 1)))

/* Who would only stand by comes when there is something to gain, which is the same. */
#define MATTERS(a, c)                                                                              \
  ((c_session[c] == SESSION_NONE && LEADS(c)) || ADOPTS(a, c) ||                                   \
   (a_lease[a] != 0 && c_session[c] != SESSION_NONE))
#define MAY_HELLO(a, c)                                                                            \
  (a_link[a] == 0 && c_term[c] != 0 && MATTERS(a, c) && (a == 0 || came) &&                        \
   (c_lease[c] == 0 || c_lease[c] == st_lease))
#define MAY_HELLO_DEAD(a, c)                                                                       \
  (a_link[a] == 0 && c_term[c] != 0 && MATTERS(a, c) && c_lease[c] != 0 &&                         \
   c_lease[c] != st_lease && faults > 0)

proctype agent(byte a)
{
end:
  do
  /* agent_connect. Symmetry: the first to come is number 0. */
  :: d_step { MAY_HELLO(a, 0) -> hello(a, 0); skip }
  :: d_step { MAY_HELLO_DEAD(a, 0) -> faults--; hello(a, 0); skip }
#if NC > 1
  :: d_step { MAY_HELLO(a, 1) -> hello(a, 1); skip }
  :: d_step { MAY_HELLO_DEAD(a, 1) -> faults--; hello(a, 1); skip }
#endif

  /* The newest state of the tenants, or an old one. */
  :: d_step { a_welcome[a] != 0 -> welcome_take(a, SEEN); skip }
  :: d_step { a_welcome[a] != 0 && SEEN != 0 -> welcome_take(a, 0); skip }
  /* agent_on_assign, task_list_add */
  :: d_step { MAY_ASSIGN(a, 0) -> assign_take(a, 0); skip }
#if NT > 1
  :: d_step { MAY_ASSIGN(a, 1) -> assign_take(a, 1); skip }
#endif

  /* agent_on_lease_end: by its own clock, sooner or later after the store let the lease go. */
  :: d_step {
       MINDS_LEASE && a_lease[a] != 0 && a_lease[a] != st_lease ->
       printf("agent %d sees its lease run out\n", a);
       a_lease[a] = 0;
       agent_cancel(a);
       if
       :: a_link[a] != 0 -> stream_cut(a)
       :: else
       fi;
       skip
     }
  /* The same while the lease still lives: it was cut off for long. */
  :: d_step {
       a_lease[a] != 0 && a_lease[a] == st_lease && a_link[a] == 0 && faults > 0 ->
       printf("FAULT: agent %d has been cut off for a lease\n", a);
       faults--;
       a_lease[a] = 0;
       agent_cancel(a);
       skip
     }
  /* The stream breaks. */
  :: d_step {
       a_link[a] != 0 && faults > 0 ->
       printf("FAULT: the stream of agent %d breaks\n", a);
       faults--;
       stream_cut(a);
       skip
     }
  /* agent_on_cancel: the rollout is being aborted. */
  :: d_step { st_abort && a_working[a] && CANCELLABLE(a) -> agent_cancel(a); skip }
  /* Killed and started again. What it sent to the database is still under way there. */
  :: d_step {
       faults > 0 && (a_link[a] != 0 || a_lease[a] != 0) ->
       printf("FAULT: agent %d is killed\n", a);
       faults--;
       if
       :: a_link[a] != 0 -> stream_cut(a)
       :: else
       fi;
       a_lease[a] = 0;
       a_term[a] = 0;
       for (j : 0 .. SLOTS - 1) {
         slot_clear(AS(a, j))
       }
       for (j : 0 .. BACKENDS - 1) {
         if
         :: b_owner[j] > a * SLOTS && b_owner[j] <= (a + 1) * SLOTS ->
            b_owner[j] = 0
         :: else
         fi
       };
       skip
     }
  od
}

/* One task of an agent, from its start to its answer: executor_work, task_run. */
proctype worker(byte a; byte s)
{
end:
  do
  /* A connection has become free. */
  :: d_step {
       s_state[AS(a, s)] == SLOT_WAITS && BACKEND_THERE ->
       try_start(AS(a, s));
       skip
     }
  /* agent_send_results, and the coordinator's step: an answer that is read late says the same. */
  :: d_step {
       s_state[AS(a, s)] >= SLOT_OK && a_working[a] && a_link[a] == 1 ->
       result_take(0, a, s, s_tenant[AS(a, s)]);
       skip
     }
#if NC > 1
  :: d_step {
       s_state[AS(a, s)] >= SLOT_OK && a_working[a] && a_link[a] == 2 ->
       result_take(1, a, s, s_tenant[AS(a, s)]);
       skip
     }
#endif
  od
}
