/* SPDX-License-Identifier: MIT */
/* What is read as JSON is written as JSON that reads the same; what is refused says why. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct ink_json *json = NULL, *again = NULL;
    struct ink_buf first = {0}, second = {0};
    struct ink_err err = {0};

    if (ink_json_parse((const char *)bytes, size, &json, &err)) {
        assert(!json && err.status != INK_OK && err.message[0]);
        return 0;
    }
    assert(ink_utf8_is_valid((const char *)bytes, size));
    assert(ink_json_print(json, &first, &err) == INK_OK);
    assert(ink_json_parse(first.bytes, first.size, &again, &err) == INK_OK);
    assert(ink_json_print(again, &second, &err) == INK_OK);
    assert(first.size == second.size && memcmp(first.bytes, second.bytes, first.size) == 0);
    ink_json_destroy(&json);
    ink_json_destroy(&again);
    ink_buf_fini(&first);
    ink_buf_fini(&second);
    return 0;
}
