/* SPDX-License-Identifier: MIT */
/* jupyter parts: contents, positions, history, connection files, mailboxes. */

#include "tests/unit/ink_test.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "kernel/jupyter/connection.h"
#include "kernel/jupyter/content.h"
#include "kernel/jupyter/history.h"
#include "kernel/jupyter/mailbox.h"

/* ---- contents ---- */

static void
any_bytes_become_a_valid_string(void **state)
{
    static const struct {
        const char *text, *json;
        size_t size;
    } cases[] = {
        {"", "\"\"", 0},
        {"plain", "\"plain\"", 5},
        {"a\"b\\c", "\"a\\\"b\\\\c\"", 5},
        {"\n\r\t\x01\x1f\x7f", "\"\\n\\r\\t\\u0001\\u001f\\u007f\"", 6},
        {"a\0b", "\"a\\u0000b\"", 3},
        {"\xc3\xa9\xf0\x9f\x98\x80", "\"\xc3\xa9\xf0\x9f\x98\x80\"", 6},
        {"\xff", "\"\xef\xbf\xbd\"", 1},
        {"a\xc3", "\"a\xef\xbf\xbd\"", 2},
        {"\xc3(", "\"\xef\xbf\xbd(\"", 2},
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"", 3}, /* a surrogate */
        {"\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\"", 2},                 /* overlong */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        INK_CLEANUP(ink_buf_fini) struct ink_buf buf = {0};

        ink_content_string(&buf, cases[i].text, cases[i].size);
        assert_string_equal(ink_buf_text(&buf), cases[i].json);
    }
    for (unsigned pair = 0; pair < 0x10000; pair++) { /* all of two bytes */
        INK_CLEANUP(ink_buf_fini) struct ink_buf buf = {0};
        const char text[] = {(char)(pair >> 8), (char)pair};

        ink_content_string(&buf, text, 2);
        assert_true(ink_utf8_is_valid(buf.bytes, buf.size));
    }
}

static void
bundles_hold_each_kind_of_data(void **state)
{
    const struct ink_jupyter_data forms[] = {
        {"text/plain", "\"x\"", 3},       {"application/json", "[1]", 3},
        {"image/png", "\x89PNG", 4},      {"image/svg+xml", "<svg/>", 6},
        {"application/x.y+json", "7", 1}, {"application/pdf", NULL, 0},
        {"text/html", NULL, 0},
    };
    const struct ink_jupyter_data bad[] = {{"application/json", "\xff", 1},
                                           {"application/json", NULL, 0}};
    INK_CLEANUP(ink_buf_fini) struct ink_buf buf = {0};
    struct ink_jupyter_data large = {"image/png", "", INK_LIMIT_JUPYTER_MESSAGE_SIZE};
    struct ink_err err;

    (void)state;
    assert_ok(ink_content_bundle(&buf, forms, 7, &err), &err);
    assert_string_equal(ink_buf_text(&buf),
                        "{\"text/plain\":\"\\\"x\\\"\",\"application/json\":[1],"
                        "\"image/png\":\"iVBORw==\",\"image/svg+xml\":\"<svg/>\","
                        "\"application/x.y+json\":7,\"application/pdf\":\"\",\"text/html\":\"\"}");
    for (size_t i = 0; i < 2; i++)
        assert_fails(INK_BADDATA, "not UTF-8", ink_content_bundle(&buf, &bad[i], 1, &err), &err);
    assert_fails(INK_TOOBIG, "image/png", ink_content_bundle(&buf, &large, 1, &err), &err);
}

static void
bundle_leaves_out_what_cannot_be_shown(void **state)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf buf = {0};
    struct ink_jupyter_bundle bundle = {.buf = &buf};

    (void)state;
    ink_jupyter_bundle_add(&bundle, "application/json", "", 0);
    assert_string_equal(ink_buf_text(&buf), "");
    ink_jupyter_bundle_add(&bundle, "text/plain", "a", 1);
    ink_jupyter_bundle_add(&bundle, "application/json", "\xff", 1);
    ink_jupyter_bundle_add(&bundle, "text/html", "b", 1);
    assert_string_equal(ink_buf_text(&buf), "\"text/plain\":\"a\",\"text/html\":\"b\"");
}

