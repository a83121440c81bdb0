/* tls_fixture.h - certificates for tests, made with OpenSSL in a folder that is removed again. */
#ifndef SKEIN_TESTS_UNIT_TLS_FIXTURE_H
#define SKEIN_TESTS_UNIT_TLS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

enum { TLS_PATH_BYTES = 128, TLS_DAY_SECONDS = 24 * 3600 };

struct tls_identity {
    EVP_PKEY *key;
    X509 *certificate;
};

struct tls_request {
    const char *name;                  /* CN; NULL for none */
    const char *san;                   /* "DNS:localhost,IP:127.0.0.1"; NULL for none */
    const struct tls_identity *issuer; /* NULL: an authority that signs itself */
    int from_days;                     /* validity, counted from now */
    int to_days;
};

static inline void tls_add_extension(X509 *certificate, int nid, const char *value)
{
    X509V3_CTX context;

    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static inline struct tls_identity tls_make(const struct tls_request *request)
{
    static long serial = 1; /* tests run one after the other */
    struct tls_identity made = { .key = EVP_EC_gen("P-256"), .certificate = X509_new() };
    const struct tls_identity *issuer = request->issuer == NULL ? &made : request->issuer;
    X509 *certificate = made.certificate;
    X509_NAME *subject = X509_get_subject_name(certificate);

    assert_non_null(made.key);
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
    X509_gmtime_adj(X509_getm_notBefore(certificate), (long)request->from_days * TLS_DAY_SECONDS);
    X509_gmtime_adj(X509_getm_notAfter(certificate), (long)request->to_days * TLS_DAY_SECONDS);
    X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_ASC, (const unsigned char *)"skein test", -1,
                               -1, 0);
    if (request->name != NULL) {
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                   (const unsigned char *)request->name, -1, -1, 0);
    }
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer->certificate));
    X509_set_pubkey(certificate, made.key);
    if (request->issuer == NULL) {
        tls_add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
        tls_add_extension(certificate, NID_key_usage, "critical,keyCertSign");
    }
    if (request->san != NULL) {
        tls_add_extension(certificate, NID_subject_alt_name, request->san);
    }
    assert_true(X509_sign(certificate, issuer->key, EVP_sha256()) > 0);
    return made;
}

static inline void tls_identity_release(struct tls_identity *identity)
{
    X509_free(identity->certificate);
    EVP_PKEY_free(identity->key);
}

/* Replaces the file at once, as a careful administrator does. */
static inline void tls_write(const char *path, const struct tls_identity *identity, bool key,
                             const char *passphrase)
{
    char temporary[TLS_PATH_BYTES + 8];

    snprintf(temporary, sizeof(temporary), "%s.new", path);
    FILE *file = fopen(temporary, "w");
    assert_non_null(file);
    if (key) {
        assert_int_equal(
            PEM_write_PKCS8PrivateKey(file, identity->key,
                                      passphrase == NULL ? NULL : EVP_aes_128_cbc(), passphrase,
                                      passphrase == NULL ? 0 : (int)strlen(passphrase), NULL, NULL),
            1);
    } else {
        assert_int_equal(PEM_write_X509(file, identity->certificate), 1);
    }
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(temporary, path), 0);
}

static inline void tls_write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

#endif
