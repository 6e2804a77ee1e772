/* SPDX-License-Identifier: MIT */
#include "kernel/jupyter/wire.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"

static const char delimiter[] = "<IDS|MSG>";
enum { DELIMITER_SIZE = sizeof(delimiter) - 1, MESSAGE_ID_SIZE = 64 };

static bool
is_delimiter(const struct ink_frame *frame)
{
    return frame->size == DELIMITER_SIZE && memcmp(frame->bytes, delimiter, DELIMITER_SIZE) == 0;
}

/* Find what is where; believe none of it. */
static enum ink_status
split(const struct ink_frame *frames, size_t count, struct ink_jmsg *out_msg, struct ink_err *err)
{
    struct ink_jmsg msg = {.identities = frames};
    size_t behind;

    if (count > INK_LIMIT_JUPYTER_FRAMES)
        return ink_fail(err, INK_TOOBIG, "%zu frames, at most %d", count, INK_LIMIT_JUPYTER_FRAMES);
    for (size_t i = 0; i < count; i++) {
        msg.size += frames[i].size;
        if (msg.size > INK_LIMIT_JUPYTER_MESSAGE_SIZE)
            return ink_fail(err, INK_TOOBIG, "more than %d bytes", INK_LIMIT_JUPYTER_MESSAGE_SIZE);
    }
    while (msg.identity_count < count && !is_delimiter(&frames[msg.identity_count]))
        msg.identity_count++;
    if (msg.identity_count == count)
        return ink_fail(err, INK_BADDATA, "%zu frames without the delimiter %s", count, delimiter);
    if (msg.identity_count > INK_LIMIT_JUPYTER_IDENTITIES)
        return ink_fail(err, INK_TOOBIG, "%zu identities, at most %d", msg.identity_count,
                        INK_LIMIT_JUPYTER_IDENTITIES);
    behind = count - msg.identity_count - 1;
    if (behind < 1 + INK_SIGNED_PARTS)
        return ink_fail(err, INK_BADDATA, "%zu frames behind the delimiter, at least %d", behind,
                        1 + INK_SIGNED_PARTS);

    frames += msg.identity_count + 1;
    msg.signature = frames[0];
    memcpy(msg.parts, frames + 1, sizeof(msg.parts));
    if (msg.header.size > INK_LIMIT_JUPYTER_HEADER_SIZE)
        return ink_fail(err, INK_TOOBIG, "a header of %zu bytes, at most %d", msg.header.size,
                        INK_LIMIT_JUPYTER_HEADER_SIZE);
    msg.buffers = frames + 1 + INK_SIGNED_PARTS;
    msg.buffer_count = behind - 1 - INK_SIGNED_PARTS;
    *out_msg = msg;
    return INK_OK;
}

enum ink_status
ink_jmsg_decode(const struct ink_signer *signer, struct ink_replays *replays,
                const struct ink_frame *frames, size_t count, struct ink_jmsg *out_msg,
                struct ink_err *err)
{
    uint8_t digest[INK_DIGEST_SIZE_MAX];
    struct ink_jmsg msg = {0};
    enum ink_status status;

    assert(signer && (frames || count == 0) && out_msg);
    status = split(frames, count, &msg, err);
    if (status)
        return status;
    if (!ink_signer_verify(signer, msg.signature, msg.parts, digest))
        return ink_fail(err, INK_NOAUTH, "wrong signature");
    if (replays && signer->digest_size && !ink_replays_add(replays, digest))
        return ink_fail(err, INK_NOAUTH, "a signature that was used before");
    *out_msg = msg;
    return INK_OK;
}

static int
add_frame(zmsg_t *frames, const void *bytes, size_t size)
{
    return zmsg_addmem(frames, bytes ? bytes : "", size);
}

enum ink_status
ink_jmsg_encode(struct ink_wire *wire, const struct ink_jmsg_out *msg, char out_id[64],
                zmsg_t **out_frames, struct ink_err *err)
{
    INK_CLEANUP(zmsg_destroy) zmsg_t *frames = zmsg_new();
    INK_CLEANUP(ink_buf_fini) struct ink_buf header = {0};
    char date[INK_CLOCK_DATE_SIZE], id[MESSAGE_ID_SIZE], hex[2 * INK_DIGEST_SIZE_MAX + 1];
    const struct ink_frame none = {"{}", 2};
    struct ink_frame parts[INK_SIGNED_PARTS];
    enum ink_status status;
    int failed = 0;

    ink_clock_date(date);
    (void)snprintf(id, sizeof(id), "%s_%u", wire->session, atomic_fetch_add(&wire->sequence, 1));
    ink_buf_printf(&header,
                   "{\"msg_id\":\"%s\",\"session\":\"%s\",\"username\":\"kernel\",\"date\":\"%s\","
                   "\"msg_type\":\"%s\",\"version\":\"" INK_JUPYTER_PROTOCOL "\"}",
                   id, wire->session, date, msg->type);
    status = ink_buf_check(&header, err);
    if (!status)
        status = ink_buf_check(msg->content, err);
    if (status)
        return status;

    parts[0] = (struct ink_frame){header.bytes, header.size};
    parts[1] = msg->parent.size ? msg->parent : none;
    parts[2] = none;
    parts[3] =
        msg->content->size ? (struct ink_frame){msg->content->bytes, msg->content->size} : none;
    ink_signer_sign(&wire->signer, parts, hex);
    for (size_t i = 0; i < msg->identity_count; i++)
        failed |= add_frame(frames, msg->identities[i].bytes, msg->identities[i].size);
    failed |= add_frame(frames, delimiter, DELIMITER_SIZE);
    failed |= add_frame(frames, hex, strlen(hex));
    for (size_t i = 0; i < INK_SIGNED_PARTS; i++)
        failed |= add_frame(frames, parts[i].bytes, parts[i].size);
    for (size_t i = 0; i < msg->buffer_count; i++)
        failed |= add_frame(frames, msg->buffers[i].bytes, msg->buffers[i].size);
    if (failed)
        return ink_fail(err, INK_NOMEM, "no memory for a message");

    if (out_id)
        memcpy(out_id, id, sizeof(id));
    *out_frames = frames;
    frames = NULL;
    return INK_OK;
}