static void
members_are_found_in_the_text(void **state)
{
    static const struct {
        const char *object, *data;
    } cases[] = {
        {"{\"data\":{\"a\":1}}", "{\"a\":1}"},
        {" { \"x\" : \"data\" , \"data\" : [ {\"data\":2} , \"}\" ] , \"y\":0}",
         " [ {\"data\":2} , \"}\" ] "},
        {"{\"x\":{\"data\":1},\"data\":\"\\\"}\"}", "\"\\\"}\""},
        {"{\"data\":1,\"data\":2}", "1"},
        {"{\"a data\":1,\"datum\":3,\"data\":4}", "4"},
        {"{\"d\\u0061ta\":1,\"data\":4}", NULL},
        {"{}", NULL},
        {"{\"d\\u0061ta\":1}", NULL},
        {"{\"dat\":1,\"dataa\":2}", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t size = 0, all = strlen(cases[i].object);
        char *exact = malloc(all);
        const char *found;

        assert_non_null(exact);
        memcpy(exact, cases[i].object, all);
        found = ink_content_member(exact, all, "data", &size);
        if (cases[i].data) {
            assert_non_null(found);
            assert_int_equal(size, strlen(cases[i].data));
            assert_memory_equal(found, cases[i].data, size);
        } else {
            assert_null(found);
        }
        for (size_t cut = 0; cut < all; cut++) { /* no over-read, whatever is missing */
            char *part = malloc(cut + 1);

            assert_non_null(part);
            memcpy(part, exact, cut);
            part = realloc(part, cut ? cut : 1);
            (void)ink_content_member(part, cut, "data", &size);
            free(part);
        }
        free(exact);
    }
}

static void
positions_count_code_points(void **state)
{
    static const char text[] = "a\xc3\xa9\xf0\x9f\x98\x80z"; /* 1, 2, 4, 1 bytes */
    static const size_t offsets[] = {0, 1, 3, 7, 8};

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(ink_content_byte_offset(text, (double)i), offsets[i]);
        assert_int_equal(ink_content_code_point_index(text, offsets[i]), i);
    }
    assert_int_equal(ink_content_byte_offset(text, -1), 0);
    assert_int_equal(ink_content_byte_offset(text, 1e300), 8);
    assert_int_equal(ink_content_byte_offset(text, 1.5), 1);
    assert_int_equal(ink_content_code_point_index(text, 1000), 4);
}

/* ---- history ---- */

static void
patterns_match(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool is_match;
    } cases[] = {
        {"", "", true},        {"*", "", true},
        {"?", "", false},      {"*", "any\nthing", true},
        {"a*c", "abbc", true}, {"a*c", "abcd", false},
        {"a?c", "abc", true},  {"a?c", "ac", false},
        {"*b*", "abc", true},  {"a*b*c", "aXbYbZc", true},
        {"**", "x", true},     {"abc", "ab", false},
        {"[a]", "a", false},
    };
    char pattern[400] = "", text[2000];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(ink_history_matches(cases[i].pattern, cases[i].text), cases[i].is_match);
    for (size_t i = 0; i < 198; i++) { /* a pattern that ruins matchers that recurse */
        pattern[2 * i] = 'a';
        pattern[2 * i + 1] = '*';
    }
    pattern[396] = 'b';
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_false(ink_history_matches(pattern, text));
}

static void
history_is_bounded(void **state)
{
    INK_CLEANUP(ink_history_fini) struct ink_history history = {0};
    INK_CLEANUP(ink_json_destroy) struct ink_json *request = NULL, *reply = NULL;
    INK_CLEANUP(ink_buf_fini) struct ink_buf content = {0};
    const char all[] = "{\"hist_access_type\":\"tail\",\"n\":100000}";
    const struct ink_json *entries;
    INK_CLEANUP(ink_freep) char *large = NULL;
    struct ink_err err;
    char code[32];

    (void)state;
    for (int i = 0; i < INK_LIMIT_JUPYTER_HISTORY + 10; i++) {
        (void)snprintf(code, sizeof(code), "cell %d", i);
        ink_history_add(&history, i, code, i % 2 ? code : NULL);
    }
    assert_int_equal(history.count, INK_LIMIT_JUPYTER_HISTORY);
    assert_ok(ink_json_parse(all, strlen(all), &request, &err), &err);
    assert_ok(ink_history_reply(&history, request, &content, &err), &err);
    assert_ok(ink_json_parse(ink_buf_text(&content), content.size, &reply, &err), &err);
    entries = ink_json_find(reply, "history");
    assert_int_equal(ink_json_count(entries), INK_LIMIT_JUPYTER_HISTORY);
    assert_int_equal(ink_json_number(ink_json_next(ink_json_first(ink_json_first(entries))), 0),
                     10);

    large = malloc((6 << 20) + 1);
    assert_non_null(large);
    memset(large, 'x', 6 << 20);
    large[6 << 20] = '\0';
    for (int i = 0; i < 4; i++)
        ink_history_add(&history, i, large, NULL);
    assert_true(history.size <= INK_LIMIT_JUPYTER_HISTORY_SIZE);
    assert_int_equal(history.count, 2);
}

