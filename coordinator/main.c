/* main.c - skein-coordinator: reads the options, starts the coordinator, waits for a signal. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "common/core/limits.h"
#include "common/core/log.h"
#include "common/core/signals.h"
#include "common/model/program.h"
#include "coordinator/coordinator.h"
#include "coordinator/decide/machines.h"

enum { EXIT_USAGE = 2, FSM_TEXT_BYTES_MAX = 64 << 10 };

#define AT(member) offsetof(struct coordinator_options, member)

static const struct option_spec coordinator_specs[] = {
    { .name = "listen",
      .type = OPTION_TEXT,
      .offset = AT(listen),
      .fallback = "127.0.0.1:7443",
      .argument = "HOST:PORT",
      .help = "where agents and operators connect" },
    { .name = "advertise",
      .type = OPTION_TEXT,
      .offset = AT(advertise),
      .argument = "HOST:PORT",
      .help = "how others reach this coordinator; default: --listen" },
    { .name = "name",
      .type = OPTION_TEXT,
      .offset = AT(name),
      .fallback = "coordinator",
      .argument = "NAME",
      .help = "its name in logs" },
    { .name = "http",
      .type = OPTION_TEXT,
      .offset = AT(http),
      .argument = "HOST:PORT",
      .help = "serve /healthz, /readyz and /metrics here" },
    { .name = "store",
      .type = OPTION_TEXT,
      .offset = AT(store),
      .argument = "LOCATION",
      .help = "sqlite:FILE, or etcd:http://HOST:2379,... ; default: a file in --data-dir" },
    { .name = "store-prefix",
      .type = OPTION_TEXT,
      .offset = AT(store_prefix),
      .fallback = "/skein",
      .argument = "PREFIX",
      .help = "before every key" },
    { .name = "store-user",
      .type = OPTION_TEXT,
      .offset = AT(store_user),
      .argument = "USER",
      .help = "etcd's user" },
    { .name = "store-password",
      .type = OPTION_TEXT,
      .offset = AT(store_password),
      .argument = "TEXT",
      .help = "etcd's password",
      .secret = true },
    { .name = "store-tls-cert",
      .type = OPTION_TEXT,
      .offset = AT(store_tls_cert),
      .argument = "FILE",
      .help = "client certificate for etcd" },
    { .name = "store-tls-key",
      .type = OPTION_TEXT,
      .offset = AT(store_tls_key),
      .argument = "FILE",
      .help = "its key" },
    { .name = "store-tls-ca",
      .type = OPTION_TEXT,
      .offset = AT(store_tls_ca),
      .argument = "FILE",
      .help = "who signs etcd's certificate" },
    { .name = "data-dir",
      .type = OPTION_TEXT,
      .offset = AT(data_dir),
      .fallback = ".",
      .argument = "DIR",
      .help = "where skein.db lies when --store is not given" },
    { .name = "tls-cert",
      .type = OPTION_TEXT,
      .offset = AT(tls_cert),
      .argument = "FILE",
      .help = "certificate to serve with; read again when it changes" },
    { .name = "tls-key",
      .type = OPTION_TEXT,
      .offset = AT(tls_key),
      .argument = "FILE",
      .help = "its key" },
    { .name = "tls-ca",
      .type = OPTION_TEXT,
      .offset = AT(tls_ca),
      .argument = "FILE",
      .help = "demand client certificates that this authority signed" },
    { .name = "insecure",
      .type = OPTION_FLAG,
      .offset = AT(insecure),
      .help = "serve without encryption beyond loopback" },
    { .name = "log-level",
      .type = OPTION_CHOICE,
      .offset = AT(log_level),
      .fallback = "info",
      .argument = "LEVEL",
      .choices = "debug|info|warning|error",
      .help = "what is logged" },
    { .name = "grace-ms",
      .type = OPTION_U64,
      .offset = AT(grace_ms),
      .fallback = "2000",
      .argument = "MS",
      .max = 600000,
      .help = "how long open calls may go on at shutdown" },
    { .name = "config",
      .type = OPTION_TEXT,
      .offset = AT(config),
      .argument = "FILE",
      .help = "read options from this YAML file" },
    { .name = "help",
      .type = OPTION_FLAG,
      .offset = AT(help),
      .help = "print this",
      .flag_only = true,
      .letter = 'h' },
    { .name = "version",
      .type = OPTION_FLAG,
      .offset = AT(version),
      .help = "print the version",
      .flag_only = true },
};

static const struct program coordinator_program = {
    .name = "skein-coordinator",
    .usage = "skein-coordinator [OPTIONS]\n"
             "       skein-coordinator config show [OPTIONS]\n"
             "       skein-coordinator fsm [NAME]",
    .summary = "skein-coordinator holds plans and locks and streams tasks to the shards' agents.",
    .specs = coordinator_specs,
    .spec_count = COUNT_OF(coordinator_specs),
};

static int main_fail(const struct error *err, int code)
{
    fprintf(stderr, "skein-coordinator: %s\n", err->message);
    return code;
}

/* `fsm` lists the state machines, `fsm NAME` prints one as a Mermaid diagram. */
static int main_fsm(int words, char *argv[])
{
    size_t count;
    const struct fsm *const *machines = fleet_machines(&count);

    for (size_t i = 0; i < count; i++) {
        if (words == 1) {
            puts(machines[i]->noun);
        } else if (strcmp(argv[2], machines[i]->noun) == 0) {
            CLEANUP(buf_release) struct buf text = { .size_max = FSM_TEXT_BYTES_MAX };
            fsm_print_mermaid(machines[i], &text);
            fputs(buf_text(&text), stdout);
            return 0;
        }
    }
    if (words > 1) {
        fprintf(stderr, "skein-coordinator: there is no state machine '%s'; `fsm` lists them\n",
                argv[2]);
        return EXIT_USAGE;
    }
    return 0;
}

