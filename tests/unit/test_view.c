/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "command_fixture.h"
#include "kernel/command/view.h"

static const char seven[] = "[[60,60,220,60,120,240]]";

/* Ask, and parse the answer. */
static struct ink_json *
ask(struct ink_viewer *viewer, enum ink_status want, const char *fmt, const char *strokes)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf frame = {0}, reply = {0};
    struct ink_json *json = NULL;
    const char *at = strstr(fmt, "STROKES");
    struct ink_err err;

    ink_buf_append(&frame, fmt, at ? (size_t)(at - fmt) : strlen(fmt));
    if (at) {
        ink_buf_puts(&frame, strokes);
        ink_buf_puts(&frame, at + strlen("STROKES"));
    }
    ink_buf_puts(&reply, "keep");
    assert_int_equal(ink_viewer_reply(viewer, frame.bytes, frame.size, &reply, &err), want);
    assert_memory_equal(reply.bytes, "keep", 4); /* appended, also after an error */
    assert_ok(ink_json_parse(reply.bytes + 4, reply.size - 4, &json, &err), &err);
    assert_string_equal(ink_json_string(ink_json_find(json, "type"), ""), want != INK_OK ? "error"
                                                                          : strstr(fmt, "\"type\"")
                                                                              ? "answer"
                                                                              : "hello");
    return json;
}

static double
number(const struct ink_json *json, const char *name)
{
    return ink_json_number(ink_json_find(json, name), -1);
}

static struct ink_viewer *
new_viewer(struct fixture *fixture)
{
    struct ink_viewer *viewer = NULL;

    assert_ok(ink_viewer_create(fixture->session, &viewer, &fixture->err), &fixture->err);
    return viewer;
}

static void
test_open(void **state)
{
    INK_CLEANUP(ink_viewer_destroy) struct ink_viewer *viewer = new_viewer(*state);
    INK_CLEANUP(ink_json_destroy)
    struct ink_json *hello = ask(viewer, INK_OK, "{\"v\":1,\"view\":\"draw\",\"id\":\"a\"}", "");
    const struct ink_json *model = ink_json_find(hello, "model");
    const struct ink_json *layer = ink_json_first(ink_json_find(model, "layers"));

    assert_string_equal(ink_json_string(ink_json_find(model, "name"), ""), "small");
    assert_int_equal(number(model, "parameters"), 13610);
    assert_int_equal(ink_json_count(ink_json_find(hello, "labels")), 10);
    assert_true(ink_json_is_null(ink_json_find(hello, "answer")));
    assert_true(ink_json_is_null(ink_json_find(hello, "strokes")));
    assert_string_equal(ink_json_string(ink_json_find(layer, "name"), ""), "image");
    assert_int_equal(ink_json_count(ink_json_find(layer, "shape")), 3);
}

static size_t
decoded_size(const struct ink_json *base64)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf bytes = {0};
    const char *text = ink_json_string(base64, "");
    struct ink_err err;

    assert_ok(ink_buf_unbase64(&bytes, text, strlen(text), &err), &err);
    return bytes.size;
}

static void
test_answer(void **state)
{
    struct fixture *fixture = *state;
    INK_CLEANUP(ink_viewer_destroy) struct ink_viewer *viewer = new_viewer(fixture);
    INK_CLEANUP(ink_json_destroy)
    struct ink_json *answer =
        ask(viewer, INK_OK,
            "{\"type\":\"strokes\",\"seq\":5,\"id\":\"a\",\"size\":280,\"brush\":22,"
            "\"strokes\":STROKES,\"final\":false,\"layers\":2}",
            seven);
    const struct ink_json *probabilities = ink_json_find(answer, "probabilities");
    const struct ink_json *layer = ink_json_first(ink_json_find(answer, "layers"));
    double sum = 0, best = -1;
    int index = 0, best_index = 0;

    assert_int_equal(number(answer, "seq"), 5);
    assert_false(ink_json_bool(ink_json_find(answer, "final"), true));
    assert_false(ink_json_bool(ink_json_find(answer, "empty"), true));
    for (const struct ink_json *p = ink_json_first(probabilities); p;
         p = ink_json_next(p), index++) {
        sum += ink_json_number(p, 0);
        if (ink_json_number(p, 0) > best) {
            best = ink_json_number(p, 0);
            best_index = index;
        }
    }
    assert_int_equal(index, 10);
    assert_true(sum > 0.999 && sum < 1.001);
    assert_int_equal(number(answer, "prediction"), best_index);
    assert_int_equal(decoded_size(ink_json_find(answer, "picture")), 784);
    assert_true(ink_json_count(ink_json_find(answer, "preparation")) > 0);
    assert_int_equal(ink_json_count(ink_json_find(answer, "layers")), 2);
    assert_string_equal(ink_json_string(ink_json_find(layer, "name"), ""), "conv1");
    assert_int_equal(decoded_size(ink_json_find(layer, "maps")), 8 * 13 * 13);
    assert_true(number(layer, "max") >= number(layer, "min"));
    assert_null(ink_json_find(answer, "bundle"));
    assert_int_equal(ink_session_drawn_count(fixture->session), 0);
}

