/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_SAFETENSORS_H
#define INK_MODEL_SAFETENSORS_H

/*
 * safetensors: named arrays of floats with text beside them, in one file.
 *
 * Eight bytes with the header's length, the header as JSON, the numbers; all
 * little-endian. Reading checks everything that the header claims before any of
 * it is used; the bytes are borrowed. What this program writes is F32.
 *
 * Source: the format section of github.com/huggingface/safetensors (README).
 */

#include "base/buf.h"
#include "base/json.h"

enum { INK_TENSOR_DIM_MAX = 4, INK_TENSOR_MAX = 8192, INK_TENSOR_NAME_SIZE = 128 };

/* A number of a tensor. */
enum ink_number { INK_F32, INK_F16, INK_BF16, INK_F64, INK_NO_FLOAT };

struct ink_tensor {
    char name[INK_TENSOR_NAME_SIZE];
    int dim_count;
    size_t dim[INK_TENSOR_DIM_MAX];
    size_t count; /* product of dim */
    enum ink_number type;
    size_t width;               /* bytes of a number */
    const unsigned char *bytes; /* [count * width], any alignment */
};

struct ink_safetensors {
    struct ink_json *header;         /* owned */
    const struct ink_json *metadata; /* __metadata__ in it, or NULL */
    struct ink_tensor *tensor;       /* [tensor_count], in the header's order; owned */
    size_t tensor_count;
    const unsigned char *data; /* [data_size] all numbers */
    size_t data_size;
};

/*
 * Read a file of F32 tensors.
 *
 * Errors   INK_BADDATA  lengths, types, shapes or places that do not fit together: says which
 *          INK_TOOBIG   above size_max;  INK_NOMEM
 * Memory   borrows `bytes`; release with ink_safetensors_fini
 */
INK_MUST_CHECK enum ink_status ink_safetensors_decode(const void *bytes, size_t size,
                                                      size_t size_max,
                                                      struct ink_safetensors *out_file,
                                                      struct ink_err *err);
/* As ink_safetensors_decode, with tensors of any type. */
INK_MUST_CHECK enum ink_status ink_safetensors_decode_any(const void *bytes, size_t size,
                                                          size_t size_max,
                                                          struct ink_safetensors *out_file,
                                                          struct ink_err *err);
void ink_safetensors_fini(struct ink_safetensors *file);

/* The tensor called `name`, or NULL. */
const struct ink_tensor *ink_safetensors_find(const struct ink_safetensors *file, const char *name);

/* Append a whole file. metadata: an object of strings; takes it over. tensor[].bytes: floats as
 * this machine has them (little-endian); NULL leaves room for them. */
INK_MUST_CHECK enum ink_status ink_safetensors_encode(struct ink_json *metadata,
                                                      const struct ink_tensor *tensor, size_t count,
                                                      struct ink_buf *buf, struct ink_err *err);

#endif
