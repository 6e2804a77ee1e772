/* SPDX-License-Identifier: MIT */
/* transport: real sockets on loopback, raw bytes, every way in which a request can go wrong. */
#include "tests/unit/ink_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "kernel/http/transport.h"

enum { PATIENCE_MS = 20000 };

static atomic_bool is_held; /* the handler waits while it is set, for a target /slow */

/* Answers what it got: method, target and the body's size. */
static void
echo(void *self, const struct ink_http_request *request, struct ink_http_reply *reply)
{
    const struct timespec nap = {.tv_nsec = 1000000};

    (void)self;
    while (strcmp(request->head.target, "/slow") == 0 && atomic_load(&is_held))
        (void)nanosleep(&nap, NULL);
    reply->content_type = "text/plain";
    ink_buf_printf(&reply->body, "%s %s %zu", request->head.method_name, request->head.target,
                   request->body_size);
}

static struct ink_transport *
start(const struct ink_connection_deadlines *deadlines)
{
    const struct ink_connection_deadlines patient = {PATIENCE_MS, PATIENCE_MS, PATIENCE_MS,
                                                     PATIENCE_MS};
    const struct ink_transport_options options = {.host = "127.0.0.1",
                                                  .threads = 2,
                                                  .deadlines = deadlines ? *deadlines : patient,
                                                  .handler = echo};
    struct ink_transport *transport;
    struct ink_err err;

    assert_ok(ink_transport_start(&options, &transport, &err), &err);
    return transport;
}

static int
dial(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void
say(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);

        if (sent <= 0)
            return; /* the server may have closed: the answer tells */
        bytes += sent;
        size -= (size_t)sent;
    }
}

/* Append what comes till the end of the stream, `until` or no more patience; false on the latter.
 */
static bool
hear(int fd, struct ink_buf *heard, const char *until)
{
    const uint64_t start_ns = ink_clock_ns();
    char bytes[4096];

    while (ink_clock_ms_since(start_ns) < PATIENCE_MS) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        ssize_t got;

        if (poll(&wait, 1, PATIENCE_MS) <= 0)
            return false;
        got = recv(fd, bytes, sizeof(bytes), 0);
        if (got <= 0)
            return true;
        ink_buf_append(heard, bytes, (size_t)got);
        if (until && strstr(ink_buf_text(heard), until))
            return true;
    }
    return false;
}

static size_t
count_of(const char *text, const char *what)
{
    size_t count = 0;

    for (const char *at = text; (at = strstr(at, what)); at++)
        count++;
    return count;
}

/* Put the port where the text has "@". */
static size_t
fill(char *out, size_t room, const char *text, size_t size, int port)
{
    struct ink_buf buf = {0};

    for (size_t i = 0; i < size; i++) {
        if (text[i] == '@')
            ink_buf_printf(&buf, "localhost:%d", port);
        else
            ink_buf_putc(&buf, text[i]);
    }
    assert_true(buf.size < room);
    memcpy(out, ink_buf_text(&buf), buf.size);
    size = buf.size;
    ink_buf_fini(&buf);
    return size;
}

#define RAW(text) text, sizeof(text) - 1

