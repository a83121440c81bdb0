#include "common/model/checksum.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "common/core/memory.h"

struct checksum {
    EVP_MD_CTX *context;
};

/* The library fails at SHA-256 only when memory is short or it is broken: the process cannot go on
 * (memory.h), and a wrong checksum would be worse. */
static void checksum_check(bool ok)
{
    if (!ok) {
        abort();
    }
}

struct checksum *checksum_new(void)
{
    struct checksum *checksum = memory_alloc(sizeof(*checksum));

    checksum->context = EVP_MD_CTX_new();
    checksum_check(checksum->context != NULL);
    checksum_check(EVP_DigestInit_ex(checksum->context, EVP_sha256(), NULL) == 1);
    return checksum;
}

void checksum_free(struct checksum **checksum)
{
    if (*checksum != NULL) {
        EVP_MD_CTX_free((*checksum)->context);
        memory_free(checksum);
    }
}

void checksum_add(struct checksum *checksum, const void *data, size_t size)
{
    checksum_check(EVP_DigestUpdate(checksum->context, data, size) == 1);
}

void checksum_add_text(struct checksum *checksum, const char *text)
{
    checksum_add(checksum, text, strlen(text) + 1);
}

void checksum_finish(struct checksum *checksum, uint8_t ret_digest[CHECKSUM_BYTES])
{
    unsigned size = 0;

    checksum_check(EVP_DigestFinal_ex(checksum->context, ret_digest, &size) == 1);
    checksum_check(size == CHECKSUM_BYTES);
}

void checksum_of_text(struct bytes text, uint8_t ret_digest[CHECKSUM_BYTES])
{
    CLEANUP(checksum_free) struct checksum *checksum = checksum_new();
    const uint8_t *end = text.data + text.size;
    const uint8_t *piece = text.data;

    for (const uint8_t *at = text.data; at < end; at++) {
        if (*at != '\r') {
            continue;
        }
        checksum_add(checksum, piece, (size_t)(at - piece));
        piece = at + 1;
        if (piece == end || *piece != '\n') {
            checksum_add(checksum, "\n", 1); /* alone it ends a line, too, as it does for SQL */
        }
    }
    if (piece < end) {
        checksum_add(checksum, piece, (size_t)(end - piece));
    }
    checksum_finish(checksum, ret_digest);
}

void checksum_sha1_text(const char *head, struct bytes text,
                        char ret_text[CHECKSUM_SHA1_TEXT_BYTES])
{
    CLEANUP(checksum_free) struct checksum *checksum = memory_alloc(sizeof(*checksum));
    uint8_t digest[CHECKSUM_SHA1_TEXT_BYTES / 2];
    unsigned size = 0;

    checksum->context = EVP_MD_CTX_new();
    checksum_check(checksum->context != NULL);
    checksum_check(EVP_DigestInit_ex(checksum->context, EVP_sha1(), NULL) == 1);
    if (head != NULL) {
        checksum_add_text(checksum, head);
    }
    checksum_add(checksum, text.data, text.size);
    checksum_check(EVP_DigestFinal_ex(checksum->context, digest, &size) == 1);
    checksum_check(size == sizeof(digest));
    for (size_t i = 0; i < size; i++) {
        ret_text[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        ret_text[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    ret_text[CHECKSUM_SHA1_TEXT_BYTES - 1] = '\0';
}
