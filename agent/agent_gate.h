/* agent_gate.h - where other threads ask the agent's brain for something: drain, stop, are you
 * ready?
 *
 * One mutex guards it; the brain looks at it in each round. */
#ifndef SKEIN_AGENT_AGENT_GATE_H
#define SKEIN_AGENT_AGENT_GATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum { AGENT_REASON_BYTES = 256 };

struct agent_gate {
    pthread_mutex_t mutex;
    pthread_cond_t drained;
    bool drain_asked, drain_done;
    uint64_t stop_ms; /* UINT64_MAX: nobody has asked */
    bool ready;
    char reason[AGENT_REASON_BYTES];
};

void agent_gate_init(struct agent_gate *gate);
void agent_gate_release(struct agent_gate *gate);

/* ---- of other threads ---- */
void agent_gate_drain(struct agent_gate *gate);
void agent_gate_wait_drained(struct agent_gate *gate);
/* `until_ms`: how long what is not acknowledged may be waited for. */
void agent_gate_stop(struct agent_gate *gate, uint64_t until_ms);
bool agent_gate_is_ready(struct agent_gate *gate, char ret_reason[AGENT_REASON_BYTES]);

/* ---- of the brain ---- */
bool agent_gate_is_draining(struct agent_gate *gate);
void agent_gate_say_drained(struct agent_gate *gate);
/* UINT64_MAX: not asked to stop. */
uint64_t agent_gate_stop_ms(struct agent_gate *gate);
void agent_gate_set_ready(struct agent_gate *gate, bool ready, const char *reason);

#endif