static void
one_answer_for_each_stream(void **state)
{
    /* clang-format off */
    static const struct {
        const char *bytes;
        size_t size;
        const char *status; /* of the first answer; "" = closed without a word */
        size_t answers;
    } cases[] = {
        {RAW("GET / HTTP/1.1\r\nHost: @\r\nConnection: close\r\n\r\n"), "200", 1},
        {RAW("GET / HTTP/1.0\r\n\r\n"), "200", 1},
        {RAW("HEAD / HTTP/1.1\r\nHost: @\r\nConnection: close\r\n\r\n"), "200", 1},
        /* pipelining */
        {RAW("GET /1 HTTP/1.1\r\nHost: @\r\n\r\nPOST /2 HTTP/1.1\r\nHost: @\r\nContent-Length: 3\r\n\r\nabc"
             "GET /3 HTTP/1.1\r\nHost: @\r\nConnection: close\r\n\r\n"), "200", 3},
        {RAW("POST / HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
             "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), "200", 1},
        /* smuggling: one refusal, and what follows is not read as a request */
        {RAW("POST / HTTP/1.1\r\nHost: @\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG"
             "GET /x HTTP/1.1\r\nHost: @\r\n\r\n"), "400", 1},
        {RAW("POST / HTTP/1.1\r\nHost: @\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\nabcde"
             "GET /x HTTP/1.1\r\nHost: @\r\n\r\n"), "400", 1},
        {RAW("POST / HTTP/1.1\r\nHost: @\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\n"
             "GET /x HTTP/1.1\r\nHost: @\r\n\r\n"), "400", 1},
        {RAW("POST / HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"
             "GET /x HTTP/1.1\r\nHost: @\r\n\r\n"), "400", 1},
        {RAW("POST / HTTP/1.1\r\nHost: @\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n"
             "GET /x HTTP/1.1\r\nHost: @\r\n\r\n"), "400", 1},
        {RAW("POST / HTTP/1.1\r\nHost: @\r\nX: a\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
             "GET /x HTTP/1.1\r\nHost: @\r\n\r\n"), "400", 1},
        {RAW("GET / HTTP/1.1\r\nHost: @\r\nX: a\0b\r\n\r\nGET /x HTTP/1.1\r\nHost: @\r\n\r\n"), "400", 1},
        {RAW("GET / HTTP/1.1\r\nHost: @\r\nX: a\0\r\n\r\n"), "400", 1},
        {RAW("GET / HTTP/1.1\r\nHost: @\nX: a\r\n\r\nGET /x HTTP/1.1\r\nHost: @\r\n\r\n"), "400", 1},
        {RAW("GET / HTTP/1.1\r\nHost: @\r\nX: a\rContent-Length: 9\r\n\r\nGET /x HTTP/1.1\r\nHost: @\r\n\r\n"), "400", 1},
        /* the library's own refusal; 0.9.75 sends its head twice, and no more than that */
        {RAW("POST / HTTP/1.1\r\nHost: @\r\nContent-Length: +3\r\n\r\nabc"), "400", 2},
        {RAW("POST / HTTP/1.1\r\nHost: @\r\nContent-Length: 3x\r\n\r\nabc"), "400", 2},
        {RAW("POST / HTTP/1.1\r\nHost: @\r\nContent-Length: -3\r\n\r\nGET / HTTP/1.1\r\nHost: @\r\n\r\n"), "400", 2},
        {RAW("POST / HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n"), "400", 1},
        {RAW("POST / HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n"), "400", 1},
        {RAW("POST / HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n"), "400", 1},
        {RAW("POST / HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n"), "413", 1},
        /* other nonsense */
        {RAW("GET / HTTP/1.1\r\n\r\n"), "400", 1},
        {RAW("GET / HTTP/1.1\r\nHost: @\r\nHost: @\r\n\r\n"), "400", 1},
        {RAW("GET / HTTP/1.1\r\nHost: evil\r\nConnection: close\r\n\r\n"), "403", 1},
        {RAW("GET /a b HTTP/1.1\r\nHost: @\r\n\r\n"), "400", 1},
        {RAW("GET / HTTP/3.0\r\nHost: @\r\n\r\n"), "505", 1},
        {RAW("POST / HTTP/1.1\r\nHost: @\r\nContent-Length: 9000000\r\nExpect: 100-continue\r\n\r\n"), "413", 1},
        {RAW("POST / HTTP/1.1\r\nHost: @\r\nContent-Length: 900000000\r\n\r\n"), "413", 1},
    };
    /* clang-format on */
    struct ink_transport *transport = start(NULL);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        INK_CLEANUP(ink_buf_fini) struct ink_buf heard = {0};
        INK_CLEANUP(ink_closep) int fd = dial(ink_transport_port(transport));
        char bytes[2000];
        size_t size = fill(bytes, sizeof(bytes), cases[i].bytes, cases[i].size,
                           ink_transport_port(transport));

        say(fd, bytes, size);
        if (!hear(fd, &heard, NULL) || heard.size < 12 ||
            strncmp(heard.bytes + 9, cases[i].status, 3) != 0 ||
            count_of(heard.bytes, "HTTP/1.") > cases[i].answers ||
            (cases[i].status[0] == '2' && count_of(heard.bytes, " 200 OK") != cases[i].answers) ||
            (cases[i].status[0] != '2' && strstr(heard.bytes, " 200 OK")))
            fail_msg("case %zu: %s\n-> %s", i, cases[i].bytes, ink_buf_text(&heard));
    }
    assert_int_equal(ink_transport_stop(&transport, 1000), 0);
}

static void
errors_are_json_and_say_no_100_first(void **state)
{
    struct ink_transport *transport = start(NULL);
    INK_CLEANUP(ink_buf_fini) struct ink_buf heard = {0};
    INK_CLEANUP(ink_closep) int fd = dial(ink_transport_port(transport));
    char bytes[300];
    static const char text[] = "POST / HTTP/1.1\r\nHost: @\r\nContent-Length: 9000000\r\n"
                               "Expect: 100-continue\r\n\r\n";

    (void)state;
    say(fd, bytes,
        fill(bytes, sizeof(bytes), text, sizeof(text) - 1, ink_transport_port(transport)));
    assert_true(hear(fd, &heard, NULL));
    assert_null(strstr(ink_buf_text(&heard), "100 Continue"));
    assert_non_null(strstr(ink_buf_text(&heard), "application/json"));
    assert_non_null(strstr(ink_buf_text(&heard), "nosniff"));
    assert_non_null(
        strstr(ink_buf_text(&heard), "{\"error\":\"a body of 9000000 bytes, at most 8388608\"}"));
    (void)ink_transport_stop(&transport, 1000);
}

/* Send a body of `size` bytes, in chunks or not, and hear the status. */
static int
status_of_body(int port, size_t size, bool is_chunked)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf heard = {0}, out = {0};
    INK_CLEANUP(ink_closep) int fd = dial(port);

    ink_buf_printf(&out, "POST /b HTTP/1.1\r\nHost: localhost:%d\r\nConnection: close\r\n", port);
    if (is_chunked)
        ink_buf_printf(&out, "Transfer-Encoding: chunked\r\n\r\n%zx\r\n", size);
    else
        ink_buf_printf(&out, "Content-Length: %zu\r\n\r\n", size);
    for (size_t i = 0; i < size; i++)
        ink_buf_putc(&out, 'x');
    if (is_chunked)
        ink_buf_puts(&out, "\r\n0\r\n\r\n");
    say(fd, out.bytes, out.size);
    assert_true(hear(fd, &heard, NULL));
    assert_true(heard.size > 12);
    return (int)strtod(heard.bytes + 9, NULL);
}

