/* SPDX-License-Identifier: MIT */
#include "kernel/http/message.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

void
ink_http_reply_fini(struct ink_http_reply *reply)
{
    ink_buf_fini(&reply->body);
    *reply = (struct ink_http_reply){0};
}

const struct ink_http_field *
ink_http_find(const struct ink_http_head *head, const char *name)
{
    size_t size = strlen(name);

    for (size_t i = 0; i < head->field_count; i++)
        if (head->field[i].name_size == size && strncasecmp(head->field[i].name, name, size) == 0)
            return &head->field[i];
    return NULL;
}

bool
ink_http_is(const struct ink_http_field *field, const char *text)
{
    return field && field->value_size == strlen(text) &&
           strncasecmp(field->value, text, field->value_size) == 0;
}

bool
ink_http_is_type(const struct ink_http_field *field, const char *type)
{
    const char *semicolon;
    size_t size, wanted = strlen(type);

    if (!field)
        return false;
    semicolon = memchr(field->value, ';', field->value_size);
    size = semicolon ? (size_t)(semicolon - field->value) : field->value_size;
    while (size > 0 && (field->value[size - 1] == ' ' || field->value[size - 1] == '\t'))
        size--;
    if (wanted > 2 && strcmp(type + wanted - 2, "/*") == 0)
        return size > wanted - 1 && strncasecmp(field->value, type, wanted - 1) == 0;
    return size == wanted && strncasecmp(field->value, type, size) == 0;
}

bool
ink_http_query_is(const char *target, const char *name, const char *value)
{
    const char *at = strchr(target, '?');
    size_t name_size = strlen(name), value_size = strlen(value);

    while (at) {
        const char *member = at + 1, *end;

        at = strchr(member, '&');
        end = at ? at : member + strlen(member);
        if ((size_t)(end - member) == name_size + 1 + value_size &&
            memcmp(member, name, name_size) == 0 && member[name_size] == '=' &&
            memcmp(member + name_size + 1, value, value_size) == 0)
            return true;
    }
    return false;
}

static int
hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

/* Whether one of the path's segments is `.` or `..`: there is nothing above the root. */
static bool
has_dot_segment(const char *path)
{
    for (const char *at = path; (at = strstr(at, "/.")); at++) {
        const char *end = at[2] == '.' ? at + 3 : at + 2;

        if (*end == '\0' || *end == '/')
            return true;
    }
    return false;
}

enum ink_status
ink_http_path(const char *target, char *out_path, size_t size, struct ink_err *err)
{
    size_t used = 0;

    for (const char *at = target; *at && *at != '?' && *at != '#'; at++) {
        unsigned char byte = (unsigned char)*at;

        if (byte == '%') {
            int high = hex_digit(at[1]);
            int low = high < 0 ? -1 : hex_digit(at[2]);

            if (low < 0)
                return ink_fail(err, INK_BADDATA, "the path has a broken %%-escape at byte %zu",
                                (size_t)(at - target));
            byte = (unsigned char)(high * 16 + low);
            at += 2;
        }
        if (byte < 0x20 || byte == 0x7f)
            return ink_fail(err, INK_BADDATA, "the path has a control character 0x%02x", byte);
        if (used + 1 >= size)
            return ink_fail(err, INK_TOOBIG, "the path is longer than %zu bytes", size - 1);
        out_path[used++] = (char)byte;
    }
    out_path[used] = '\0';
    if (!ink_utf8_is_valid(out_path, used))
        return ink_fail(err, INK_BADDATA, "the path is not valid UTF-8");
    if (has_dot_segment(out_path))
        return ink_fail(err, INK_BADDATA, "the path has a '.' or '..' segment");
    return INK_OK;
}

/* Put question marks for bytes that are not UTF-8: quoted text may have been cut inside a
 * character. */
static void
mend(char *text)
{
    for (size_t at = 0, size = strlen(text); at < size;) {
        size_t step = 1;

        while (step <= 4 && at + step <= size && !ink_utf8_is_valid(text + at, step))
            step++;
        if (step > 4 || at + step > size) {
            text[at] = '?';
            step = 1;
        }
        at += step;
    }
}

void
ink_http_reply_error(struct ink_http_reply *reply, int status, const char *message)
{
    struct ink_json *object = ink_json_object();
    char whole[sizeof(((struct ink_err *)NULL)->message)];

    (void)snprintf(whole, sizeof(whole), "%s", message);
    mend(whole);
    ink_json_set_string(object, "error", whole);
    ink_http_reply_json(reply, object);
    if (reply->status == 200)
        reply->status = status;
}

void
ink_http_reply_fail(struct ink_http_reply *reply, const struct ink_err *err)
{
    ink_http_reply_error(reply, ink_status_http(err->status), err->message);
    if (reply->status == 503)
        reply->retry_after_s = 1;
}

void
ink_http_reply_json(struct ink_http_reply *reply, struct ink_json *value)
{
    ink_buf_clear(&reply->body);
    reply->asset = NULL;
    reply->etag[0] = '\0';
    reply->content_type = "application/json";
    reply->status = 200;
    if (ink_json_print(value, &reply->body, NULL)) {
        reply->status = 503;
        ink_buf_clear(&reply->body);
        ink_buf_puts(&reply->body, "{\"error\":\"no memory for the answer\"}");
    }
    ink_json_destroy(&value);
}
