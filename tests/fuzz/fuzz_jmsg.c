/* SPDX-License-Identifier: MIT */
/*
 * Whatever the frames: no crash; what is accepted lies inside them; and text that passes the checks
 * of a header can be pasted into another message, which then parses.
 *
 * Input: frames, each as two bytes of length (little endian) and so many bytes; the last one may be
 * cut short. The signer has no key, so that what lies behind the signature is reached too.
 */

#include <assert.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "kernel/jupyter/content.h"
#include "kernel/jupyter/request.h"
#include "kernel/jupyter/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static size_t
split(const uint8_t *bytes, size_t size, struct ink_frame *out_frames, size_t count_max)
{
    size_t at = 0, count = 0;

    while (size - at >= 2 && count < count_max) {
        size_t want = bytes[at] | (size_t)bytes[at + 1] << 8;

        at += 2;
        want = want < size - at ? want : size - at;
        out_frames[count++] = (struct ink_frame){bytes + at, want};
        at += want;
    }
    return count;
}

/* A header that was accepted serves as parent of a message of ours. */
static void
paste(struct ink_wire *wire, struct ink_frame header)
{
    INK_CLEANUP(ink_json_destroy) struct ink_json *parent = NULL;
    INK_CLEANUP(zmsg_destroy) zmsg_t *message = NULL;
    struct ink_buf content = {0};
    const struct ink_jmsg_out out = {.type = "status", .parent = header, .content = &content};
    zframe_t *frame;

    if (ink_jmsg_encode(wire, &out, NULL, &message, NULL))
        return;
    (void)zmsg_first(message);
    (void)zmsg_next(message);
    (void)zmsg_next(message);
    frame = zmsg_next(message);
    assert(frame && zframe_size(frame) == header.size);
    assert(zframe_data(frame)[0] == '{');
    assert(ink_json_parse((const char *)zframe_data(frame), zframe_size(frame), &parent, NULL) ==
           INK_OK);
}

/* The text of a member is the text of the value that the parser found. */
static void
check_member(const struct ink_jmsg *msg, const struct ink_json *content)
{
    INK_CLEANUP(ink_json_destroy) struct ink_json *member = NULL;
    INK_CLEANUP(ink_buf_fini) struct ink_buf one = {0}, other = {0};
    const struct ink_json *found = ink_json_find(content, "data");
    size_t size = 0;
    const char *text = ink_content_member(msg->content.bytes, msg->content.size, "data", &size);

    if (!text || !ink_json_is_object(content))
        return;
    assert(text >= (const char *)msg->content.bytes);
    assert(text + size <= (const char *)msg->content.bytes + msg->content.size);
    if (!found || ink_json_parse(text, size, &member, NULL) || ink_json_print(found, &one, NULL) ||
        ink_json_print(member, &other, NULL))
        return;
    assert(one.size == other.size && memcmp(one.bytes, other.bytes, one.size) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    INK_CLEANUP(ink_json_destroy) struct ink_json *header = NULL, *content = NULL;
    struct ink_frame frames[INK_LIMIT_JUPYTER_FRAMES + 2];
    struct ink_wire wire = {.session = "s"};
    size_t count = split(bytes, size, frames, sizeof(frames) / sizeof(frames[0]));
    struct ink_jmsg msg;

    assert(ink_signer_init(&wire.signer, "hmac-sha256", "", 0, NULL) == INK_OK);
    if (ink_jmsg_decode(&wire.signer, NULL, frames, count, &msg, NULL))
        return 0;
    assert(msg.identity_count <= INK_LIMIT_JUPYTER_IDENTITIES);
    assert(msg.identity_count + 1 + 1 + INK_SIGNED_PARTS + msg.buffer_count == count);
    if (ink_json_parse(msg.header.bytes, msg.header.size, &header, NULL) == INK_OK &&
        ink_request_check_header(msg.header, header, NULL) == INK_OK)
        paste(&wire, msg.header);
    if (ink_json_parse(msg.content.bytes, msg.content.size, &content, NULL) == INK_OK)
        check_member(&msg, content);
    return 0;
}
