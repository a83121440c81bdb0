#include "common/model/set_settings.h"

#include <string.h>

#include "common/core/limits.h"
#include "common/model/duration.h"
#include "common/model/ledger.h"
#include "common/model/quote.h"

enum { SET_SETTINGS_WORD_BYTES_MAX = 127 };

#define SET_SETTINGS_KEYS "transaction, lock_timeout, statement_timeout, scope, ledger or allow"
#define SET_SETTINGS_BATCH_KEYS                                                                    \
    "batch_rows, batch_target, batch_pause, batch_max_lag, lock_timeout, statement_timeout, "      \
    "scope "                                                                                       \
    "or allow"

/* Each may stand once, but allow. */
enum set_settings_key {
    SET_SETTINGS_TRANSACTION,
    SET_SETTINGS_LOCK_TIMEOUT,
    SET_SETTINGS_STATEMENT_TIMEOUT,
    SET_SETTINGS_SCOPE,
    SET_SETTINGS_LEDGER,
    SET_SETTINGS_ALLOW,
    SET_SETTINGS_BATCH_ROWS,
    SET_SETTINGS_BATCH_TARGET,
    SET_SETTINGS_BATCH_PAUSE,
    SET_SETTINGS_BATCH_MAX_LAG,
    SET_SETTINGS_KEY_COUNT,
};

enum set_settings_files {
    SET_SETTINGS_ANY_FILE,
    SET_SETTINGS_NO_BATCH,
    SET_SETTINGS_BATCH_ONLY,
};

static const struct set_settings_word {
    const char *name;
    enum set_settings_files files;
} set_settings_keys[SET_SETTINGS_KEY_COUNT] = {
    [SET_SETTINGS_TRANSACTION] = { "transaction", SET_SETTINGS_NO_BATCH },
    [SET_SETTINGS_LOCK_TIMEOUT] = { "lock_timeout", SET_SETTINGS_ANY_FILE },
    [SET_SETTINGS_STATEMENT_TIMEOUT] = { "statement_timeout", SET_SETTINGS_ANY_FILE },
    [SET_SETTINGS_SCOPE] = { "scope", SET_SETTINGS_ANY_FILE },
    [SET_SETTINGS_LEDGER] = { "ledger", SET_SETTINGS_ANY_FILE },
    [SET_SETTINGS_ALLOW] = { "allow", SET_SETTINGS_ANY_FILE },
    [SET_SETTINGS_BATCH_ROWS] = { "batch_rows", SET_SETTINGS_BATCH_ONLY },
    [SET_SETTINGS_BATCH_TARGET] = { "batch_target", SET_SETTINGS_BATCH_ONLY },
    [SET_SETTINGS_BATCH_PAUSE] = { "batch_pause", SET_SETTINGS_BATCH_ONLY },
    [SET_SETTINGS_BATCH_MAX_LAG] = { "batch_max_lag", SET_SETTINGS_BATCH_ONLY },
};

struct set_settings_reader {
    const char *path;
    bool batch; /* the file is a .batch.sql */
    unsigned line;
    struct operation_settings *settings;
    bool seen[SET_SETTINGS_KEY_COUNT];
    struct error *err;
};

/* Part of a line. */
struct set_settings_text {
    const char *data;
    size_t size;
};

bool set_settings_parse_timeout(const char *text, uint64_t *ret_ms, struct error *err)
{
    uint64_t ms;

    if (!duration_parse(text, &ms, err)) {
        return false;
    }
    if (ms > TIMEOUT_MS_MAX) {
        return error_set(err, ERR_INVALID, "timeout '%s': expected at most 24d", text);
    }
    *ret_ms = ms;
    return true;
}

static bool set_settings_fail(struct set_settings_reader *reader, struct set_settings_text value,
                              const char *expected)
{
    char quoted[QUOTE_BYTES];

    return error_set(reader->err, ERR_INVALID, "%s:%u: %s: %s", reader->path, reader->line,
                     quote_bytes(value.data, value.size, quoted), expected);
}

