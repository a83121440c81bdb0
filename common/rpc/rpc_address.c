#include "common/rpc/rpc_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/rpc/rpc_tls.h"

enum { PORT_DIGITS_MAX = 5, PORT_MAX = 65535 };

static bool rpc_address_is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    unsigned port = 0;

    if (digits == 0 || digits > PORT_DIGITS_MAX || text[digits] != '\0') {
        return false;
    }
    for (size_t i = 0; i < digits; i++) {
        port = port * 10 + (unsigned)(text[i] - '0');
    }
    return port <= PORT_MAX;
}

bool rpc_address_parse(const char *text, struct rpc_address *ret_address, struct error *err)
{
    struct rpc_address address = { 0 };
    const char *host = text;
    const char *colon = strrchr(text, ':');
    size_t size = colon == NULL ? 0 : (size_t)(colon - text);

    if (size >= 2 && host[0] == '[' && host[size - 1] == ']') {
        host++;
        size -= 2;
    } else if (memchr(text, ':', size) != NULL) {
        size = 0; /* an IPv6 address wants brackets */
    }
    if (colon == NULL || size == 0 || size >= sizeof(address.host) ||
        strcspn(host, "/[]@ %") < size || !rpc_address_is_port(colon + 1)) {
        return error_set(err, ERR_INVALID, "'%s' is not an address of the form HOST:PORT", text);
    }
    memcpy(address.host, host, size);
    snprintf(address.port, sizeof(address.port), "%s", colon + 1);
    *ret_address = address;
    return true;
}

void rpc_address_target(const struct rpc_address *address, char ret_target[RPC_TARGET_BYTES])
{
    bool brackets = strchr(address->host, ':') != NULL;

    snprintf(ret_target, RPC_TARGET_BYTES, brackets ? "dns:///%%5B%s%%5D:%s" : "dns:///%s:%s",
             address->host, address->port);
}

bool rpc_address_is_loopback(const char *text)
{
    struct rpc_address address;
    struct error err = { 0 };
    struct in_addr v4;
    struct in6_addr v6;

    if (!rpc_address_parse(text, &address, &err)) {
        return false;
    }
    if (inet_pton(AF_INET, address.host, &v4) == 1) {
        return ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    if (inet_pton(AF_INET6, address.host, &v6) == 1) {
        return IN6_IS_ADDR_LOOPBACK(&v6) ||
               (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == IN_LOOPBACKNET);
    }
    return strcasecmp(address.host, "localhost") == 0;
}

/* 0, or the errno of what failed. */
static int rpc_address_bind(const struct addrinfo *info)
{
    int on = 1;
    int off = 0;
    int problem = 0;
    int fd = socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC, info->ai_protocol);

    if (fd < 0) {
        return errno;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)); /* as gRPC does */
    if (info->ai_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    }
    if (bind(fd, info->ai_addr, info->ai_addrlen) != 0) {
        problem = errno;
    }
    close(fd);
    return problem;
}

bool rpc_address_try_listen(const char *text, struct error *err)
{
    struct rpc_address address;
    struct addrinfo hints = { .ai_family = AF_UNSPEC,
                              .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_PASSIVE };
    struct addrinfo *list = NULL;
    int worst = 0;
    bool any = false;

    if (!rpc_address_parse(text, &address, err)) {
        return error_wrap(err, "listen");
    }
    int rc = getaddrinfo(address.host, address.port, &hints, &list);
    if (rc != 0) {
        return error_set(err, ERR_INVALID, "listen on '%s': %s", text, gai_strerror(rc));
    }
    for (const struct addrinfo *info = list; info != NULL; info = info->ai_next) {
        int problem = rpc_address_bind(info);
        any = any || problem == 0;
        if (problem != 0 && worst != EADDRINUSE) {
            worst = problem;
        }
    }
    freeaddrinfo(list);
    /* A name may stand for addresses that this host does not have (::1); one that is in use is
     * another matter: half of the clients would talk to somebody else. */
    if (worst == 0 || (any && worst != EADDRINUSE)) {
        return true;
    }
    return error_set(err, worst == EADDRINUSE ? ERR_CONFLICT : ERR_INVALID, "listen on '%s': %s",
                     text, strerror(worst));
}
