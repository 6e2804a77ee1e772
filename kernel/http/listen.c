/* SPDX-License-Identifier: MIT */
#include "kernel/http/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

enum { BACKLOG = 511 };

static void
free_addresses(struct addrinfo **addresses)
{
    if (*addresses)
        freeaddrinfo(*addresses);
}

static enum ink_status
bind_failure(const char *host, int port, struct ink_err *err)
{
    if (errno == EADDRINUSE)
        return ink_fail(err, INK_BUSY, "port %d on %s is taken; --port 0 picks a free one", port,
                        host);
    if (errno == EACCES)
        return ink_fail(err, INK_NOAUTH, "port %d needs privileges; choose one above 1023", port);
    return ink_fail_errno(err, "cannot listen on %s port %d", host, port);
}

static enum ink_status
port_of(int fd, int *out_port, struct ink_err *err)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);
    struct sockaddr_in in;
    struct sockaddr_in6 in6;

    if (getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        return ink_fail_errno(err, "cannot ask for the port");
    if (address.ss_family == AF_INET6) {
        memcpy(&in6, &address, sizeof(in6));
        *out_port = ntohs(in6.sin6_port);
    } else {
        memcpy(&in, &address, sizeof(in));
        *out_port = ntohs(in.sin_port);
    }
    return INK_OK;
}

enum ink_status
ink_listen(const char *host, int port, int *out_fd, int *out_port, struct ink_err *err)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    INK_CLEANUP(free_addresses) struct addrinfo *address = NULL;
    INK_CLEANUP(ink_closep) int fd = -1;
    char service[12];
    const int on = 1;
    enum ink_status status;

    (void)snprintf(service, sizeof(service), "%d", port);
    /* "localhost" is 127.0.0.1 here: the one that every client tries. */
    if (getaddrinfo(strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, service, &hints,
                    &address) != 0)
        return ink_fail(err, INK_BADARG, "--host: '%.60s' is not an address of this machine", host);
    fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return ink_fail_errno(err, "cannot make a socket");
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* accepted ones inherit it */
    if (bind(fd, address->ai_addr, address->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
        return bind_failure(host, port, err);
    status = port_of(fd, out_port, err);
    if (status)
        return status;
    *out_fd = fd;
    fd = -1; /* NOLINT: the cleanup reads it */
    return INK_OK;
}