static void
bodies_at_the_limit(void **state)
{
    struct ink_transport *transport = start(NULL);
    int port = ink_transport_port(transport);

    (void)state;
    for (int is_chunked = 0; is_chunked <= 1; is_chunked++) {
        assert_int_equal(status_of_body(port, INK_LIMIT_HTTP_BODY_SIZE - 1, is_chunked), 200);
        assert_int_equal(status_of_body(port, INK_LIMIT_HTTP_BODY_SIZE, is_chunked), 200);
        assert_int_equal(status_of_body(port, INK_LIMIT_HTTP_BODY_SIZE + 1, is_chunked), 413);
    }
    (void)ink_transport_stop(&transport, 1000);
}

static void
bodies_together_at_the_limit(void **state)
{
    enum { FULL = INK_LIMIT_HTTP_FLIGHT_SIZE / INK_LIMIT_HTTP_BODY_SIZE };
    struct ink_transport *transport = start(NULL);
    int fd[FULL], port = ink_transport_port(transport);
    char *almost = malloc(INK_LIMIT_HTTP_BODY_SIZE - 1);
    struct ink_buf heard = {0};
    const struct timespec nap = {.tv_nsec = 10000000};

    (void)state;
    assert_non_null(almost);
    memset(almost, 'x', INK_LIMIT_HTTP_BODY_SIZE - 1);
    for (int i = 0; i < FULL; i++) {
        char head[200];

        fd[i] = dial(port);
        (void)snprintf(head, sizeof(head),
                       "POST / HTTP/1.1\r\nHost: localhost:%d\r\nConnection: close\r\n"
                       "Content-Length: %d\r\n\r\n",
                       port, INK_LIMIT_HTTP_BODY_SIZE);
        say(fd[i], head, strlen(head));
        say(fd[i], almost, INK_LIMIT_HTTP_BODY_SIZE - 1);
    }
    /* What was sent may still be in the sockets' buffers: ask until it is in. */
    for (int turn = 0; status_of_body(port, FULL + 1, false) != 503; turn++) {
        assert_true(turn < 1000);
        (void)nanosleep(&nap, NULL);
    }
    assert_int_equal(status_of_body(port, FULL, false), 200); /* just room enough */
    for (int i = 0; i < FULL; i++) {
        say(fd[i], "x", 1);
        assert_true(hear(fd[i], &heard, NULL));
        (void)close(fd[i]);
    }
    assert_int_equal(count_of(ink_buf_text(&heard), "POST / 8388608"), FULL);
    assert_int_equal(status_of_body(port, FULL + 1, false), 200); /* all was given back */
    ink_buf_fini(&heard);
    free(almost);
    (void)ink_transport_stop(&transport, 1000);
}