#define FINAL                                                                                     \
    "{\"type\":\"strokes\",\"seq\":1,\"id\":\"a\",\"strokes\":STROKES,\"final\":true,\"layers\":" \
    "0}"

static void
test_final(void **state)
{
    struct fixture *fixture = *state;
    INK_CLEANUP(ink_viewer_destroy) struct ink_viewer *viewer = new_viewer(fixture);
    INK_CLEANUP(ink_viewer_destroy) struct ink_viewer *other = new_viewer(fixture);
    INK_CLEANUP(ink_json_destroy) struct ink_json *answer = ask(viewer, INK_OK, FINAL, seven);
    INK_CLEANUP(ink_json_destroy)
    struct ink_json *hello = ask(other, INK_OK, "{\"v\":1,\"view\":\"draw\",\"id\":\"a\"}", "");
    const struct ink_json *bundle = ink_json_find(answer, "bundle");
    const struct ink_json *view = ink_json_find(bundle, INK_MIME_VIEW);
    const struct ink_json *kept = ink_json_find(view, "static");

    assert_string_equal(ink_json_string(ink_json_find(view, "id"), ""), "a");
    assert_int_equal(number(view, "v"), 1);
    assert_int_equal(number(ink_json_find(view, "parameters"), "size"), 280);
    assert_int_equal(ink_json_count(ink_json_find(kept, "strokes")), 1);
    assert_null(ink_json_find(kept, "layers"));
    assert_int_equal(number(kept, "prediction"), number(answer, "prediction"));
    assert_non_null(
        strstr(ink_json_string(ink_json_find(bundle, INK_MIME_HTML), ""), "<img width"));
    assert_true(decoded_size(ink_json_find(bundle, INK_MIME_PNG)) > 100);
    assert_non_null(ink_json_find(bundle, INK_MIME_TEXT));
    /* another viewer of the session goes on where it was */
    assert_int_equal(number(ink_json_find(hello, "answer"), "prediction"),
                     number(answer, "prediction"));
    assert_int_equal(ink_json_count(ink_json_first(ink_json_find(hello, "strokes"))), 6);
    assert_ok(fixture_run(fixture, "predict drawn --json"), &fixture->err);
    assert_non_null(strstr(fixture_form(fixture, INK_MIME_JSON), "\"source\":\"drawn[0]\""));
}

/* A drawing that goes on is one drawing; after clearing, the next is another. */
static void
test_drawn(void **state)
{
    struct fixture *fixture = *state;
    INK_CLEANUP(ink_viewer_destroy) struct ink_viewer *viewer = new_viewer(fixture);
    static const struct {
        const char *id, *strokes;
        size_t want;
    } steps[] = {
        {"a", "[[1,1,50,50]]", 1},
        {"a", "[[1,1,50,50],[9,9,90,9]]", 1},
        {"b", "[[1,1,50,50]]", 2},
        {"a", "[[1,1,50,50],[9,9,90,90]]", 2},
        {"a", "[]", 2},
        {"a", "[]", 2},
        {"a", "[[5,5,80,80]]", 3},
        {"a", "[[5,5,80,80],[1,2,3,4]]", 3},
    };

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        char frame[256];
        INK_CLEANUP(ink_json_destroy) struct ink_json *answer = NULL;

        (void)snprintf(frame, sizeof(frame),
                       "{\"type\":\"strokes\",\"seq\":1,\"id\":\"%s\",\"strokes\":STROKES,"
                       "\"final\":true,\"layers\":0}",
                       steps[i].id);
        answer = ask(viewer, INK_OK, frame, steps[i].strokes);
        assert_int_equal(ink_session_drawn_count(fixture->session), steps[i].want);
        assert_int_equal(ink_json_bool(ink_json_find(answer, "empty"), false),
                         strcmp(steps[i].strokes, "[]") == 0);
    }
    {
        INK_CLEANUP(ink_drawn_unrefp)
        struct ink_drawn *newest = ink_session_get_drawn(fixture->session, -1);
        INK_CLEANUP(ink_drawn_unrefp)
        struct ink_drawn *before = ink_session_get_drawn(fixture->session, -2);

        assert_int_equal(newest->drawing->point_count, 4);
        assert_int_equal(before->drawing->stroke_count, 2);
        assert_null(ink_session_get_drawn(fixture->session, 3));
        assert_null(ink_session_get_drawn(fixture->session, -4));
    }
}

