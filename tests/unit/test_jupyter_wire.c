/* SPDX-License-Identifier: MIT */
/* jupyter wire: signatures, replays, and messages taken apart and put together. */

#include "tests/unit/ink_test.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "kernel/jupyter/request.h"
#include "kernel/jupyter/wire.h"

static struct ink_frame
frame(const char *text)
{
    return (struct ink_frame){text, strlen(text)};
}

static void
sign_all(const struct ink_signer *signer, const char *text, char *out_hex)
{
    const struct ink_frame parts[] = {frame(text), frame(""), frame(""), frame("")};

    ink_signer_sign(signer, parts, out_hex);
}

/* Source: RFC 4231, test cases 1, 2 and 6. */
static void
signs_as_the_rfc_does(void **state)
{
    static const struct {
        const char *scheme, *text, *hex;
        uint8_t key_byte;
        size_t key_size;
    } cases[] = {
        {"hmac-sha256", "Hi There",
         "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7", 0x0b, 20},
        {"hmac-sha512", "Hi There",
         "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
         "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
         0x0b, 20},
        {"hmac-sha256", "Test Using Larger Than Block-Size Key - Hash Key First",
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54", 0xaa, 131},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char hex[2 * INK_DIGEST_SIZE_MAX + 1];
        struct ink_signer signer;
        uint8_t key[131];
        struct ink_err err;

        memset(key, cases[i].key_byte, sizeof(key));
        assert_ok(ink_signer_init(&signer, cases[i].scheme, key, cases[i].key_size, &err), &err);
        sign_all(&signer, cases[i].text, hex);
        assert_string_equal(hex, cases[i].hex);
        ink_signer_fini(&signer);
    }
}

static void
refuses_other_schemes(void **state)
{
    struct ink_signer signer;
    struct ink_err err;

    (void)state;
    assert_fails(INK_BADDATA, "hmac-md5", ink_signer_init(&signer, "hmac-md5", "k", 1, &err), &err);
    assert_fails(INK_BADDATA, "\"\"", ink_signer_init(&signer, "", "k", 1, &err), &err);
}

static void
verifies_only_the_whole_signature(void **state)
{
    const struct ink_frame parts[] = {frame("{}"), frame("{}"), frame("{}"), frame("{}")};
    char hex[2 * INK_DIGEST_SIZE_MAX + 2];
    uint8_t digest[INK_DIGEST_SIZE_MAX];
    struct ink_signer signer;
    struct ink_err err;

    (void)state;
    assert_ok(ink_signer_init(&signer, "hmac-sha256", "key", 3, &err), &err);
    ink_signer_sign(&signer, parts, hex);
    assert_int_equal(strlen(hex), 64);
    assert_true(ink_signer_verify(&signer, frame(hex), parts, digest));
    for (size_t size = 0; size < 64; size++)
        assert_false(ink_signer_verify(&signer, (struct ink_frame){hex, size}, parts, digest));
    assert_false(ink_signer_verify(&signer, (struct ink_frame){hex, 65}, parts, digest));
    for (size_t i = 0; i < 64; i++) {
        char kept = hex[i];

        hex[i] = kept == '0' ? '1' : '0';
        assert_false(ink_signer_verify(&signer, frame(hex), parts, digest));
        hex[i] = kept;
    }
}

static void
signs_nothing_without_a_key(void **state)
{
    const struct ink_frame parts[] = {frame("{}"), frame("{}"), frame("{}"), frame("{}")};
    char hex[2 * INK_DIGEST_SIZE_MAX + 1] = "x";
    uint8_t digest[INK_DIGEST_SIZE_MAX];
    struct ink_signer signer;
    struct ink_err err;

    (void)state;
    assert_ok(ink_signer_init(&signer, "hmac-sha256", NULL, 0, &err), &err);
    ink_signer_sign(&signer, parts, hex);
    assert_string_equal(hex, "");
    assert_true(ink_signer_verify(&signer, frame(""), parts, digest));
    assert_true(ink_signer_verify(&signer, frame("whatever"), parts, digest));
}

static void
number_to_digest(uint32_t number, uint8_t *out_digest)
{
    memset(out_digest, 0, 32);
    memcpy(out_digest, &(uint32_t){number % 977}, 4); /* many with one place in the table */
    memcpy(out_digest + 8, &number, 4);
}

static void
remembers_the_newest_signatures(void **state)
{
    const uint32_t limit = INK_LIMIT_JUPYTER_REPLAYS, count = 2 * limit + 12345;
    struct ink_replays replays = {0};
    uint8_t digest[32];
    struct ink_err err;

    (void)state;
    assert_ok(ink_replays_init(&replays, &err), &err);
    for (uint32_t i = 0; i < 3000; i++) { /* few, and long chains */
        number_to_digest(i, digest);
        assert_true(ink_replays_add(&replays, digest));
        assert_false(ink_replays_add(&replays, digest));
    }
    ink_replays_fini(&replays);

    assert_ok(ink_replays_init(&replays, &err), &err);
    for (uint32_t i = 0; i < count; i++) { /* many, so that old ones are forgotten */
        memset(digest, 0, sizeof(digest));
        memcpy(digest, &(uint32_t){i * 2654435761u}, 4);
        assert_true(ink_replays_add(&replays, digest));
    }
    for (uint32_t i = count - limit; i < count; i++) {
        memset(digest, 0, sizeof(digest));
        memcpy(digest, &(uint32_t){i * 2654435761u}, 4);
        assert_false(ink_replays_add(&replays, digest));
    }
    memset(digest, 0, sizeof(digest)); /* number 0, long forgotten */
    assert_true(ink_replays_add(&replays, digest));
    ink_replays_fini(&replays);
}

/* A good message of `count` identities and `buffer_count` buffers, all "b". */
static size_t
build(const struct ink_signer *signer, struct ink_frame *frames, size_t count, size_t buffer_count,
      char *hex)
{
    size_t at = 0;

    for (size_t i = 0; i < count; i++)
        frames[at++] = frame("id");
    frames[at++] = frame("<IDS|MSG>");
    frames[at + 1] = frame("{\"msg_id\":\"1\"}");
    frames[at + 2] = frames[at + 3] = frame("{}");
    frames[at + 4] = frame("{\"code\":\"x\"}");
    ink_signer_sign(signer, frames + at + 1, hex);
    frames[at] = frame(hex);
    at += 5;
    for (size_t i = 0; i < buffer_count; i++)
        frames[at++] = frame("b");
    return at;
}

static void
takes_messages_apart(void **state)
{
    struct ink_frame frames[INK_LIMIT_JUPYTER_FRAMES + 1];
    char hex[2 * INK_DIGEST_SIZE_MAX + 1];
    struct ink_signer signer;
    struct ink_err err;

    (void)state;
    assert_ok(ink_signer_init(&signer, "hmac-sha256", "key", 3, &err), &err);
    for (size_t ids = 0; ids <= INK_LIMIT_JUPYTER_IDENTITIES; ids++) {
        for (size_t buffers = 0; buffers < 3; buffers++) {
            size_t count = build(&signer, frames, ids, buffers, hex);
            struct ink_jmsg msg;

            assert_ok(ink_jmsg_decode(&signer, NULL, frames, count, &msg, &err), &err);
            assert_int_equal(msg.identity_count, ids);
            assert_int_equal(msg.buffer_count, buffers);
            assert_memory_equal(msg.content.bytes, "{\"code\":\"x\"}", msg.content.size);
            assert_ptr_equal(msg.header.bytes, msg.parts[0].bytes);
        }
    }
}

static void
refuses_each_bad_message(void **state)
{
    struct ink_frame frames[INK_LIMIT_JUPYTER_FRAMES + 1];
    char hex[2 * INK_DIGEST_SIZE_MAX + 1];
    struct ink_replays replays = {0};
    struct ink_jmsg msg = {.buffer_count = 77};
    struct ink_signer signer;
    struct ink_err err;
    size_t count;

    (void)state;
    assert_ok(ink_signer_init(&signer, "hmac-sha256", "key", 3, &err), &err);
    assert_ok(ink_replays_init(&replays, &err), &err);
    assert_fails(INK_BADDATA, "0 frames without",
                 ink_jmsg_decode(&signer, NULL, NULL, 0, &msg, &err), &err);
    count = build(&signer, frames, 2, 0, hex);
    for (size_t cut = 1; cut < count; cut++)
        assert_fails(INK_BADDATA, cut < 3 ? "without the delimiter" : "behind the delimiter",
                     ink_jmsg_decode(&signer, NULL, frames, cut, &msg, &err), &err);
    count = build(&signer, frames, INK_LIMIT_JUPYTER_IDENTITIES + 1, 0, hex);
    assert_fails(INK_TOOBIG, "9 identities, at most 8",
                 ink_jmsg_decode(&signer, NULL, frames, count, &msg, &err), &err);
    count = build(&signer, frames, 0, INK_LIMIT_JUPYTER_FRAMES - 5, hex);
    assert_fails(INK_TOOBIG, "65 frames, at most 64",
                 ink_jmsg_decode(&signer, NULL, frames, count, &msg, &err), &err);
    count = build(&signer, frames, 0, 1, hex);
    frames[count - 1].size = INK_LIMIT_JUPYTER_MESSAGE_SIZE;
    assert_fails(INK_TOOBIG, "more than", ink_jmsg_decode(&signer, NULL, frames, count, &msg, &err),
                 &err);
    count = build(&signer, frames, 0, 0, hex);
    frames[2].size = INK_LIMIT_JUPYTER_HEADER_SIZE + 1;
    assert_fails(INK_TOOBIG, "a header of 65537 bytes",
                 ink_jmsg_decode(&signer, NULL, frames, count, &msg, &err), &err);
    count = build(&signer, frames, 1, 0, hex);
    frames[6] = frame("{\"code\":\"y\"}");
    assert_fails(INK_NOAUTH, "wrong signature",
                 ink_jmsg_decode(&signer, &replays, frames, count, &msg, &err), &err);
    assert_int_equal(msg.buffer_count, 77); /* untouched on failure */

    count = build(&signer, frames, 1, 0, hex);
    assert_ok(ink_jmsg_decode(&signer, &replays, frames, count, &msg, &err), &err);
    assert_fails(INK_NOAUTH, "used before",
                 ink_jmsg_decode(&signer, &replays, frames, count, &msg, &err), &err);
    ink_replays_fini(&replays);
}

/* Take frames of czmq's into ours. */
static size_t
view_frames(zmsg_t *message, struct ink_frame *out_frames)
{
    size_t count = 0;

    for (zframe_t *each = zmsg_first(message); each; each = zmsg_next(message))
        out_frames[count++] = (struct ink_frame){zframe_data(each), zframe_size(each)};
    return count;
}

static void
reads_what_it_writes(void **state)
{
    const struct ink_frame identities[] = {{"\0id", 3}, {"", 0}};
    const struct ink_jupyter_data buffers[] = {{NULL, "\0\1\2", 3}, {NULL, NULL, 0}};
    struct ink_frame frames[INK_LIMIT_JUPYTER_FRAMES];
    struct ink_wire wire = {.session = "0123456789abcdef"};
    char id[64], other_id[64];
    struct ink_err err;

    (void)state;
    assert_ok(ink_signer_init(&wire.signer, "hmac-sha512", "key", 3, &err), &err);
    for (int with_parent = 0; with_parent < 2; with_parent++) {
        INK_CLEANUP(ink_json_destroy) struct ink_json *header = NULL;
        INK_CLEANUP(ink_buf_fini) struct ink_buf content = {0};
        INK_CLEANUP(zmsg_destroy) zmsg_t *message = NULL, *other = NULL;
        const struct ink_jmsg_out out = {
            .identities = identities,
            .identity_count = 2,
            .type = "execute_reply",
            .parent = with_parent ? frame("{\"msg_id\" : \"7\"}") : (struct ink_frame){0},
            .content = &content,
            .buffers = buffers,
            .buffer_count = 2,
        };
        struct ink_jmsg msg;

        ink_buf_puts(&content, with_parent ? "{\"status\":\"ok\"}" : "");
        assert_ok(ink_jmsg_encode(&wire, &out, id, &message, &err), &err);
        assert_ok(ink_jmsg_encode(&wire, &out, other_id, &other, &err), &err);
        assert_string_not_equal(id, other_id);
        assert_ok(
            ink_jmsg_decode(&wire.signer, NULL, frames, view_frames(message, frames), &msg, &err),
            &err);
        assert_int_equal(msg.identity_count, 2);
        assert_int_equal(msg.buffer_count, 2);
        assert_memory_equal(msg.buffers[0].bytes, "\0\1\2", 3);
        assert_int_equal(msg.parent.size, with_parent ? out.parent.size : 2);
        assert_ok(ink_json_parse(msg.header.bytes, msg.header.size, &header, &err), &err);
        assert_ok(ink_request_check_header(msg.header, header, &err), &err);
        assert_string_equal(ink_json_string(ink_json_find(header, "msg_id"), ""), id);
        assert_string_equal(ink_json_string(ink_json_find(header, "version"), ""), "5.5");
        assert_string_equal(ink_json_string(ink_json_find(header, "msg_type"), ""),
                            "execute_reply");
    }
}

static void
refuses_headers_that_cannot_be_pasted(void **state)
{
    static const char *const bad[] = {
        "[]",
        "7",
        "{}",
        "{\"msg_id\":\"1\",\"msg_type\":\"x\"}",
        "{\"msg_id\":1,\"msg_type\":\"x\",\"session\":\"s\"}",
        "{\"msg_id\":\"1\",\"msg_type\":null,\"session\":\"s\"}",
        "\xef\xbb\xbf{\"msg_id\":\"1\",\"msg_type\":\"x\",\"session\":\"s\"}",
    };
    struct ink_err err;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        INK_CLEANUP(ink_json_destroy) struct ink_json *header = NULL;

        if (ink_json_parse(bad[i], strlen(bad[i]), &header, &err) == INK_OK)
            assert_fails(INK_BADDATA, "the header",
                         ink_request_check_header(frame(bad[i]), header, &err), &err);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_as_the_rfc_does),
        cmocka_unit_test(refuses_other_schemes),
        cmocka_unit_test(verifies_only_the_whole_signature),
        cmocka_unit_test(signs_nothing_without_a_key),
        cmocka_unit_test(remembers_the_newest_signatures),
        cmocka_unit_test(takes_messages_apart),
        cmocka_unit_test(refuses_each_bad_message),
        cmocka_unit_test(reads_what_it_writes),
        cmocka_unit_test(refuses_headers_that_cannot_be_pasted),
    };

    return cmocka_run_group_tests_name("jupyter wire", tests, NULL, NULL);
}
