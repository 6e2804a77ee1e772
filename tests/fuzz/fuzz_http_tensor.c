/* SPDX-License-Identifier: MIT */
/* Whatever the body: no crash, and what is accepted is whole pictures of finite numbers. */
#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "kernel/http/json_scan.h"
#include "kernel/http/tensor_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static enum ink_status
decode(void *self, const void *bytes, size_t size, float *out_pixels, struct ink_err *err)
{
    (void)self, (void)bytes;
    if (size % 2)
        return ink_fail(err, INK_BADDATA, "odd");
    memset(out_pixels, 0, INK_PICTURE_SIZE * sizeof(*out_pixels));
    return INK_OK;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct ink_tensor_request request = {0};
    char *text = malloc(size + 1);
    struct ink_err err;

    assert(text);
    if (size)
        memcpy(text, bytes, size);
    text[size] = '\0';
    if (ink_tensor_request_read(&request, text, size, "image", decode, NULL, &err) == INK_OK) {
        assert(request.count >= 1 && request.count <= INK_LIMIT_HTTP_INSTANCES);
        for (size_t i = 0; i < request.count * INK_PICTURE_SIZE; i++)
            assert(isfinite(request.pixels[i]));
    } else {
        assert(strlen(err.message) > 0);
    }
    (void)ink_json_has_few_values(text, size);
    ink_tensor_request_fini(&request);
    free(text);
    return 0;
}
