#include "common/core/signals.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

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

static void signals_on_alarm(int number)
{
    static const char words[] = "skein: some thread did not end in time (a server that neither "
                                "answers nor hangs up?): ended without it\n";
    ssize_t written = write(STDERR_FILENO, words, sizeof(words) - 1);

    (void)number;
    (void)written;
    _exit(1);
}

void signals_end_within(uint64_t wait_ms)
{
    const struct sigaction action = { .sa_handler = signals_on_alarm };

    sigaction(SIGALRM, &action, NULL);
    alarm((unsigned)((wait_ms + 999) / 1000));
}