static void
test_named_layers(void **state)
{
    INK_CLEANUP(ink_viewer_destroy) struct ink_viewer *viewer = new_viewer(*state);
    INK_CLEANUP(ink_json_destroy)
    struct ink_json *answer =
        ask(viewer, INK_OK,
            "{\"type\":\"strokes\",\"seq\":2,\"id\":\"a\",\"strokes\":STROKES,"
            "\"layers\":[\"dense1\",\"image\"]}",
            seven);
    const struct ink_json *layer = ink_json_first(ink_json_find(answer, "layers"));

    assert_string_equal(ink_json_string(ink_json_find(layer, "name"), ""), "dense1");
    assert_int_equal(decoded_size(ink_json_find(layer, "maps")), 10);
    assert_string_equal(ink_json_string(ink_json_find(ink_json_next(layer), "name"), ""), "image");
}

/* clang-format off */
static const struct {
    const char *frame;
    enum ink_status status;
    const char *message;
} bad_frames[] = {
    {"", INK_BADDATA, ""},
    {"[1]", INK_BADDATA, "a JSON object"},
    {"{\"v\":2,\"view\":\"draw\",\"id\":\"a\"}", INK_BADARG, "v: 2 is not 1"},
    {"{\"v\":1,\"view\":\"paint\",\"id\":\"a\"}", INK_BADARG, "unknown view 'paint'"},
    {"{\"v\":1,\"view\":\"draw\"}", INK_BADARG, "id: expected a text"},
    {"{\"v\":1,\"view\":\"draw\",\"id\":\"0123456789012345678901234567890123456789012345678901234567890123\"}",
     INK_BADARG, "id: expected a text of 1 to 63 bytes"},
    {"{\"type\":\"pixels\",\"seq\":9}", INK_BADARG, "unknown type 'pixels'"},
    {"{\"type\":\"strokes\",\"seq\":9,\"strokes\":[]}", INK_BADARG, "id"},
    {"{\"type\":\"strokes\",\"seq\":9,\"id\":\"a\"}", INK_BADDATA, ""},
    {"{\"type\":\"strokes\",\"seq\":9,\"id\":\"a\",\"strokes\":[[1]]}", INK_BADDATA, ""},
    {"{\"type\":\"strokes\",\"seq\":9,\"id\":\"a\",\"strokes\":[[1,2000000]]}", INK_BADDATA, ""},
    {"{\"type\":\"strokes\",\"seq\":9,\"id\":\"a\",\"strokes\":[[\"x\",2]]}", INK_BADDATA, ""},
    {"{\"type\":\"strokes\",\"seq\":9,\"id\":\"a\",\"strokes\":[],\"layers\":5}", INK_BADARG, "layers: 5 is not 0 to 4"},
    {"{\"type\":\"strokes\",\"seq\":9,\"id\":\"a\",\"strokes\":[],\"layers\":-1}", INK_BADARG, "layers: -1"},
    {"{\"type\":\"strokes\",\"seq\":9,\"id\":\"a\",\"strokes\":[],\"layers\":[\"conv9\"]}", INK_BADARG, "unknown layer 'conv9'"},
};
/* clang-format on */

