/* operator_publish.h - PublishSet: gathers the archive, checks it off the loop, asks the brain.
 *
 * Uploads belong to the rpc loop. Reading a large set and parsing its scripts takes too long for
 * the loop, so one worker thread does it, behind a queue of PUBLISH_QUEUE_MAX; a set that may be
 * published reaches the brain as EVENT_OPERATOR, one that may not ends its call right there. */
#ifndef SKEIN_COORDINATOR_SERVE_OPERATOR_PUBLISH_H
#define SKEIN_COORDINATOR_SERVE_OPERATOR_PUBLISH_H

#include <stdbool.h>

#include "common/core/arena.h"
#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/core/error.h"
#include "common/core/mailbox.h"
#include "common/sql/sql_script.h"
#include "coordinator/serve/operator_calls.h"

struct operator_publish;

/* A zeroed upload is empty. */
struct operator_upload {
    struct arena arena; /* the texts */
    struct buf archive;
    bool started;
    bool dry_run;
    const char *reason;
};
void operator_upload_release(struct operator_upload *upload);

struct operator_publish *operator_publish_new(struct mailbox *inbox, struct operator_calls *calls,
                                              struct sql_parser *parser);
/* Joins the worker; what still waits is dropped. `inbox` is closed by now. */
void operator_publish_free(struct operator_publish **pointer);

/* One PublishSetRequest. ERR_LIMIT above SET_ARCHIVE_BYTES_MAX. */
MUST_CHECK bool operator_publish_add(struct operator_upload *upload, struct bytes message,
                                     struct error *err);
/* The client has sent all: takes the upload's content. ERR_LIMIT when too many sets wait. */
MUST_CHECK bool operator_publish_submit(struct operator_publish *publish, uint64_t number,
                                        struct operator_upload *upload, struct error *err);

#endif
