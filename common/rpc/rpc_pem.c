#include "common/rpc/rpc_pem.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "common/core/buf.h"
#include "common/core/limits.h"

enum { TIME_TEXT_BYTES = 64, CA_CERTIFICATES_MAX = 10000 };

static void rpc_pem_bio_free(BIO **bio)
{
    BIO_free(*bio);
}

static void rpc_pem_x509_free(X509 **certificate)
{
    X509_free(*certificate);
}

static void rpc_pem_pkey_free(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static void rpc_pem_wipe(char **text)
{
    if (*text != NULL) {
        OPENSSL_cleanse(*text, strlen(*text));
        free(*text);
        *text = NULL;
    }
}

void rpc_pem_release(struct rpc_pem *pem)
{
    rpc_pem_wipe(&pem->key);
    free(pem->cert);
    free(pem->ca);
    memset(pem, 0, sizeof(*pem));
}

/* A daemon has nobody to ask for a passphrase. */
static int rpc_pem_no_passphrase(char *text, int size, int writing, void *user)
{
    (void)text;
    (void)size;
    (void)writing;
    (void)user;
    return 0;
}

static bool rpc_pem_read(const char *path, const char *what, char **ret_text, struct error *err)
{
    struct buf text = { .size_max = PEM_BYTES_MAX };

    if (!file_read(path, &text, err)) {
        if (text.data != NULL) {
            OPENSSL_cleanse(text.data, text.size);
        }
        buf_release(&text);
        err->code = ERR_INVALID;
        return error_wrap(err, "TLS %s", what);
    }
    if (text.size == 0) {
        buf_release(&text);
        return error_set(err, ERR_INVALID, "TLS %s '%s': the file is empty", what, path);
    }
    *ret_text = text.data; /* NUL-terminated */
    return true;
}

static bool rpc_pem_set_time_error(const char *path, const char *what, const char *when,
                                   const ASN1_TIME *time, struct error *err)
{
    char text[TIME_TEXT_BYTES] = "?";
    CLEANUP(rpc_pem_bio_free) BIO *bio = BIO_new(BIO_s_mem());

    if (bio != NULL && ASN1_TIME_print(bio, time) == 1) {
        int size = BIO_read(bio, text, sizeof(text) - 1);
        text[size > 0 ? size : 0] = '\0';
    }
    return error_set(err, ERR_INVALID, "TLS %s '%s': %s %s", what, path, when, text);
}

static bool rpc_pem_check_time(const X509 *certificate, const char *path, const char *what,
                               struct error *err)
{
    const ASN1_TIME *from = X509_get0_notBefore(certificate);
    const ASN1_TIME *to = X509_get0_notAfter(certificate);

    if (X509_cmp_current_time(from) > 0) {
        return rpc_pem_set_time_error(path, what, "not valid before", from, err);
    }
    if (X509_cmp_current_time(to) < 0) {
        return rpc_pem_set_time_error(path, what, "expired on", to, err);
    }
    return true;
}

static bool rpc_pem_check_pair(const struct rpc_tls *tls, const struct rpc_pem *pem,
                               struct error *err)
{
    CLEANUP(rpc_pem_bio_free) BIO *cert_bio = BIO_new_mem_buf(pem->cert, -1);
    CLEANUP(rpc_pem_bio_free) BIO *key_bio = BIO_new_mem_buf(pem->key, -1);
    CLEANUP(rpc_pem_x509_free)
    X509 *certificate = PEM_read_bio_X509(cert_bio, NULL, rpc_pem_no_passphrase, NULL);
    CLEANUP(rpc_pem_pkey_free)
    EVP_PKEY *key = PEM_read_bio_PrivateKey(key_bio, NULL, rpc_pem_no_passphrase, NULL);

    ERR_clear_error(); /* the queue is the thread's, and gRPC reads it too */
    if (certificate == NULL) {
        return error_set(err, ERR_INVALID, "TLS certificate '%s': holds no certificate in PEM form",
                         tls->cert);
    }
    if (key == NULL) {
        return error_set(err, ERR_INVALID,
                         "TLS key '%s': holds no private key in PEM form without a passphrase",
                         tls->key);
    }
    bool matches = X509_check_private_key(certificate, key) == 1;
    ERR_clear_error();
    if (!matches) {
        return error_set(err, ERR_INVALID, "TLS key '%s': does not match the certificate '%s'",
                         tls->key, tls->cert);
    }
    return rpc_pem_check_time(certificate, tls->cert, "certificate", err);
}

/* A bundle may carry authorities that have expired, as long as one is good. */
static bool rpc_pem_check_ca(const char *path, const char *text, struct error *err)
{
    CLEANUP(rpc_pem_bio_free) BIO *bio = BIO_new_mem_buf(text, -1);
    size_t count = 0;
    bool valid = false;

    for (; !valid && count < CA_CERTIFICATES_MAX; count++) {
        CLEANUP(rpc_pem_x509_free)
        X509 *certificate = PEM_read_bio_X509(bio, NULL, rpc_pem_no_passphrase, NULL);
        if (certificate == NULL) {
            break;
        }
        valid = rpc_pem_check_time(certificate, path, "CA", err);
    }
    ERR_clear_error();
    if (count == 0) {
        return error_set(err, ERR_INVALID, "TLS CA '%s': holds no certificate in PEM form", path);
    }
    return valid;
}

static bool rpc_pem_is_given(const char *path)
{
    return path != NULL && path[0] != '\0';
}

bool rpc_pem_load(const struct rpc_tls *tls, struct rpc_pem *ret_pem, struct error *err)
{
    CLEANUP(rpc_pem_release) struct rpc_pem pem = { 0 };
    struct error ignored = { 0 }; /* `err` stays untouched on success */

    if (rpc_pem_is_given(tls->cert) != rpc_pem_is_given(tls->key)) {
        return error_set(err, ERR_INVALID,
                         rpc_pem_is_given(tls->cert)
                             ? "TLS certificate '%s' is given without a key"
                             : "TLS key '%s' is given without a certificate",
                         rpc_pem_is_given(tls->cert) ? tls->cert : tls->key);
    }
    if (rpc_pem_is_given(tls->cert) &&
        (!rpc_pem_read(tls->cert, "certificate", &pem.cert, err) ||
         !rpc_pem_read(tls->key, "key", &pem.key, err) || !rpc_pem_check_pair(tls, &pem, err))) {
        return false;
    }
    if (rpc_pem_is_given(tls->ca)) {
        if (!rpc_pem_read(tls->ca, "CA", &pem.ca, err)) {
            return false;
        }
        if (!rpc_pem_check_ca(tls->ca, pem.ca, &ignored)) {
            *err = ignored;
            return false;
        }
    }
    *ret_pem = TAKE(pem);
    return true;
}