static void
slow_clients_are_cut_and_others_served(void **state)
{
    static const char *const heads[] = {
        "",
        "GET / HT",
        "GET / HTTP/1.1\r\nHost: @\r\nX: ",
        "POST / HTTP/1.1\r\nHost: @\r\nContent-Length: 100\r\n\r\nab",
        "POST / HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    };
    const struct ink_connection_deadlines deadlines = {300, 300, 600, 300};
    struct ink_transport *transport = start(&deadlines);
    int fd[sizeof(heads) / sizeof(heads[0])], port = ink_transport_port(transport);
    uint64_t start_ns = ink_clock_ns();

    (void)state;
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        char bytes[300];

        fd[i] = dial(port);
        say(fd[i], bytes, fill(bytes, sizeof(bytes), heads[i], strlen(heads[i]), port));
    }
    assert_int_equal(status_of_body(port, 10, false), 200);
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        struct ink_buf heard = {0};
        struct pollfd wait = {.fd = fd[i], .events = POLLIN};

        while (ink_clock_ms_since(start_ns) < PATIENCE_MS && poll(&wait, 1, 20) == 0)
            say(fd[i], "a", 1); /* never silent: an inactivity timeout would not help */
        assert_true(hear(fd[i], &heard, NULL));
        assert_int_equal(heard.size, 0);
        (void)close(fd[i]);
        ink_buf_fini(&heard);
    }
    assert_true(ink_clock_ms_since(start_ns) < 5000);
    (void)ink_transport_stop(&transport, 1000);
}

static void
a_crowd_without_requests_makes_room(void **state)
{
    enum { CROWD = INK_LIMIT_HTTP_PER_ADDRESS + 30 };
    struct ink_transport *transport = start(NULL);
    int fd[CROWD], port = ink_transport_port(transport);

    (void)state;
    for (int i = 0; i < CROWD; i++) {
        fd[i] = dial(port);
        say(fd[i], "GET / HTTP/1.1\r\n", 16);
    }
    for (int i = 0; i < 5; i++)
        assert_int_equal(status_of_body(port, 10, false), 200);
    for (int i = 0; i < CROWD; i++)
        (void)close(fd[i]);
    assert_int_equal(ink_transport_stop(&transport, 1000), 0);
}

static void *
release_later(void *self)
{
    const struct timespec nap = {.tv_nsec = 200000000};

    (void)self;
    (void)nanosleep(&nap, NULL);
    atomic_store(&is_held, false);
    return NULL;
}

static void
stop_finishes_what_runs(void **state)
{
    struct ink_transport *transport = start(NULL);
    int port = ink_transport_port(transport);
    INK_CLEANUP(ink_buf_fini) struct ink_buf heard = {0};
    INK_CLEANUP(ink_closep) int fd = -1, idle = -1;
    char bytes[200];
    static const char slow[] = "GET /slow HTTP/1.1\r\nHost: @\r\n\r\n";
    const struct timespec nap = {.tv_nsec = 50000000};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    pthread_t releaser;
    int late;

    (void)state;
    atomic_store(&is_held, true);
    idle = dial(port);
    fd = dial(port);
    say(fd, bytes, fill(bytes, sizeof(bytes), slow, sizeof(slow) - 1, port));
    (void)nanosleep(&nap, NULL);
    assert_int_equal(pthread_create(&releaser, NULL, release_later, NULL), 0);
    assert_int_equal(ink_transport_stop(&transport, 5000), 0);
    (void)pthread_join(releaser, NULL);
    assert_true(hear(fd, &heard, NULL));
    assert_non_null(strstr(ink_buf_text(&heard), "GET /slow 0"));
    assert_non_null(strstr(ink_buf_text(&heard), "Connection: close"));

    late = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(late, (struct sockaddr *)&address, sizeof(address)), -1);
    (void)close(late);
}

static void
a_taken_port_is_named(void **state)
{
    struct ink_transport *transport = start(NULL), *second = NULL;
    struct ink_transport_options options = {
        .host = "127.0.0.1", .threads = 1, .handler = echo, .deadlines = {1, 1, 1, 1}};
    char says[40];
    struct ink_err err;

    (void)state;
    options.port = ink_transport_port(transport);
    (void)snprintf(says, sizeof(says), "port %d on 127.0.0.1 is taken", options.port);
    assert_fails(INK_BUSY, says, ink_transport_start(&options, &second, &err), &err);
    options.host = "not an address";
    assert_fails(INK_BADARG, "'not an address'", ink_transport_start(&options, &second, &err),
                 &err);
    assert_null(second);
    (void)ink_transport_stop(&transport, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_answer_for_each_stream),
        cmocka_unit_test(errors_are_json_and_say_no_100_first),
        cmocka_unit_test(bodies_at_the_limit),
        cmocka_unit_test(bodies_together_at_the_limit),
        cmocka_unit_test(slow_clients_are_cut_and_others_served),
        cmocka_unit_test(a_crowd_without_requests_makes_room),
        cmocka_unit_test(stop_finishes_what_runs),
        cmocka_unit_test(a_taken_port_is_named),
    };

    return cmocka_run_group_tests_name("http_transport", tests, NULL, NULL);
}
