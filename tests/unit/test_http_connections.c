/* SPDX-License-Identifier: MIT */
/* connections: each deadline at its edge, and who has to go when there is no room. */
#include "tests/unit/ink_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "kernel/http/connections.h"

#define MS UINT64_C(1000000)

static const struct ink_connection_deadlines limits = {.head_ms = INK_LIMIT_HTTP_HEAD_MS,
                                                       .body_ms = INK_LIMIT_HTTP_BODY_MS,
                                                       .total_ms = INK_LIMIT_HTTP_TOTAL_MS,
                                                       .idle_ms = INK_LIMIT_HTTP_IDLE_MS};

/* One connection: the server's end in the table, the client's to look at. */
struct pair {
    struct ink_connection *row;
    int server, client;
};

static struct sockaddr_in
address_of(uint32_t host)
{
    struct sockaddr_in address = {.sin_family = AF_INET};

    address.sin_addr.s_addr = htonl(host);
    return address;
}

static struct pair
join(struct ink_connections *connections, uint32_t host)
{
    struct sockaddr_in address = address_of(host);
    struct pair pair;
    int fd[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    pair = (struct pair){.server = fd[0], .client = fd[1]};
    pair.row =
        ink_connections_add(connections, fd[0], (struct sockaddr *)&address, sizeof(address));
    assert_non_null(pair.row);
    return pair;
}

static void
leave(struct ink_connections *connections, struct pair *pair)
{
    ink_connections_remove(connections, pair->row);
    (void)close(pair->server);
    (void)close(pair->client);
}

static bool
is_cut(const struct pair *pair)
{
    char byte;

    return recv(pair->client, &byte, 1, MSG_DONTWAIT) == 0;
}

static bool
admit(struct ink_connections *connections, uint32_t host)
{
    struct sockaddr_in address = address_of(host);

    return ink_connections_admit(connections, (struct sockaddr *)&address, sizeof(address));
}

static struct ink_connections *
create(void)
{
    struct ink_connections *connections;
    struct ink_err err;

    assert_ok(ink_connections_create(&limits, &connections, &err), &err);
    return connections;
}

/* Walk a connection into a phase. */
static void
walk(struct ink_connections *connections, struct ink_connection *row,
     enum ink_connection_phase phase)
{
    static const enum ink_connection_phase way[] = {INK_CONNECTION_HEAD, INK_CONNECTION_BODY,
                                                    INK_CONNECTION_REPLY, INK_CONNECTION_IDLE};

    for (size_t i = 0; phase != INK_CONNECTION_NEW && i < 4; i++) {
        ink_connections_enter(connections, row, way[i]);
        if (way[i] == phase)
            return;
    }
}

static void
deadlines_at_their_edge(void **state)
{
    static const struct {
        enum ink_connection_phase phase;
        size_t received; /* enough bytes for the rate, where the time is to decide */
        int limit_ms;
    } cases[] = {
        {INK_CONNECTION_NEW, 0, INK_LIMIT_HTTP_HEAD_MS},
        {INK_CONNECTION_HEAD, 0, INK_LIMIT_HTTP_HEAD_MS},
        {INK_CONNECTION_BODY, 1 << 20, INK_LIMIT_HTTP_BODY_MS},
        {INK_CONNECTION_BODY, 0, INK_LIMIT_HTTP_BODY_MS / 6},
        {INK_CONNECTION_BODY, 20 * INK_LIMIT_HTTP_BODY_RATE, 20000},
        {INK_CONNECTION_REPLY, 0, INK_LIMIT_HTTP_TOTAL_MS},
        {INK_CONNECTION_IDLE, 0, INK_LIMIT_HTTP_IDLE_MS + INK_LIMIT_HTTP_HEAD_MS},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ink_connections *connections = create();
        struct pair pair = join(connections, INADDR_LOOPBACK);
        uint64_t now;

        walk(connections, pair.row, cases[i].phase);
        ink_connections_received(connections, pair.row, cases[i].received);
        now = ink_clock_ns();
        /* The rows' own clock started a moment before `now`: leave it 100 ms. */
        assert_int_equal(
            ink_connections_sweep(connections, now + (uint64_t)cases[i].limit_ms * MS - 100 * MS),
            0);
        assert_false(is_cut(&pair));
        assert_int_equal(
            ink_connections_sweep(connections, now + (uint64_t)cases[i].limit_ms * MS + 1), 1);
        assert_true(is_cut(&pair));
        assert_int_equal(
            ink_connections_sweep(connections, now + (uint64_t)cases[i].limit_ms * MS * 2), 0);
        leave(connections, &pair);
        ink_connections_destroy(&connections);
    }
}

static void
who_hangs_up_is_let_go(void **state)
{
    struct ink_connections *connections = create();
    struct pair idle = join(connections, 1), busy = join(connections, 2),
                half = join(connections, 3);
    char byte = 'x';

    (void)state;
    walk(connections, idle.row, INK_CONNECTION_IDLE);
    walk(connections, busy.row, INK_CONNECTION_REPLY);
    walk(connections, half.row, INK_CONNECTION_IDLE);
    assert_int_equal(send(half.client, &byte, 1, 0), 1); /* something is left to read */
    (void)shutdown(idle.client, SHUT_WR);
    (void)shutdown(busy.client, SHUT_WR);
    (void)shutdown(half.client, SHUT_WR);
    assert_int_equal(ink_connections_sweep(connections, ink_clock_ns()), 0);
    assert_true(is_cut(&idle));
    assert_false(is_cut(&busy));
    assert_false(is_cut(&half));
    assert_int_equal(ink_connections_active_count(connections), 1);
    assert_int_equal(ink_connections_count(connections), 3);
    leave(connections, &idle);
    leave(connections, &busy);
    leave(connections, &half);
    ink_connections_destroy(&connections);
}

/* Fill one address with waiting connections; the oldest goes for each newcomer. */
static void
an_address_has_its_share(void **state)
{
    enum { COUNT = INK_LIMIT_HTTP_PER_ADDRESS };
    struct ink_connections *connections = create();
    struct pair pair[COUNT];

    (void)state;
    for (int i = 0; i < COUNT; i++) {
        assert_true(admit(connections, 7));
        pair[i] = join(connections, 7);
    }
    for (int i = 0; i < COUNT; i++)
        assert_false(is_cut(&pair[i]));
    /* a whole request under way is never cut, an idle one before a slow body, a slow head first */
    for (int i = 0; i < COUNT; i++)
        walk(connections, pair[i].row, INK_CONNECTION_REPLY);
    assert_false(admit(connections, 7));
    assert_true(admit(connections, 8));
    ink_connections_enter(connections, pair[30].row, INK_CONNECTION_BODY);
    ink_connections_enter(connections, pair[20].row, INK_CONNECTION_IDLE);
    ink_connections_enter(connections, pair[11].row, INK_CONNECTION_HEAD);
    ink_connections_enter(connections, pair[10].row, INK_CONNECTION_HEAD);
    for (int turn = 0; turn < 4; turn++) {
        static const int order[] = {10, 11, 20, 30}; /* the first joined earlier */

        assert_true(admit(connections, 7));
        for (int i = turn; i < 4; i++)
            assert_int_equal(is_cut(&pair[order[i]]), i == turn);
        /* the newcomer takes the place */
        leave(connections, &pair[order[turn]]);
        pair[order[turn]] = join(connections, 7);
        walk(connections, pair[order[turn]].row, INK_CONNECTION_REPLY);
    }
    assert_false(admit(connections, 7));
    for (int i = 0; i < COUNT; i++)
        leave(connections, &pair[i]);
    ink_connections_destroy(&connections);
}

static void
the_table_has_its_limit(void **state)
{
    enum { COUNT = INK_LIMIT_HTTP_CONNECTIONS };
    struct ink_connections *connections = create();
    static struct pair pair[COUNT];
    struct rlimit descriptors;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &descriptors), 0);
    if (descriptors.rlim_cur < COUNT * 2 + 64) {
        descriptors.rlim_cur = COUNT * 2 + 64;
        if (setrlimit(RLIMIT_NOFILE, &descriptors) != 0)
            skip();
    }
    for (int i = 0; i < COUNT; i++) {
        assert_true(admit(connections, (uint32_t)(i / 100)));
        pair[i] = join(connections, (uint32_t)(i / 100));
        walk(connections, pair[i].row, INK_CONNECTION_REPLY);
    }
    assert_ptr_equal(ink_connections_find(connections, pair[300].server), pair[300].row);
    assert_null(ink_connections_find(connections, -1));
    assert_false(admit(connections, 99));
    walk(connections, pair[5].row, INK_CONNECTION_IDLE);
    assert_true(admit(connections, 99));
    assert_true(is_cut(&pair[5]));
    for (int i = 0; i < COUNT; i++)
        leave(connections, &pair[i]);
    ink_connections_destroy(&connections);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deadlines_at_their_edge),
        cmocka_unit_test(who_hangs_up_is_let_go),
        cmocka_unit_test(an_address_has_its_share),
        cmocka_unit_test(the_table_has_its_limit),
    };

    return cmocka_run_group_tests_name("http_connections", tests, NULL, NULL);
}