static void set_settings_skip(struct set_settings_text *text, size_t size)
{
    text->data += size;
    text->size -= size;
}

static void set_settings_skip_blanks(struct set_settings_text *text)
{
    while (text->size > 0 && (*text->data == ' ' || *text->data == '\t' || *text->data == '\r' ||
                              *text->data == '\f')) {
        set_settings_skip(text, 1);
    }
}

static bool set_settings_starts(struct set_settings_text text, const char *prefix)
{
    size_t size = strlen(prefix);

    return text.size >= size && memcmp(text.data, prefix, size) == 0;
}

/* The characters up to the next blank. */
static struct set_settings_text set_settings_take_word(struct set_settings_text *text)
{
    struct set_settings_text word = { text->data, 0 };

    while (word.size < text->size && strchr(" \t\r\f", text->data[word.size]) == NULL) {
        word.size++;
    }
    set_settings_skip(text, word.size);
    set_settings_skip_blanks(text);
    return word;
}

/* Steps over "-- skein:" and says whether it stood there. */
static bool set_settings_take_mark(struct set_settings_text *text)
{
    struct set_settings_text at = *text;

    set_settings_skip_blanks(&at);
    if (!set_settings_starts(at, "--")) {
        return false;
    }
    set_settings_skip(&at, 2);
    set_settings_skip_blanks(&at);
    if (!set_settings_starts(at, "skein:")) {
        return false;
    }
    set_settings_skip(&at, strlen("skein:"));
    set_settings_skip_blanks(&at);
    *text = at;
    return true;
}

static bool set_settings_equals(struct set_settings_text text, const char *word)
{
    return text.size == strlen(word) && memcmp(text.data, word, text.size) == 0;
}

static bool set_settings_apply_timeout(struct set_settings_reader *reader, const char *key,
                                       struct set_settings_text value, uint64_t *ret_ms)
{
    char word[SET_SETTINGS_WORD_BYTES_MAX + 1] = { 0 };

    if (value.size > SET_SETTINGS_WORD_BYTES_MAX || memchr(value.data, '\0', value.size) != NULL) {
        return set_settings_fail(reader, value, "expected a duration, such as 2s");
    }
    memcpy(word, value.data, value.size);
    return set_settings_parse_timeout(word, ret_ms, reader->err) ||
           error_wrap(reader->err, "%s:%u: %s", reader->path, reader->line, key);
}

/* Rules are named like create-index; the reason is for the reader. */
static bool set_settings_apply_allow(struct set_settings_reader *reader,
                                     struct set_settings_text rule, struct set_settings_text reason)
{
    for (size_t i = 0; i < rule.size; i++) {
        char c = rule.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) {
            return set_settings_fail(reader, rule,
                                     "expected a rule's name after 'allow', such as "
                                     "create-index");
        }
    }
    if (reason.size == 0) {
        return set_settings_fail(reader, rule, "expected the reason in words after the rule");
    }
    return true;
}

/* A duration from `least` to `most`. */
static bool set_settings_apply_time(struct set_settings_reader *reader, enum set_settings_key key,
                                    struct set_settings_text value, uint64_t least, uint64_t most,
                                    uint64_t *ret_ms)
{
    const char *name = set_settings_keys[key].name;
    uint64_t ms = 0;

    if (!set_settings_apply_timeout(reader, name, value, &ms)) {
        return false;
    }
    if (ms < least || ms > most) {
        char least_text[DURATION_TEXT_BYTES];
        char most_text[DURATION_TEXT_BYTES];

        return error_set(reader->err, ERR_INVALID, "%s:%u: %s: expected %s to %s", reader->path,
                         reader->line, name, duration_format(least, least_text),
                         duration_format(most, most_text));
    }
    *ret_ms = ms;
    return true;
}

