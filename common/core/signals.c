#include "common/core/signals.h"

#include <signal.h>
#include <stddef.h>

static void signals_fill(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
}

void signals_block(void)
{
    sigset_t set;

    signals_fill(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

int signals_wait_for_stop(void)
{
    sigset_t set;
    int number = 0;

    signals_fill(&set);
    while (number != SIGTERM && number != SIGINT) {
        sigwait(&set, &number);
    }
    /* The default action again: who asks twice does not want to wait. */
    sigdelset(&set, SIGHUP);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    return number;
}
