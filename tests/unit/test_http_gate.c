/* SPDX-License-Identifier: MIT */
/* gate and message: every rule that lets a request in, keeps it out, or reads it. */
#include "tests/unit/ink_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "kernel/http/gate.h"
#include "kernel/http/message.h"

enum { FIELD_MAX = 80, PORT = 8501 };

/* Fields from "Name: value\nName: value", and a head checked with them. */
struct probe {
    char text[20000];
    struct ink_http_field field[FIELD_MAX];
    size_t count;
};

static void
parse_fields(struct probe *probe, const char *text)
{
    char *rest = probe->text;

    (void)snprintf(probe->text, sizeof(probe->text), "%s", text);
    probe->count = 0;
    while (*rest) {
        char *line = rest, *colon = strchr(line, ':'), *end = strchr(line, '\n');

        if (!end)
            end = line + strlen(line);
        rest = *end ? end + 1 : end;
        assert_non_null(colon);
        assert_true(probe->count < FIELD_MAX);
        probe->field[probe->count++] = (struct ink_http_field){
            line, colon + 2, (size_t)(colon - line), (size_t)(end - colon - 2)};
    }
}

static struct ink_gate_verdict
check(const struct ink_gate *gate, const char *method, const char *target, const char *version,
      const char *fields, struct ink_http_head *out_head)
{
    static struct probe probe;
    struct ink_gate_verdict verdict;
    struct ink_gate_input input = {.method = method, .target = target, .version = version};

    parse_fields(&probe, fields);
    input.field = probe.field;
    input.field_count = probe.count;
    ink_gate_check(gate, &input, out_head, &verdict);
    return verdict;
}

#define HOST "Host: localhost:8501\n"

