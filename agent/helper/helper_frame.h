/* helper_frame.h - what the agent and its helper processes say to each other, as bytes.
 *
 * Pure but for the two functions that wait for a descriptor. A frame is its size (of all that
 * follows, 4 bytes), its kind (1 byte) and fields: a number is 8 bytes, a text its size (with its
 * NUL; 0 for none), then its bytes. Both ends run on one host, so numbers are in its own order. */
#ifndef SKEIN_AGENT_HELPER_HELPER_FRAME_H
#define SKEIN_AGENT_HELPER_HELPER_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/core/error.h"

/* In the arguments of a helper: one of another release refuses to work. */
#define HELPER_PROTOCOL "1"

/* Descriptors of a helper besides the three that every process has. */
enum { HELPER_FD_CONTROL = 3, HELPER_FD_TALK = 4 };

enum helper_frame_kind {
    /* Agent to watcher, on HELPER_FD_CONTROL. */
    HELPER_FRAME_EXTEND = 1, /* until: by the monotonic clock, in ms */
    HELPER_FRAME_STOP,       /* grace: in ms, from SIGTERM to SIGKILL */
    /* Watcher to agent. */
    HELPER_FRAME_ENDED,       /* exit status, signal or 0 */
    HELPER_FRAME_NOT_STARTED, /* why */
    /* Agent to plugin, on HELPER_FD_TALK. */
    HELPER_FRAME_CALL,   /* enum helper_function */
    HELPER_FRAME_ANSWER, /* 1 and rows, columns, texts; or 0 and the server's words */
    /* Plugin to agent. */
    HELPER_FRAME_LOADED,   /* name, 1 if it verifies, 1 if it rolls back */
    HELPER_FRAME_SQL,      /* text, count of parameters, parameters */
    HELPER_FRAME_PROGRESS, /* done, total */
    HELPER_FRAME_RETURNED, /* 0 or 1 for failure, reason */
    HELPER_FRAME_KIND_END,
};

enum helper_function { HELPER_APPLY, HELPER_VERIFY, HELPER_ROLLBACK, HELPER_FUNCTION_COUNT };

/* Appends a frame's beginning and returns where it stands, for helper_frame_end. */
size_t helper_frame_begin(struct buf *buf, enum helper_frame_kind kind);
void helper_frame_put_u64(struct buf *buf, uint64_t number);
void helper_frame_put_text(struct buf *buf, const char *text); /* NULL: none */
void helper_frame_end(struct buf *buf, size_t begin);

/* A frame that has come in. It borrows the bytes that it was found in; taking fields off its front
 * marks it as broken instead of reading beyond them. */
struct helper_frame {
    enum helper_frame_kind kind;
    struct bytes rest;
    bool broken;
};

enum helper_frame_state { HELPER_FRAME_PARTIAL, HELPER_FRAME_WHOLE, HELPER_FRAME_BROKEN };

/* Looks at the front of what was received. WHOLE: *ret_size is what the frame takes there. BROKEN:
 * an unknown kind, or more than PLUGIN_FRAME_BYTES_MAX. */
enum helper_frame_state helper_frame_find(struct bytes received, struct helper_frame *ret_frame,
                                          size_t *ret_size);
uint64_t helper_frame_take_u64(struct helper_frame *frame);     /* 0 when broken */
const char *helper_frame_take_text(struct helper_frame *frame); /* NULL for none or when broken */
/* Whether every field was there and nothing is left. */
bool helper_frame_is_done(const struct helper_frame *frame);

/* For the helper's side, whose descriptors block. False: the other side is gone. */
MUST_CHECK bool helper_frame_send(int fd, const struct buf *buf);
/* The next frame; `buf` keeps what was received behind it. `*used` is what the frame before has
 * taken of it, 0 at first. False: the other side is gone, or spoke nonsense. */
MUST_CHECK bool helper_frame_receive(int fd, struct buf *buf, size_t *used,
                                     struct helper_frame *ret_frame);

#endif
