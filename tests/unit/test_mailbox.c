/* LIBS: skein_core */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/core/clock.h"
#include "common/core/mailbox.h"
#include "common/core/memory.h"

enum { WAIT_MS = 20000, EVENTS = 8, BYTES = 1000, LARGE = 10000 };

struct letter {
    size_t bytes;
};

static void discard(void *message)
{
    free(message);
}

static size_t measure(const void *message)
{
    return ((const struct letter *)message)->bytes;
}

static struct letter *letter_new(size_t bytes)
{
    struct letter *letter = memory_alloc(sizeof(*letter));

    letter->bytes = bytes;
    return letter;
}

static int set_up(void **state)
{
    struct mailbox *mailbox = mailbox_new(EVENTS, discard);

    mailbox_bound_bytes(mailbox, BYTES, measure);
    *state = mailbox;
    return 0;
}

static int tear_down(void **state)
{
    struct mailbox *mailbox = *state;

    mailbox_free(&mailbox);
    return 0;
}

static void take_one(struct mailbox *mailbox, size_t bytes)
{
    void *message = NULL;

    assert_int_equal(mailbox_take(mailbox, &message, 1, clock_monotonic_ms() + WAIT_MS), 1);
    struct letter *letter = message;
    assert_int_equal(letter->bytes, bytes);
    free(letter);
}

static void expect_full(struct mailbox *mailbox)
{
    struct letter *letter = letter_new(1);

    assert_false(mailbox_try_post(mailbox, letter));
    free(letter);
}

static void it_is_full_when_its_bytes_are(void **state)
{
    struct mailbox *mailbox = *state;

    assert_true(mailbox_try_post(mailbox, letter_new(600)));
    assert_true(mailbox_try_post(mailbox, letter_new(400)));
    assert_int_equal(mailbox_bytes(mailbox), 1000);
    expect_full(mailbox);
    take_one(mailbox, 600);
    assert_true(mailbox_try_post(mailbox, letter_new(1)));
    assert_int_equal(mailbox_bytes(mailbox), 401);
}

static void it_is_full_when_its_places_are(void **state)
{
    struct mailbox *mailbox = *state;

    for (int i = 0; i < EVENTS; i++) {
        assert_true(mailbox_try_post(mailbox, letter_new(1)));
    }
    expect_full(mailbox);
}

static void a_message_above_the_bound_does_not_wait_for_ever(void **state)
{
    struct mailbox *mailbox = *state;

    assert_true(mailbox_try_post(mailbox, letter_new(LARGE)));
    expect_full(mailbox);
    take_one(mailbox, LARGE);
    assert_int_equal(mailbox_bytes(mailbox), 0);
    assert_true(mailbox_try_post(mailbox, letter_new(1)));
}

static void what_must_not_be_lost_is_taken_beyond_the_bytes(void **state)
{
    struct mailbox *mailbox = *state;

    assert_true(mailbox_try_post(mailbox, letter_new(BYTES)));
    mailbox_post_reserved(mailbox, letter_new(5));
    assert_int_equal(mailbox_depth(mailbox), 2);
    assert_int_equal(mailbox_bytes(mailbox), BYTES + 5);
}

static void *post_three(void *argument)
{
    for (size_t i = 1; i <= 3; i++) {
        mailbox_post(argument, letter_new(BYTES * i));
    }
    return NULL;
}

static void who_may_wait_waits_for_bytes(void **state)
{
    struct mailbox *mailbox = *state;
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, post_three, mailbox), 0);
    for (size_t i = 1; i <= 3; i++) {
        take_one(mailbox, BYTES * i);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
}

int main(void)
{
#define WITH_MAILBOX(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_MAILBOX(it_is_full_when_its_bytes_are),
        WITH_MAILBOX(it_is_full_when_its_places_are),
        WITH_MAILBOX(a_message_above_the_bound_does_not_wait_for_ever),
        WITH_MAILBOX(what_must_not_be_lost_is_taken_beyond_the_bytes),
        WITH_MAILBOX(who_may_wait_waits_for_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