static void
verdicts(void **state)
{
    /* clang-format off */
    static const struct {
        const char *method, *target, *version, *fields;
        int status;
        bool must_close;
        const char *says;
    } cases[] = {
        {"GET", "/", "HTTP/1.1", "Host: localhost:8501", 200, false, ""},
        {"GET", "/", "HTTP/1.1", "Host: LOCALHOST:8501", 200, false, ""},
        {"GET", "/", "HTTP/1.1", "Host: 127.0.0.1:8501", 200, false, ""},
        {"GET", "/", "HTTP/1.1", "Host: [::1]:8501", 200, false, ""},
        {"GET", "/", "HTTP/1.1", "Host: digits.example", 200, false, ""},
        {"GET", "/", "HTTP/1.1", "Host: digits.example:9000", 200, false, ""},
        {"GET", "/", "HTTP/1.1", "Host: exact.example:99", 200, false, ""},
        {"GET", "/", "HTTP/1.0", "Accept: */*", 200, false, ""},
        {"OPTIONS", "*", "HTTP/1.1", HOST, 200, false, ""},
        {"BREW", "/", "HTTP/1.1", HOST, 200, false, ""}, /* the routes say which methods they have */
        /* the request line */
        {"GET", "/", "HTTP/2.0", HOST, 505, true, "HTTP version 'HTTP/2.0'"},
        {"GET", "/", "HTTP/1.12", HOST, 505, true, "HTTP version"},
        {"GET", "/", "", HOST, 505, true, "HTTP version ''"},
        {"G@T", "/", "HTTP/1.1", HOST, 400, true, "method"},
        {"", "/", "HTTP/1.1", HOST, 400, true, "method"},
        {"GET", "/a b", "HTTP/1.1", HOST, 400, true, "byte 0x20"},
        {"GET", "/\x01", "HTTP/1.1", HOST, 400, true, "byte 0x01"},
        {"GET", "/\xc3\xa4", "HTTP/1.1", HOST, 400, true, "byte 0xc3"},
        {"GET", "", "HTTP/1.1", HOST, 400, true, "slash"},
        {"GET", "*", "HTTP/1.1", HOST, 400, true, "slash"},
        {"GET", "http://localhost:8501/", "HTTP/1.1", HOST, 400, true, "slash"},
        /* framing */
        {"POST", "/", "HTTP/1.1", HOST "Content-Length: 5", 200, false, ""},
        {"POST", "/", "HTTP/1.1", HOST "Transfer-Encoding: Chunked", 200, false, ""},
        {"POST", "/", "HTTP/1.1", HOST "Content-Length: 5\nContent-Length: 5", 400, true, "given twice"},
        {"POST", "/", "HTTP/1.1", HOST "Content-Length: 5\ncontent-length: 6", 400, true, "given twice"},
        {"POST", "/", "HTTP/1.1", HOST "Content-Length: 5\nTransfer-Encoding: chunked", 400, true, "both"},
        {"POST", "/", "HTTP/1.1", HOST "Transfer-Encoding: gzip", 400, true, "not 'chunked'"},
        {"POST", "/", "HTTP/1.1", HOST "Transfer-Encoding: gzip, chunked", 400, true, "not 'chunked'"},
        {"POST", "/", "HTTP/1.1", HOST "Transfer-Encoding: chunked\nTransfer-Encoding: chunked", 400, true, "twice"},
        {"POST", "/", "HTTP/1.0", HOST "Transfer-Encoding: chunked", 400, true, "not 'chunked'"},
        {"POST", "/", "HTTP/1.1", HOST "Content-Length: +5", 400, true, "not a number"},
        {"POST", "/", "HTTP/1.1", HOST "Content-Length: 0x5", 400, true, "not a number"},
        {"POST", "/", "HTTP/1.1", HOST "Content-Length: 5, 5", 400, true, "not a number"},
        {"POST", "/", "HTTP/1.1", HOST "Content-Length: ", 400, true, "0 digits"},
        {"POST", "/", "HTTP/1.1", HOST "Content-Length: 9999999999999999999", 413, true, "19 digits"},
        {"POST", "/", "HTTP/1.1", HOST "Content-Length: 8388608", 200, false, ""},
        {"POST", "/", "HTTP/1.1", HOST "Content-Length: 8388609", 413, true, "at most 8388608"},
        {"POST", "/", "HTTP/1.1", HOST "Content-Length: 5\nExpect: 100-Continue", 200, false, ""},
        {"POST", "/", "HTTP/1.1", HOST "Content-Length: 5\nExpect: 200-ok", 417, true, "100-continue"},
        {"POST", "/", "HTTP/1.1", HOST "Content-Length: 5\nContent-Encoding: gzip", 415, true, "Content-Encoding"},
        {"POST", "/", "HTTP/1.1", HOST "Content-Length: 5\nContent-Encoding: identity", 200, false, ""},
        {"POST", "/", "HTTP/1.1", HOST "Content-Length: 5\nContent-Type: a/b\nContent-Type: c/d", 400, true, "twice"},
        /* fields */
        {"GET", "/", "HTTP/1.1", HOST "X y: 1", 400, true, "not a token"},
        {"GET", "/", "HTTP/1.1", HOST "X : 1", 400, true, "not a token"},
        {"GET", "/", "HTTP/1.1", HOST ": 1", 400, true, "not a token"},
        {"GET", "/", "HTTP/1.1", HOST "X: a\rY", 400, true, "control character"},
        {"GET", "/", "HTTP/1.1", HOST "X: \x7f", 400, true, "control character"},
        {"GET", "/", "HTTP/1.1", HOST "X: tab\tand \xc3\xa4", 200, false, ""},
        /* rebinding */
        {"GET", "/", "HTTP/1.1", "Accept: */*", 400, true, "Host is missing"},
        {"GET", "/", "HTTP/1.1", HOST HOST, 400, true, "given twice"},
        {"GET", "/", "HTTP/1.1", "Host: evil.example:8501", 403, false, "'evil.example:8501'"},
        {"GET", "/", "HTTP/1.1", "Host: localhost", 403, false, "--allow-host"},
        {"GET", "/", "HTTP/1.1", "Host: localhost:8502", 403, false, "--allow-host"},
        {"GET", "/", "HTTP/1.1", "Host: localhost:85010", 403, false, "--allow-host"},
        {"GET", "/", "HTTP/1.1", "Host: localhost.evil.example:8501", 403, false, "--allow-host"},
        {"GET", "/", "HTTP/1.1", "Host: digits.example:", 403, false, "--allow-host"},
        {"GET", "/", "HTTP/1.1", "Host: digits.example:80x", 403, false, "--allow-host"},
        {"GET", "/", "HTTP/1.1", "Host: digits.example.evil", 403, false, "--allow-host"},
        {"GET", "/", "HTTP/1.1", "Host: exact.example:98", 403, false, "--allow-host"},
        {"GET", "/", "HTTP/1.1", "Host: exact.example", 403, false, "--allow-host"},
        {"GET", "/", "HTTP/1.1", "Host: ", 403, false, "--allow-host"},
        {"GET", "/", "HTTP/1.0", "Host: evil.example", 403, false, "--allow-host"},
        {"GET", "/", "HTTP/1.1", "Host: \xff", 400, true, "not a name"},
        /* other sites */
        {"POST", "/", "HTTP/1.1", HOST "Origin: http://localhost:8501", 200, false, ""},
        {"POST", "/", "HTTP/1.1", HOST "Origin: https://digits.example", 200, false, ""},
        {"POST", "/", "HTTP/1.1", HOST "Origin: http://localhost:8888", 403, false, "another origin"},
        {"POST", "/", "HTTP/1.1", HOST "Origin: http://evil.example", 403, false, "another origin"},
        {"POST", "/", "HTTP/1.1", HOST "Origin: null", 403, false, "another origin"},
        {"POST", "/", "HTTP/1.1", HOST "Origin: http://", 403, false, "another origin"},
        {"POST", "/", "HTTP/1.1", HOST "Sec-Fetch-Site: cross-site", 403, false, "cross-site"},
        {"GET", "/", "HTTP/1.1", HOST "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: no-cors", 403, false, "cross-site"},
        {"GET", "/", "HTTP/1.1", HOST "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate", 200, false, ""},
        {"POST", "/", "HTTP/1.1", HOST "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate", 403, false, "cross-site"},
        {"POST", "/", "HTTP/1.1", HOST "Sec-Fetch-Site: same-origin", 200, false, ""},
    };
    /* clang-format on */
    const struct ink_gate gate = {
        .port = PORT, .allow_host = {"digits.example", "exact.example:99"}, .allow_host_count = 2};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ink_http_head head;
        struct ink_gate_verdict got = check(&gate, cases[i].method, cases[i].target,
                                            cases[i].version, cases[i].fields, &head);

        if (got.status != cases[i].status || got.must_close != cases[i].must_close ||
            (got.status != 200 && !strstr(got.err.message, cases[i].says)))
            fail_msg("%s %s %s | %s: %d %d '%s'", cases[i].method, cases[i].target,
                     cases[i].version, cases[i].fields, got.status, got.must_close,
                     got.status == 200 ? "" : got.err.message);
    }
}

