#include "agent/agent_gate.h"

#include <stdio.h>
#include <string.h>

#include "common/core/clock.h"

void agent_gate_init(struct agent_gate *gate)
{
    *gate = (struct agent_gate){ .stop_ms = UINT64_MAX, .reason = "starting" };
    pthread_mutex_init(&gate->mutex, NULL);
    clock_cond_init(&gate->drained);
}

void agent_gate_release(struct agent_gate *gate)
{
    pthread_cond_destroy(&gate->drained);
    pthread_mutex_destroy(&gate->mutex);
}

void agent_gate_drain(struct agent_gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    gate->drain_asked = true;
    pthread_mutex_unlock(&gate->mutex);
}

void agent_gate_wait_drained(struct agent_gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    while (!gate->drain_done) {
        pthread_cond_wait(&gate->drained, &gate->mutex);
    }
    pthread_mutex_unlock(&gate->mutex);
}

bool agent_gate_is_draining(struct agent_gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    bool asked = gate->drain_asked;
    pthread_mutex_unlock(&gate->mutex);
    return asked;
}

void agent_gate_say_drained(struct agent_gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    gate->drain_done = true;
    pthread_cond_broadcast(&gate->drained);
    pthread_mutex_unlock(&gate->mutex);
}

void agent_gate_stop(struct agent_gate *gate, uint64_t until_ms)
{
    pthread_mutex_lock(&gate->mutex);
    gate->stop_ms = until_ms;
    pthread_mutex_unlock(&gate->mutex);
}

uint64_t agent_gate_stop_ms(struct agent_gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    uint64_t until_ms = gate->stop_ms;
    pthread_mutex_unlock(&gate->mutex);
    return until_ms;
}

void agent_gate_set_ready(struct agent_gate *gate, bool ready, const char *reason)
{
    pthread_mutex_lock(&gate->mutex);
    gate->ready = ready;
    snprintf(gate->reason, sizeof(gate->reason), "%s", reason);
    pthread_mutex_unlock(&gate->mutex);
}

bool agent_gate_is_ready(struct agent_gate *gate, char ret_reason[AGENT_REASON_BYTES])
{
    pthread_mutex_lock(&gate->mutex);
    bool ready = gate->ready;
    memcpy(ret_reason, gate->reason, sizeof(gate->reason));
    pthread_mutex_unlock(&gate->mutex);
    return ready;
}
