/* worker_pace.h - how many of the agent's workers may work at once.
 *
 * Pure; owned by the watcher. One more for each second in which nobody was disturbed and there was
 * work for more, half as many when live traffic or the server suffers (at most once a second, so
 * that the effect is seen before it is judged again). Between 1 and all of them, which is where it
 * starts: a server at ease is never slowed down. */
#ifndef SKEIN_AGENT_DECIDE_WORKER_PACE_H
#define SKEIN_AGENT_DECIDE_WORKER_PACE_H

#include <stdbool.h>
#include <stdint.h>

enum worker_strain {
    WORKER_STRAIN_NONE,
    WORKER_STRAIN_LOCKS,       /* we waited for the application's locks, or stood in its way */
    WORKER_STRAIN_LAG,         /* a standby is behind */
    WORKER_STRAIN_CONNECTIONS, /* few are left */
    WORKER_STRAIN_LOAD,        /* more sessions at work than the server has been told to bear */
    WORKER_STRAIN_COUNT,
};

struct worker_pace {
    uint32_t most;
    uint32_t now;
    uint64_t changed_ms;
    enum worker_strain reason; /* of the last halving; NONE when all may work */
};

void worker_pace_init(struct worker_pace *pace, uint32_t workers, uint64_t now_ms);
/* What the last moments were like. Returns whether the number has changed. */
bool worker_pace_step(struct worker_pace *pace, enum worker_strain strain, uint64_t now_ms);
/* "sessions wait for locks", ...; "" for NONE. */
const char *worker_pace_words(enum worker_strain strain);

#endif