static void
head_limits_at_their_edge(void **state)
{
    const struct ink_gate gate = {.port = PORT};
    INK_CLEANUP(ink_buf_fini) struct ink_buf fields = {0}, target = {0};
    struct ink_http_head head;

    (void)state;
    for (int more = 0; more <= 1; more++) {
        ink_buf_clear(&fields);
        ink_buf_puts(&fields, "Host: localhost:8501");
        for (int i = 1; i < INK_LIMIT_HTTP_FIELD_COUNT + more; i++)
            ink_buf_puts(&fields, "\nA: b");
        assert_int_equal(check(&gate, "GET", "/", "HTTP/1.1", ink_buf_text(&fields), &head).status,
                         more ? 431 : 200);

        ink_buf_clear(&target);
        ink_buf_putc(&target, '/');
        while (target.size < (size_t)(INK_LIMIT_HTTP_TARGET_SIZE + more))
            ink_buf_putc(&target, 'a');
        assert_int_equal(
            check(&gate, "GET", ink_buf_text(&target), "HTTP/1.1", "Host: localhost:8501", &head)
                .status,
            more ? 414 : 200);

        /* "GET / HTTP/1.1" is 12 + 4, the Host field 4 + 14 + 4, the other 1 + n + 4 */
        ink_buf_clear(&fields);
        ink_buf_puts(&fields, "Host: localhost:8501\nA: ");
        for (int i = 0; i < INK_LIMIT_HTTP_HEAD_SIZE - 16 - 22 - 5 + more; i++)
            ink_buf_putc(&fields, 'x');
        assert_int_equal(check(&gate, "GET", "/", "HTTP/1.1", ink_buf_text(&fields), &head).status,
                         more ? 431 : 200);
    }
}