static void
test_bad_frames(void **state)
{
    struct fixture *fixture = *state;
    INK_CLEANUP(ink_viewer_destroy) struct ink_viewer *viewer = new_viewer(fixture);

    for (size_t i = 0; i < sizeof(bad_frames) / sizeof(bad_frames[0]); i++) {
        INK_CLEANUP(ink_json_destroy)
        struct ink_json *error = ask(viewer, bad_frames[i].status, bad_frames[i].frame, "");

        assert_non_null(
            strstr(ink_json_string(ink_json_find(error, "message"), ""), bad_frames[i].message));
        assert_int_equal(number(error, "seq"), strstr(bad_frames[i].frame, "\"seq\":9") ? 9 : 0);
    }
    ink_json_destroy(&(struct ink_json *){ask(viewer, INK_OK, FINAL, seven)});
}

static void
put_strokes(struct ink_buf *strokes, int count, int points)
{
    ink_buf_putc(strokes, '[');
    for (int i = 0; i < count; i++) {
        ink_buf_puts(strokes, i ? ",[" : "[");
        for (int j = 0; j < points; j++)
            ink_buf_printf(strokes, "%s%d,%d", j ? "," : "", j % 280, (i + j) % 280);
        ink_buf_putc(strokes, ']');
    }
    ink_buf_putc(strokes, ']');
}

static void
test_limits(void **state)
{
    static const struct {
        int strokes, points;
        enum ink_status want;
    } cases[] = {
        {200, 100, INK_OK}, {201, 1, INK_TOOBIG}, {1, 20000, INK_OK}, {1, 20001, INK_TOOBIG}};
    INK_CLEANUP(ink_viewer_destroy) struct ink_viewer *viewer = new_viewer(*state);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        INK_CLEANUP(ink_buf_fini) struct ink_buf strokes = {0};

        put_strokes(&strokes, cases[i].strokes, cases[i].points);
        ink_json_destroy(
            &(struct ink_json *){ask(viewer, cases[i].want, FINAL, ink_buf_text(&strokes))});
    }
}

/* Only so many views are remembered; the others start anew. */
static void
test_many_views(void **state)
{
    struct fixture *fixture = *state;
    INK_CLEANUP(ink_buf_fini) struct ink_buf answer = {0}, strokes = {0};
    char id[INK_SESSION_VIEW_ID_MAX], first[INK_SESSION_VIEW_ID_MAX];

    for (int i = 0; i < INK_SESSION_VIEW_MAX + 1; i++) {
        ink_session_new_view_id(fixture->session, id);
        if (i == 0)
            memcpy(first, id, sizeof(first));
        ink_session_set_view(fixture->session, id, "{}", "[]");
    }
    ink_session_get_view(fixture->session, id, &answer, &strokes);
    assert_string_equal(ink_buf_text(&answer), "{}");
    ink_buf_clear(&answer);
    ink_buf_clear(&strokes);
    ink_session_get_view(fixture->session, first, &answer, &strokes);
    assert_int_equal(answer.size, 0);
}

/* A network that was published meanwhile answers the next frame. */
static void
test_follows(void **state)
{
    struct fixture *fixture = *state;
    INK_CLEANUP(ink_viewer_destroy) struct ink_viewer *viewer = new_viewer(fixture);
    INK_CLEANUP(ink_json_destroy) struct ink_json *before = ask(viewer, INK_OK, FINAL, seven);
    INK_CLEANUP(ink_json_destroy) struct ink_json *after = NULL;

    assert_ok(fixture_run(fixture, "model new next softmax"), &fixture->err);
    after = ask(viewer, INK_OK, FINAL, seven);
    assert_string_equal(ink_json_string(ink_json_find(ink_json_find(before, "model"), "name"), ""),
                        "small");
    assert_string_equal(ink_json_string(ink_json_find(ink_json_find(after, "model"), "name"), ""),
                        "next");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define WITH_SESSION(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
        WITH_SESSION(test_open),   WITH_SESSION(test_answer),       WITH_SESSION(test_final),
        WITH_SESSION(test_drawn),  WITH_SESSION(test_named_layers), WITH_SESSION(test_bad_frames),
        WITH_SESSION(test_limits), WITH_SESSION(test_many_views),   WITH_SESSION(test_follows),
    };

    return cmocka_run_group_tests_name("view", tests, NULL, NULL);
}
