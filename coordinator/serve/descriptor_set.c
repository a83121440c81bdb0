#include "coordinator/serve/descriptor_set.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Field numbers of google/protobuf/descriptor.proto. */
enum {
    SET_FILE = 1,
    FILE_NAME = 1,
    FILE_PACKAGE = 2,
    FILE_DEPENDENCY = 3,
    FILE_MESSAGE = 4,
    FILE_ENUM = 5,
    FILE_SERVICE = 6,
    ANY_NAME = 1, /* of messages, enums, services, methods */
    MESSAGE_NESTED = 3,
    MESSAGE_ENUM = 4,
    SERVICE_METHOD = 2,
};

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

static bool descriptor_set_varint(struct bytes *rest, uint64_t *ret_value)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64 && rest->size > 0; shift += 7) {
        uint8_t byte = *rest->data++;
        rest->size--;
        value |= (uint64_t)(byte & 0x7F) << shift;
        if ((byte & 0x80) == 0) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

/* The next length-delimited field; others are passed over. False at the end; *malformed tells
 * which end. */
static bool descriptor_set_next(struct bytes *rest, uint32_t *ret_field, struct bytes *ret_value,
                                bool *malformed)
{
    while (rest->size > 0) {
        uint64_t tag = 0;
        uint64_t length = 0;
        bool ok = descriptor_set_varint(rest, &tag);
        uint32_t type = tag & 7;
        if (ok && type == WIRE_VARINT) {
            ok = descriptor_set_varint(rest, &length);
            length = 0;
        } else if (ok && type == WIRE_BYTES) {
            ok = descriptor_set_varint(rest, &length);
        } else if (type == WIRE_64 || type == WIRE_32) {
            length = type == WIRE_64 ? 8 : 4;
        } else {
            ok = false;
        }
        if (!ok || length > rest->size) {
            *malformed = true;
            return false;
        }
        *ret_value = (struct bytes){ rest->data, length };
        *ret_field = (uint32_t)(tag >> 3);
        rest->data += length;
        rest->size -= length;
        if (type == WIRE_BYTES) {
            return true;
        }
    }
    return false;
}

static char *descriptor_set_text(struct descriptor_set *set, struct bytes value)
{
    return arena_strndup(&set->arena, (const char *)value.data, value.size);
}

/* The text of the first field with that number; "" if there is none. */
static const char *descriptor_set_find_text(struct descriptor_set *set, struct bytes message,
                                            uint32_t number)
{
    uint32_t field = 0;
    struct bytes value;
    bool malformed = false;

    while (descriptor_set_next(&message, &field, &value, &malformed)) {
        if (field == number) {
            return descriptor_set_text(set, value);
        }
    }
    return "";
}

static const char *descriptor_set_join(struct descriptor_set *set, const char *scope,
                                       const char *name)
{
    return scope[0] == '\0' ? name : arena_printf(&set->arena, "%s.%s", scope, name);
}

static const char *descriptor_set_add(struct descriptor_set *set, const char *scope,
                                      struct bytes message)
{
    const char *name =
        descriptor_set_join(set, scope, descriptor_set_find_text(set, message, ANY_NAME));

    if (set->symbol_count < DESCRIPTOR_SYMBOLS_MAX) {
        set->symbols[set->symbol_count++] = (struct descriptor_symbol){ name, set->file_count };
    }
    return name;
}

/* A message, what is nested in it, and so on: an explicit stack, since the nesting is input. */
static bool descriptor_set_add_message(struct descriptor_set *set, const char *scope,
                                       struct bytes message)
{
    struct {
        struct bytes rest;
        const char *scope;
    } stack[DESCRIPTOR_NESTING_MAX];
    size_t depth = 0;
    uint32_t field = 0;
    struct bytes value;
    bool malformed = false;

    stack[depth].rest = message;
    stack[depth++].scope = descriptor_set_add(set, scope, message);
    while (depth > 0) {
        if (!descriptor_set_next(&stack[depth - 1].rest, &field, &value, &malformed)) {
            depth--;
            continue;
        }
        if (field == MESSAGE_ENUM) {
            descriptor_set_add(set, stack[depth - 1].scope, value);
        } else if (field == MESSAGE_NESTED && depth < DESCRIPTOR_NESTING_MAX) {
            stack[depth].rest = value;
            stack[depth].scope = descriptor_set_add(set, stack[depth - 1].scope, value);
            depth++;
        }
    }
    return !malformed;
}

static bool descriptor_set_add_service(struct descriptor_set *set, const char *package,
                                       struct bytes service)
{
    const char *name = descriptor_set_add(set, package, service);
    uint32_t field = 0;
    struct bytes value;
    bool malformed = false;

    if (set->service_count < DESCRIPTOR_SYMBOLS_MAX) {
        set->services[set->service_count++] = name;
    }
    while (descriptor_set_next(&service, &field, &value, &malformed)) {
        if (field == SERVICE_METHOD) {
            descriptor_set_add(set, name, value);
        }
    }
    return !malformed;
}

static bool descriptor_set_add_file(struct descriptor_set *set, struct bytes bytes)
{
    struct descriptor_file *file = &set->files[set->file_count];
    struct bytes rest = bytes;
    uint32_t field = 0;
    struct bytes value;
    bool malformed = false;
    bool ok = true;

    file->bytes = bytes;
    file->name = descriptor_set_find_text(set, bytes, FILE_NAME);
    file->package = descriptor_set_find_text(set, bytes, FILE_PACKAGE);
    while (descriptor_set_next(&rest, &field, &value, &malformed)) {
        if (field == FILE_DEPENDENCY && file->dependency_count < DESCRIPTOR_FILES_MAX) {
            file->dependencies[file->dependency_count++] = descriptor_set_text(set, value);
        } else if (field == FILE_MESSAGE) {
            ok = descriptor_set_add_message(set, file->package, value) && ok;
        } else if (field == FILE_ENUM) {
            descriptor_set_add(set, file->package, value);
        } else if (field == FILE_SERVICE) {
            ok = descriptor_set_add_service(set, file->package, value) && ok;
        }
    }
    set->file_count++;
    return ok && !malformed;
}

static int descriptor_set_compare(const void *a, const void *b)
{
    return strcmp(((const struct descriptor_symbol *)a)->name,
                  ((const struct descriptor_symbol *)b)->name);
}

bool descriptor_set_read(struct bytes bytes, struct descriptor_set *ret_set, struct error *err)
{
    CLEANUP(descriptor_set_release) struct descriptor_set set = { 0 };
    uint32_t field = 0;
    struct bytes value;
    bool malformed = false;

    set.files = arena_alloc_array(&set.arena, DESCRIPTOR_FILES_MAX, sizeof(*set.files));
    set.symbols = arena_alloc_array(&set.arena, DESCRIPTOR_SYMBOLS_MAX, sizeof(*set.symbols));
    set.services = arena_alloc_array(&set.arena, DESCRIPTOR_SYMBOLS_MAX, sizeof(*set.services));
    while (descriptor_set_next(&bytes, &field, &value, &malformed)) {
        if (field != SET_FILE) {
            continue;
        }
        if (set.file_count == DESCRIPTOR_FILES_MAX) {
            return error_set(err, ERR_LIMIT, "descriptors: more than %d files",
                             DESCRIPTOR_FILES_MAX);
        }
        if (!descriptor_set_add_file(&set, value)) {
            malformed = true;
        }
    }
    if (malformed || set.symbol_count == DESCRIPTOR_SYMBOLS_MAX) {
        return error_set(err, ERR_INVALID, "descriptors: malformed, or too many symbols");
    }
    qsort(set.symbols, set.symbol_count, sizeof(*set.symbols), descriptor_set_compare);
    *ret_set = TAKE(set);
    return true;
}

void descriptor_set_release(struct descriptor_set *set)
{
    arena_release(&set->arena);
    *set = (struct descriptor_set){ 0 };
}

size_t descriptor_set_find_file(const struct descriptor_set *set, const char *name)
{
    for (size_t i = 0; i < set->file_count; i++) {
        if (strcmp(set->files[i].name, name) == 0) {
            return i;
        }
    }
    return DESCRIPTOR_FILES_MAX;
}

size_t descriptor_set_find_symbol(const struct descriptor_set *set, const char *name)
{
    const struct descriptor_symbol wanted = { .name = name };
    const struct descriptor_symbol *found =
        bsearch(&wanted, set->symbols, set->symbol_count, sizeof(wanted), descriptor_set_compare);

    return found == NULL ? DESCRIPTOR_FILES_MAX : found->file;
}

size_t descriptor_set_closure(const struct descriptor_set *set, size_t file,
                              size_t ret_files[DESCRIPTOR_FILES_MAX])
{
    bool seen[DESCRIPTOR_FILES_MAX] = { false };
    size_t count = 0;

    assert(file < set->file_count);
    seen[file] = true;
    ret_files[count++] = file;
    for (size_t done = 0; done < count; done++) {
        const struct descriptor_file *from = &set->files[ret_files[done]];
        for (size_t i = 0; i < from->dependency_count; i++) {
            size_t next = descriptor_set_find_file(set, from->dependencies[i]);
            if (next < DESCRIPTOR_FILES_MAX && !seen[next]) {
                seen[next] = true;
                ret_files[count++] = next;
            }
        }
    }
    return count;
}