static void
a_token_is_asked_for_where_there_is_something_to_guard(void **state)
{
    static const struct {
        const char *target, *fields;
        int status;
    } cases[] = {
        {"/", HOST, 200},
        {"/?x", HOST, 200},
        {"/page.js", HOST, 200},
        {"/healthz", HOST, 200},
        {"/status", HOST, 401},
        {"/api/v1/predict", HOST, 401},
        {"/api/v1/predict", HOST "Authorization: Bearer sesame", 200},
        {"/api/v1/predict", HOST "Authorization: bearer sesame", 200},
        {"/api/v1/predict", HOST "Authorization: Bearer Sesame", 401},
        {"/api/v1/predict", HOST "Authorization: Bearer sesam", 401},
        {"/api/v1/predict", HOST "Authorization: Bearer sesame2", 401},
        {"/api/v1/predict", HOST "Authorization: Bearer ", 401},
        {"/api/v1/predict", HOST "Authorization: Basic sesame", 401},
        {"/api/v1/predict?token=sesame", HOST, 401},
        {"/api/v1/predict", HOST "Cookie: token=sesame", 401},
    };
    const struct ink_gate gate = {.port = PORT, .token = "sesame"};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ink_http_head head;

        if (check(&gate, "GET", cases[i].target, "HTTP/1.1", cases[i].fields, &head).status !=
            cases[i].status)
            fail_msg("%s %s: expected %d", cases[i].target, cases[i].fields, cases[i].status);
    }
}

/* The bytes of a head as the library's parser leaves them: zeros over its separators. */
static bool
check_raw(const char *text, size_t size)
{
    INK_CLEANUP(ink_freep) char *head = malloc(size);
    struct ink_http_field field[8];
    size_t count = 0;
    char *at = head, *version;

    assert_non_null(head);
    memcpy(head, text, size);
    version = memchr(head, ' ', size);
    *version = '\0';
    version = strchr(version + 1, ' ');
    *version++ = '\0';
    for (at = head; at < head + size; at++) { /* lines end at LF, a CR before it goes too */
        if (*at == '\n') {
            if (at > head && at[-1] == '\r')
                at[-1] = '\0';
            *at = '\0';
        }
    }
    at = version + strlen(version);
    while (at < head + size && *at == '\0')
        at++;
    while (at < head + size && count < 8) {
        char *colon = strchr(at, ':'), *value = colon + 1;

        *colon = '\0';
        while (*value == ' ')
            value++;
        field[count++] = (struct ink_http_field){at, value, (size_t)(colon - at), strlen(value)};
        at = value + strlen(value);
        while (at < head + size && *at == '\0')
            at++;
        if (at < head + size && !strchr(at, ':')) /* what stood behind a zero: no parser sees it */
            break;
    }
    return ink_gate_check_bytes(head, size, version, field, count);
}

static void
hidden_bytes_are_found(void **state)
{
    static const char good[] = "GET / HTTP/1.1\r\nHost: a\r\nX:b\r\nEmpty:\r\nY:   c \r\n\r\n";
    static const char none[] = "GET / HTTP/1.1\r\n\r\n";
    static const char bare[] = "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n";
    static const char bare_end[] = "GET / HTTP/1.1\r\nHost: a\r\n\n";
    static const char zero[] = "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n";
    static const char zero_end[] = "GET / HTTP/1.1\r\nHost: a\0\r\n\r\n";
    static const char zero_inside[] = "GET / HTTP/1.1\r\nHost: a\0\r\nX: b\r\n\r\n";

    (void)state;
    assert_true(check_raw(good, sizeof(good) - 1));
    assert_true(check_raw(none, sizeof(none) - 1));
    assert_false(check_raw(bare, sizeof(bare) - 1));
    assert_false(check_raw(bare_end, sizeof(bare_end) - 1));
    assert_false(check_raw(zero, sizeof(zero) - 1));
    assert_false(check_raw(zero_end, sizeof(zero_end) - 1));
    assert_false(check_raw(zero_inside, sizeof(zero_inside) - 1));
}