/* ---- connection files: tests/protocol/test_life.py has the refusals ---- */

static void
connection_files_are_read(void **state)
{
    static const char text[] =
        "{\"shell_port\": 5001, \"iopub_port\": \"5002\", \"stdin_port\": 0, \"control_port\": "
        "5004,"
        " \"ip\": \"::1\", \"key\": \"secret\", \"transport\": \"tcp\", \"other\": [1]}";
    struct ink_connection connection;
    struct ink_err err;

    (void)state;
    assert_ok(ink_connection_parse("c.json", text, strlen(text), &connection, &err), &err);
    assert_int_equal(connection.ports[INK_SOCKET_SHELL], 5001);
    assert_int_equal(connection.ports[INK_SOCKET_IOPUB], 5002);
    assert_int_equal(connection.ports[INK_SOCKET_STDIN], 0);
    assert_int_equal(connection.ports[INK_SOCKET_HEARTBEAT], 0);
    assert_string_equal(connection.address, "::1");
    assert_string_equal(connection.key, "secret");
    assert_string_equal(connection.scheme, "hmac-sha256");
    for (size_t cut = 0; cut < strlen(text); cut++)
        assert_int_equal(ink_connection_parse("c.json", text, cut, &connection, NULL), INK_BADDATA);
}

/* ---- mailboxes ---- */

struct letter {
    struct ink_mail mail;
    int number, sender;
};
enum { SENDERS = 4, LETTERS = 5000 };
struct sender {
    struct ink_mailbox *box;
    int number;
};

static void *
send_letters(void *args)
{
    const struct sender *sender = args;

    for (int i = 0; i < LETTERS; i++) {
        struct letter *letter = calloc(1, sizeof(*letter));

        if (!letter)
            abort();
        letter->number = i;
        letter->sender = sender->number;
        ink_mailbox_post(sender->box, &letter->mail);
    }
    return NULL;
}

static void
mail_arrives_in_order_from_each(void **state)
{
    struct ink_mailbox box;
    struct sender senders[SENDERS];
    pthread_t threads[SENDERS];
    int next[SENDERS] = {0}, count = 0;
    struct ink_err err;

    (void)state;
    assert_ok(ink_mailbox_init(&box, &err), &err);
    assert_null(ink_mailbox_take(&box));
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){&box, i};
        assert_int_equal(pthread_create(&threads[i], NULL, send_letters, &senders[i]), 0);
    }
    while (count < SENDERS * LETTERS) {
        struct pollfd item = {.fd = box.fd, .events = POLLIN};
        struct ink_mail *following;

        assert_int_equal(poll(&item, 1, 10000), 1); /* mail is always announced */
        for (struct ink_mail *mail = ink_mailbox_take(&box); mail; mail = following) {
            struct letter *letter = (struct letter *)mail;

            following = mail->next;
            assert_int_equal(letter->number, next[letter->sender]++);
            count++;
            free(letter);
        }
    }
    for (int i = 0; i < SENDERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    ink_mailbox_fini(&box);
    ink_mailbox_fini(&box); /* twice is fine */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_bytes_become_a_valid_string),
        cmocka_unit_test(bundles_hold_each_kind_of_data),
        cmocka_unit_test(bundle_leaves_out_what_cannot_be_shown),
        cmocka_unit_test(members_are_found_in_the_text),
        cmocka_unit_test(positions_count_code_points),
        cmocka_unit_test(patterns_match),
        cmocka_unit_test(history_is_bounded),
        cmocka_unit_test(connection_files_are_read),
        cmocka_unit_test(mail_arrives_in_order_from_each),
    };

    return cmocka_run_group_tests_name("jupyter parts", tests, NULL, NULL);
}
