/* SPDX-License-Identifier: MIT */
/* Whatever the head: no crash, and what is let in has one reading. The first line is the method,
 * the second the target, the third the version, the others are fields. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "kernel/http/gate.h"

enum { FIELD_MAX = 80 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static char *
next_line(char **rest)
{
    char *line = *rest, *end = strchr(line, '\n');

    *rest = end ? end + 1 : line + strlen(line);
    if (end)
        *end = '\0';
    return line;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char allowed[] = "digits.example";
    const struct ink_gate gate = {.port = 8501,
                                  .allow_host = {allowed},
                                  .allow_host_count = 1,
                                  .token = size % 2 ? "t" : NULL};
    char *text = malloc(size + 1), *rest = text, path[64];
    struct ink_http_field field[FIELD_MAX];
    struct ink_gate_verdict verdict;
    struct ink_gate_input input = {.field = field};
    struct ink_http_head head;

    assert(text);
    if (size)
        memcpy(text, bytes, size);
    text[size] = '\0';
    input.method = next_line(&rest);
    input.target = next_line(&rest);
    input.version = next_line(&rest);
    while (*rest && input.field_count < FIELD_MAX) {
        char *line = next_line(&rest), *colon = strchr(line, ':');

        if (!colon)
            continue;
        field[input.field_count++] =
            (struct ink_http_field){line, colon + 1, (size_t)(colon - line), strlen(colon + 1)};
    }
    ink_gate_check(&gate, &input, &head, &verdict);
    if (verdict.status == 200) {
        assert(head.target[0] == '/' || head.target[0] == '*');
        assert(!head.is_chunked || head.body_size == 0);
        assert(head.body_size <= INK_LIMIT_HTTP_BODY_SIZE);
        assert(head.field_count <= INK_LIMIT_HTTP_FIELD_COUNT);
        if (ink_http_path(head.target, path, sizeof(path), NULL) == INK_OK)
            assert(!strstr(path, "/../") && strlen(path) < sizeof(path));
    } else {
        assert(verdict.status >= 400 && strlen(verdict.err.message) > 0);
    }
    free(text);
    return 0;
}
