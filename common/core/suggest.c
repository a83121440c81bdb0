#include "common/core/suggest.h"

#include <stdint.h>
#include <string.h>

enum { SUGGEST_BYTES_MAX = 64 };

static size_t suggest_least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t suggest_distance(const char *a, const char *b)
{
    size_t rows[3][SUGGEST_BYTES_MAX + 1] = { { 0 } };
    size_t a_size = strlen(a);
    size_t b_size = strlen(b);

    if (a_size > SUGGEST_BYTES_MAX || b_size > SUGGEST_BYTES_MAX) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= b_size; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a_size; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3];
        const size_t *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            size_t changed = above[j - 1] + (a[i - 1] != b[j - 1] ? 1 : 0);
            row[j] = suggest_least(changed, suggest_least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = suggest_least(row[j], above2[j - 2] + 1);
            }
        }
    }
    return rows[a_size % 3][b_size];
}

void suggest_offer(struct suggestion *suggestion, const char *typed, const char *word)
{
    size_t distance = suggest_distance(typed, word);
    size_t size = strlen(typed);

    /* A beginning of the word is as good as a small slip. */
    if (size >= 2 && strncmp(typed, word, size) == 0) {
        distance = suggest_least(distance, 1);
    }
    if (distance > 1 + size / 3 || distance >= strlen(word)) {
        return;
    }
    if (suggestion->word == NULL || distance < suggestion->distance) {
        suggestion->word = word;
        suggestion->distance = distance;
    }
}