/* Each agent is an open file, and gRPC only waits when there are no more: so take what the system
 * allows. Nothing here uses select(), which is why programs must ask. */
static void main_raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) == 0) {
            log_info("open_files", "limit=%llu", (unsigned long long)limit.rlim_cur);
        }
    }
}

static int main_serve(const struct coordinator_options *options)
{
    struct coordinator *coordinator = NULL;
    struct error err = { 0 };

    log_set_level(options->log_level);
    main_raise_file_limit();
    if (!coordinator_start(options, &coordinator, &err)) {
        return main_fail(&err, err.code == ERR_INVALID ? EXIT_USAGE : 1);
    }
    int signal_number = signals_wait_for_stop();
    log_info("coordinator_stopping", "signal=%d", signal_number);
    signals_end_within(options->grace_ms + STOP_MARGIN_MS);
    coordinator_stop(&coordinator);
    log_info("coordinator_stopped", "signal=%d", signal_number);
    return 0;
}

int main(int argc, char *argv[])
{
    struct coordinator_options options = { 0 };
    enum program_next next;
    struct error err = { 0 };
    int words;
    int code = 0;

    signals_block();
    if (!fleet_check_machines(&err)) {
        return main_fail(&err, 1);
    }
    if (!program_options(&coordinator_program, argc, argv, &options, &next, &words, &err)) {
        code = main_fail(&err, EXIT_USAGE);
    } else if (next == PROGRAM_COMMAND && strcmp(argv[1], "fsm") == 0 && words <= 2) {
        code = main_fsm(words, argv);
    } else if (next == PROGRAM_COMMAND) {
        fprintf(stderr, "skein-coordinator: unknown command '%s'; try --help\n", argv[1]);
        code = EXIT_USAGE;
    } else if (next == PROGRAM_RUN) {
        code = main_serve(&options);
    }
    options_release(coordinator_specs, COUNT_OF(coordinator_specs), &options);
    return code;
}
