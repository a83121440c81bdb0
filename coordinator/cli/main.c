/* main.c - `skein`, the operator's command. */
#include <signal.h>

#include "coordinator/cli/cli.h"

int main(int argc, char *argv[])
{
    /* A reader that goes away is seen when writing; a coordinator that goes away, by gRPC. */
    (void)signal(SIGPIPE, SIG_IGN);
    return cli_run(argc, argv);
}