static void
paths_are_decoded_and_stay_below_the_root(void **state)
{
    static const struct {
        const char *target, *path; /* NULL: refused with */
        const char *says;
    } cases[] = {
        {"/", "/", NULL},
        {"/a/b?c=/../d", "/a/b", NULL},
        {"/a%2Fb%41", "/a/bA", NULL},
        {"/%C3%A4", "/\xc3\xa4", NULL},
        {"/a..b/.c/..d", "/a..b/.c/..d", NULL},
        {"/%", NULL, "broken"},
        {"/%4", NULL, "broken"},
        {"/%zz", NULL, "broken"},
        {"/%00", NULL, "control character 0x00"},
        {"/a%0d%0ab", NULL, "control character 0x0d"},
        {"/..", NULL, "'..'"},
        {"/a/../b", NULL, "'..'"},
        {"/a/%2e%2e/b", NULL, "'..'"},
        {"/%2e%2e%2fetc", NULL, "'..'"},
        {"/./a", NULL, "'.'"},
        {"/%ff", NULL, "UTF-8"},
        {"/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL, "longer than 31"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char path[32] = "";
        struct ink_err err;
        enum ink_status status = ink_http_path(cases[i].target, path, sizeof(path), &err);

        if (cases[i].path) {
            assert_int_equal(status, INK_OK);
            assert_string_equal(path, cases[i].path);
        } else if (!status || !strstr(err.message, cases[i].says))
            fail_msg("%s: '%s'", cases[i].target, status ? err.message : path);
    }
}

static void
types_and_queries_are_compared_whole(void **state)
{
    static const char text[] = "Image/PNG ; q=1";
    const struct ink_http_field type = {"Content-Type", text, 12, sizeof(text) - 1};

    (void)state;
    assert_true(ink_http_is_type(&type, "image/png"));
    assert_true(ink_http_is_type(&type, "image/*"));
    assert_false(ink_http_is_type(&type, "image/pngx"));
    assert_false(ink_http_is_type(&type, "image"));
    assert_false(ink_http_is_type(&type, "text/*"));
    assert_false(ink_http_is_type(NULL, "image/*"));
    assert_true(ink_http_query_is("/a?verbose=1", "verbose", "1"));
    assert_true(ink_http_query_is("/a?b&verbose=1&c", "verbose", "1"));
    assert_false(ink_http_query_is("/a?verbose=10", "verbose", "1"));
    assert_false(ink_http_query_is("/a?xverbose=1", "verbose", "1"));
    assert_false(ink_http_query_is("/verbose=1", "verbose", "1"));
}

static void
errors_are_valid_json(void **state)
{
    static const struct {
        const char *message, *body;
    } cases[] = {
        {"plain", "{\"error\":\"plain\"}"},
        {"a \"quote\" and \xc3\xa4", "{\"error\":\"a \\\"quote\\\" and \xc3\xa4\"}"},
        {"cut \xe2\x82", "{\"error\":\"cut ??\"}"},
        {"\xe2\x82\xac\xffx\x80", "{\"error\":\"\xe2\x82\xac?x?\"}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        INK_CLEANUP(ink_http_reply_fini) struct ink_http_reply reply = {0};

        ink_http_reply_error(&reply, 404, cases[i].message);
        assert_int_equal(reply.status, 404);
        assert_string_equal(ink_buf_text(&reply.body), cases[i].body);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts),
        cmocka_unit_test(head_limits_at_their_edge),
        cmocka_unit_test(a_token_is_asked_for_where_there_is_something_to_guard),
        cmocka_unit_test(hidden_bytes_are_found),
        cmocka_unit_test(paths_are_decoded_and_stay_below_the_root),
        cmocka_unit_test(types_and_queries_are_compared_whole),
        cmocka_unit_test(errors_are_valid_json),
    };

    return cmocka_run_group_tests_name("http_gate", tests, NULL, NULL);
}