static bool set_settings_apply_rows(struct set_settings_reader *reader,
                                    struct set_settings_text value)
{
    uint32_t rows = 0;

    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] < '0' || value.data[i] > '9' || rows > BATCH_ROWS_MAX) {
            rows = 0;
            break;
        }
        rows = 10 * rows + (uint32_t)(value.data[i] - '0');
    }
    if (rows == 0 || rows > BATCH_ROWS_MAX) {
        return set_settings_fail(reader, value,
                                 "expected a number of rows from 1 to 100000 after 'batch_rows'");
    }
    reader->settings->batch.rows = rows;
    return true;
}

static bool set_settings_apply_batch(struct set_settings_reader *reader, enum set_settings_key key,
                                     struct set_settings_text value)
{
    struct batch_settings *batch = &reader->settings->batch;

    if (key == SET_SETTINGS_BATCH_ROWS) {
        return set_settings_apply_rows(reader, value);
    }
    if (key == SET_SETTINGS_BATCH_TARGET) {
        return set_settings_apply_time(reader, key, value, 1, BATCH_TARGET_MAX_MS,
                                       &batch->target_ms);
    }
    if (key == SET_SETTINGS_BATCH_PAUSE) {
        return set_settings_apply_time(reader, key, value, 0, BATCH_PAUSE_MAX_MS, &batch->pause_ms);
    }
    if (set_settings_equals(value, "none")) {
        batch->max_lag_ms = 0;
        return true;
    }
    return set_settings_apply_time(reader, key, value, 1, TIMEOUT_MS_MAX, &batch->max_lag_ms);
}

static bool set_settings_apply(struct set_settings_reader *reader, enum set_settings_key key,
                               struct set_settings_text value)
{
    struct operation_settings *settings = reader->settings;

    switch (key) {
    case SET_SETTINGS_TRANSACTION:
        if (!set_settings_equals(value, "none")) {
            return set_settings_fail(reader, value, "expected 'none' after 'transaction'");
        }
        settings->transaction = false;
        return true;
    case SET_SETTINGS_LOCK_TIMEOUT:
        return set_settings_apply_timeout(reader, "lock_timeout", value,
                                          &settings->lock_timeout_ms);
    case SET_SETTINGS_STATEMENT_TIMEOUT:
        return set_settings_apply_timeout(reader, "statement_timeout", value,
                                          &settings->statement_timeout_ms);
    case SET_SETTINGS_SCOPE:
        settings->control_scope = set_settings_equals(value, "control");
        if (settings->control_scope && reader->batch) {
            return set_settings_fail(reader, value,
                                     "a batch works in the tenant's database only: expected "
                                     "'tenant' after 'scope'");
        }
        if (!settings->control_scope && !set_settings_equals(value, "tenant")) {
            return set_settings_fail(reader, value, "expected 'control' or 'tenant' after 'scope'");
        }
        return true;
    case SET_SETTINGS_BATCH_ROWS:
    case SET_SETTINGS_BATCH_TARGET:
    case SET_SETTINGS_BATCH_PAUSE:
    case SET_SETTINGS_BATCH_MAX_LAG:
        return set_settings_apply_batch(reader, key, value);
    case SET_SETTINGS_LEDGER:
    case SET_SETTINGS_ALLOW:
    case SET_SETTINGS_KEY_COUNT:
        break;
    }
    return true;
}

static bool set_settings_find_key(struct set_settings_text word, enum set_settings_key *ret_key)
{
    for (size_t i = 0; i < SET_SETTINGS_KEY_COUNT; i++) {
        if (set_settings_equals(word, set_settings_keys[i].name)) {
            *ret_key = (enum set_settings_key)i;
            return true;
        }
    }
    return false;
}

/* All to the end of the line is JSON. */
static bool set_settings_apply_ledger(struct set_settings_reader *reader,
                                      struct set_settings_text value, struct set_settings_text rest)
{
    const char *end = rest.data + rest.size;

