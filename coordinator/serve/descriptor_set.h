/* descriptor_set.h - an index of a serialized FileDescriptorSet: files, symbols, services.
 *
 * Pure; immutable after descriptor_set_read. Reads just the fields that it needs, so no generated
 * code for descriptor.proto is wanted. Borrows the bytes. */
#ifndef SKEIN_COORDINATOR_SERVE_DESCRIPTOR_SET_H
#define SKEIN_COORDINATOR_SERVE_DESCRIPTOR_SET_H

#include <stdbool.h>
#include <stddef.h>

#include "common/core/arena.h"
#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/core/error.h"

enum { DESCRIPTOR_FILES_MAX = 32, DESCRIPTOR_SYMBOLS_MAX = 2048, DESCRIPTOR_NESTING_MAX = 8 };

struct descriptor_file {
    const char *name;
    const char *package;
    struct bytes bytes; /* a FileDescriptorProto */
    const char *dependencies[DESCRIPTOR_FILES_MAX];
    size_t dependency_count;
};

struct descriptor_symbol {
    const char *name; /* "skein.v1.AgentService.Connect" */
    size_t file;
};

struct descriptor_set {
    struct arena arena;
    struct descriptor_file *files;
    size_t file_count;
    struct descriptor_symbol *symbols; /* messages, enums, services, methods; sorted by name */
    size_t symbol_count;
    const char **services; /* full names */
    size_t service_count;
};

MUST_CHECK bool descriptor_set_read(struct bytes bytes, struct descriptor_set *ret_set,
                                    struct error *err);
void descriptor_set_release(struct descriptor_set *set);

/* DESCRIPTOR_FILES_MAX if there is none. */
size_t descriptor_set_find_file(const struct descriptor_set *set, const char *name);
size_t descriptor_set_find_symbol(const struct descriptor_set *set, const char *name);

/* The file, then everything that it imports, directly or not, each once. Returns how many. */
size_t descriptor_set_closure(const struct descriptor_set *set, size_t file,
                              size_t ret_files[DESCRIPTOR_FILES_MAX]);

#endif
