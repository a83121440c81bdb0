#include "common/sql/sql_parser.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"

/* Reserved, not used: pages are committed when the stack reaches them. */
enum { SQL_PARSER_STACK_BYTES = 256 << 20 };

enum sql_parser_state {
    SQL_PARSER_IDLE,
    SQL_PARSER_ASKED, /* `job` waits for the thread */
    SQL_PARSER_WORKING,
    SQL_PARSER_ANSWERED,
    SQL_PARSER_STOPPED,
};

struct sql_parser {
    pthread_t thread;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    enum sql_parser_state state;
    sql_parser_job *job;
    void *context;
};

static void *sql_parser_run(void *argument)
{
    struct sql_parser *parser = argument;

    pthread_mutex_lock(&parser->mutex);
    while (parser->state != SQL_PARSER_STOPPED) {
        if (parser->state != SQL_PARSER_ASKED) {
            pthread_cond_wait(&parser->changed, &parser->mutex);
            continue;
        }
        parser->state = SQL_PARSER_WORKING;
        pthread_mutex_unlock(&parser->mutex);
        parser->job(parser->context);
        pthread_mutex_lock(&parser->mutex);
        parser->state = SQL_PARSER_ANSWERED;
        pthread_cond_broadcast(&parser->changed);
    }
    pthread_mutex_unlock(&parser->mutex);
    return NULL;
}

static void sql_parser_check(int code, const char *what)
{
    if (code != 0) {
        fprintf(stderr, "skein: %s: %s\n", what, strerror(code));
        abort(); /* as when memory is short: at start-up the process cannot go on */
    }
}

struct sql_parser *sql_parser_new(void)
{
    struct sql_parser *parser = memory_alloc(sizeof(*parser));
    pthread_attr_t attributes;
    sigset_t all;
    sigset_t before;

    parser->state = SQL_PARSER_IDLE;
    sql_parser_check(pthread_mutex_init(&parser->mutex, NULL), "make a mutex");
    sql_parser_check(pthread_cond_init(&parser->changed, NULL), "make a condition");
    sql_parser_check(pthread_attr_init(&attributes), "make a thread's attributes");
    sql_parser_check(pthread_attr_setstacksize(&attributes, SQL_PARSER_STACK_BYTES),
                     "reserve the parser's stack");
    sigfillset(&all); /* signals belong to the other threads */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&parser->thread, &attributes, sql_parser_run, parser);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    sql_parser_check(code, "start the parser's thread");
    pthread_attr_destroy(&attributes);
    return parser;
}

void sql_parser_free(struct sql_parser **parser)
{
    struct sql_parser *p = *parser;

    if (p == NULL) {
        return;
    }
    pthread_mutex_lock(&p->mutex);
    assert(p->state == SQL_PARSER_IDLE); /* nobody may be using it any more */
    p->state = SQL_PARSER_STOPPED;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->mutex);
    pthread_join(p->thread, NULL);
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->mutex);
    memory_free(parser);
}

void sql_parser_call(struct sql_parser *parser, sql_parser_job *job, void *context)
{
    pthread_mutex_lock(&parser->mutex);
    while (parser->state != SQL_PARSER_IDLE) { /* another caller's request */
        pthread_cond_wait(&parser->changed, &parser->mutex);
    }
    parser->job = job;
    parser->context = context;
    parser->state = SQL_PARSER_ASKED;
    pthread_cond_broadcast(&parser->changed);
    while (parser->state != SQL_PARSER_ANSWERED || parser->context != context) {
        pthread_cond_wait(&parser->changed, &parser->mutex);
    }
    parser->job = NULL;
    parser->context = NULL;
    parser->state = SQL_PARSER_IDLE;
    pthread_cond_broadcast(&parser->changed);
    pthread_mutex_unlock(&parser->mutex);
}

struct sql_parser_split {
    const char *text;
    PgQuerySplitResult result;
};

static void sql_parser_split_job(void *context)
{
    struct sql_parser_split *split = context;

    split->result = pg_query_split_with_parser(split->text);
}

PgQuerySplitResult sql_parser_split(struct sql_parser *parser, const char *text)
{
    struct sql_parser_split split = { .text = text };

    sql_parser_call(parser, sql_parser_split_job, &split);
    return split.result;
}