    while (end > value.data && strchr(" \t\r\f", end[-1]) != NULL) {
        end--;
    }
    if (reader->seen[SET_SETTINGS_LEDGER]) {
        return set_settings_fail(reader, value, "the setting 'ledger' stands twice");
    }
    reader->seen[SET_SETTINGS_LEDGER] = true;
    reader->settings->ledger =
        (struct bytes){ (const uint8_t *)value.data, (size_t)(end - value.data) };
    return ledger_check_entry(reader->settings->ledger, reader->err) ||
           error_wrap(reader->err, "%s:%u", reader->path, reader->line);
}

/* One line of the head, after "-- skein:". */
static bool set_settings_read_line(struct set_settings_reader *reader,
                                   struct set_settings_text text)
{
    do {
        enum set_settings_key key;
        struct set_settings_text word = set_settings_take_word(&text);
        if (!set_settings_find_key(word, &key)) {
            return set_settings_fail(reader, word,
                                     reader->batch
                                         ? "unknown setting, expected " SET_SETTINGS_BATCH_KEYS
                                         : "unknown setting, expected " SET_SETTINGS_KEYS);
        }
        if (set_settings_keys[key].files == SET_SETTINGS_BATCH_ONLY && !reader->batch) {
            return set_settings_fail(reader, word, "is a setting of a .batch.sql only");
        }
        if (set_settings_keys[key].files == SET_SETTINGS_NO_BATCH && reader->batch) {
            return set_settings_fail(reader, word,
                                     "is no setting of a .batch.sql: each chunk is a transaction "
                                     "of its own");
        }
        struct set_settings_text value = set_settings_take_word(&text);
        if (value.size == 0) {
            return set_settings_fail(reader, word, "expected a value after the setting");
        }
        if (key == SET_SETTINGS_ALLOW) {
            return set_settings_apply_allow(reader, value, text);
        }
        if (key == SET_SETTINGS_LEDGER) {
            return set_settings_apply_ledger(reader, value, text);
        }
        if (reader->seen[key]) {
            return set_settings_fail(reader, word, "the setting stands twice");
        }
        reader->seen[key] = true;
        if (!set_settings_apply(reader, key, value)) {
            return false;
        }
    } while (set_settings_take_mark(&text));
    if (text.size > 0 && !set_settings_starts(text, "--")) {
        return set_settings_fail(reader, text, "unexpected after the setting's value");
    }
    return true;
}

bool set_settings_parse(const char *path, bool batch, struct bytes script,
                        struct operation_settings *settings, struct error *err)
{
    struct set_settings_reader reader = {
        .path = path, .batch = batch, .settings = settings, .err = err
    };
    struct set_settings_text rest = { (const char *)script.data, script.size };
    bool head = true;

    if (set_settings_starts(rest, "\xEF\xBB\xBF")) {
        return error_set(err, ERR_INVALID,
                         "%s:1: starts with a byte order mark: save it as UTF-8 without one", path);
    }
    while (rest.size > 0) {
        const char *end = memchr(rest.data, '\n', rest.size);
        struct set_settings_text line = {
            rest.data,
            end == NULL ? rest.size : (size_t)(end - rest.data),
        };
        set_settings_skip(&rest, end == NULL ? line.size : line.size + 1);
        reader.line++;
        bool marked = set_settings_take_mark(&line);
        bool allows = marked && set_settings_starts(line, "allow"); /* stands where it is needed */
        if (marked && !head && !allows) {
            return set_settings_fail(&reader, line,
                                     "a skein: setting must stand at the head of the file, before "
                                     "the first statement");
        }
        if (marked && !set_settings_read_line(&reader, line)) {
            return false;
        }
        set_settings_skip_blanks(&line);
        head = head && (marked || line.size == 0 || set_settings_starts(line, "--"));
    }
    return true;
}
