/* SPDX-License-Identifier: MIT */
/*
 * picture_jpeg: JPEG through libjpeg-turbo.
 *
 * Decoded straight to grey, large ones shrunk on the way (1/8 to 7/8, by the
 * inverse transform itself), and turned as the camera was held (EXIF). Memory,
 * pixels and the work of progressive files are bounded; a file that ends too
 * early is refused at its first missing byte.
 */
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h> /* jpeglib.h needs FILE */
#include <stdlib.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

#include "base/limits.h"
#include "model/picture_priv.h"

enum {
    QUALITY = 95,
    SHRINK_ABOVE = 2048,         /* pixels of the longer side: plenty for one digit */
    SCAN_PIXELS_MAX = 500000000, /* pixels times scans of a progressive file: about 3 s */
    EXIF_SIZE_MAX = 65533,
    ORIENTATION_COUNT = 8,
};

/* libjpeg's error manager with the way out and what to say. libjpeg finds it by its first member.
 */
struct guard {
    struct jpeg_error_mgr manager;
    jmp_buf way_out;
    enum ink_status status;
    char message[JMSG_LENGTH_MAX];
};

static _Noreturn void
leave(j_common_ptr common, enum ink_status status, const char *message)
{
    struct guard *guard = (struct guard *)common->err;

    guard->status = status;
    (void)snprintf(guard->message, sizeof(guard->message), "%s", message);
    longjmp(guard->way_out, 1);
}

static _Noreturn void
on_error(j_common_ptr common)
{
    char message[JMSG_LENGTH_MAX];
    int code = common->err->msg_code;

    common->err->format_message(common, message);
    leave(common,
          code == JERR_OUT_OF_MEMORY || code == JERR_NO_BACKING_STORE || code == JERR_WIDTH_OVERFLOW
              ? INK_TOOBIG
              : INK_BADDATA,
          code == JERR_NO_BACKING_STORE ? "takes too much memory to decode" : message);
}

static void
on_message(j_common_ptr common, int level)
{
    int code = common->err->msg_code;

    /* The file's end, or a marker where pixels should be: libjpeg would make them up. */
    if (level < 0 && (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER))
        leave(common, INK_BADDATA, "cut short");
}

static void
ignore_text(j_common_ptr common)
{
    (void)common; /* nothing is printed from here */
}

/* Called once in a while: stop files that hide hours of work in their scans. */
static void
on_progress(j_common_ptr common)
{
    j_decompress_ptr jpeg = (j_decompress_ptr)common;
    double pixels = (double)jpeg->image_width * jpeg->image_height;

    if (pixels * jpeg->input_scan_number > SCAN_PIXELS_MAX)
        leave(common, INK_TOOBIG, "too many scans");
}

static struct jpeg_error_mgr *
init_guard(struct guard *guard)
{
    (void)jpeg_std_error(&guard->manager);
    guard->manager.error_exit = on_error;
    guard->manager.emit_message = on_message;
    guard->manager.output_message = ignore_text;
    return &guard->manager;
}

/* ---- orientation ---- */

/* A number of 2 or 4 bytes in a TIFF's byte order. */
static size_t
tiff_at(const uint8_t *bytes, size_t size, bool is_big_endian)
{
    size_t value = 0;

    for (size_t i = 0; i < size; i++)
        value = value << 8 | bytes[is_big_endian ? i : size - 1 - i];
    return value;
}

/* The orientation 1..8 that EXIF data names; 1 where it names none. Source: Exif 2.32, 4.6. */
static int
exif_orientation(const uint8_t *bytes, size_t size)
{
    enum { TIFF_AT = 6, ENTRY_SIZE = 12, TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3 };
    size_t tiff_size, at, count;
    const uint8_t *tiff;
    bool is_big_endian;

    if (size < TIFF_AT + 8 || memcmp(bytes, "Exif\0\0", TIFF_AT) != 0)
        return 1;
    tiff = bytes + TIFF_AT;
    tiff_size = size - TIFF_AT;
    is_big_endian = tiff[0] == 'M';
    at = tiff_at(tiff + 4, 4, is_big_endian);
    if (at > tiff_size - 2)
        return 1;
    count = tiff_at(tiff + at, 2, is_big_endian);
    for (at += 2; count > 0 && at + ENTRY_SIZE <= tiff_size; count--, at += ENTRY_SIZE) {
        size_t value = tiff_at(tiff + at + 8, 2, is_big_endian);

        if (tiff_at(tiff + at, 2, is_big_endian) == TAG_ORIENTATION &&
            tiff_at(tiff + at + 2, 2, is_big_endian) == TYPE_SHORT)
            return value >= 1 && value <= ORIENTATION_COUNT ? (int)value : 1;
    }
    return 1;
}

static int
orientation_of(const struct jpeg_decompress_struct *jpeg)
{
    for (const struct jpeg_marker_struct *marker = jpeg->marker_list; marker; marker = marker->next)
        if (marker->marker == JPEG_APP0 + 1)
            return exif_orientation(marker->data, marker->data_length);
    return 1;
}

/* Turn and mirror so that orientation 1 results. */
static enum ink_status
turn_up(struct ink_picture *picture, int orientation, struct ink_err *err)
{
    bool is_turned = orientation >= 5; /* rows and columns changed over */
    size_t width = (size_t)picture->width, height = (size_t)picture->height;
    struct ink_picture turned = {0};
    enum ink_status status;

    if (orientation == 1)
        return INK_OK;
    status = ink_picture_init(&turned, is_turned ? height : width, is_turned ? width : height, err);
    if (status)
        return status;
    for (size_t y = 0; y < (size_t)turned.height; y++)
        for (size_t x = 0; x < (size_t)turned.width; x++) {
            size_t column = is_turned ? y : x, row = is_turned ? x : y;
            bool from_right =
                orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
            bool from_below =
                orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;

            column = from_right ? width - 1 - column : column;
            row = from_below ? height - 1 - row : row;
            turned.grey[y * (size_t)turned.width + x] = picture->grey[row * width + column];
        }
    ink_picture_fini(picture);
    *picture = turned;
    return INK_OK;
}

/* ---- decoding ---- */

/* Header read; choose grey, and a scale that leaves enough. */
static void
configure(j_decompress_ptr jpeg)
{
    JDIMENSION longer =
        jpeg->image_width > jpeg->image_height ? jpeg->image_width : jpeg->image_height;

    if ((double)jpeg->image_width * jpeg->image_height > INK_LIMIT_PICTURE_PIXELS)
        leave((j_common_ptr)jpeg, INK_TOOBIG, "too many pixels");
    jpeg->out_color_space = JCS_GRAYSCALE;
    jpeg->scale_denom = 8;
    jpeg->scale_num = 8;
    while (jpeg->scale_num > 1 && longer * (jpeg->scale_num - 1) / 8 >= SHRINK_ABOVE)
        jpeg->scale_num--;
}

/*
 * What may jump back to setjmp. A function of its own, so that what it makes lies
 * in memory, not in registers that the jump would lose.
 */
static __attribute__((noinline)) enum ink_status
read_rows(j_decompress_ptr jpeg, const uint8_t *bytes, size_t size, struct ink_picture *picture,
          struct ink_err *err)
{
    enum ink_status status;

    jpeg_mem_src(jpeg, bytes, (unsigned long)size);
    jpeg_save_markers(jpeg, JPEG_APP0 + 1, EXIF_SIZE_MAX);
    (void)jpeg_read_header(jpeg, TRUE);
    configure(jpeg);
    (void)jpeg_start_decompress(jpeg);
    status = ink_picture_init(picture, jpeg->output_width, jpeg->output_height, err);
    while (!status && jpeg->output_scanline < jpeg->output_height) {
        JSAMPROW row = picture->grey + (size_t)jpeg->output_scanline * jpeg->output_width;

        (void)jpeg_read_scanlines(jpeg, &row, 1);
    }
    return status;
}

enum ink_status
ink_picture_decode_jpeg(const uint8_t *bytes, size_t size, struct ink_picture *out_picture,
                        struct ink_err *err)
{
    struct jpeg_progress_mgr progress = {.progress_monitor = on_progress};
    struct jpeg_decompress_struct jpeg = {0};
    struct ink_picture picture = {0};
    enum ink_status status;
    struct guard guard;

    jpeg.err = init_guard(&guard);
    if (setjmp(guard.way_out) != 0) {
        jpeg_destroy_decompress(&jpeg);
        ink_picture_fini(&picture);
        return ink_fail(err, guard.status, "the JPEG is broken: %.120s", guard.message);
    }
    jpeg_create_decompress(&jpeg);
    jpeg.mem->max_memory_to_use = INK_LIMIT_PICTURE_MEMORY;
    jpeg.progress = &progress;
    status = read_rows(&jpeg, bytes, size, &picture, err);
    if (!status)
        status = turn_up(&picture, orientation_of(&jpeg), err);
    jpeg_destroy_decompress(&jpeg);
    if (status)
        ink_picture_fini(&picture);
    else
        *out_picture = picture;
    return status;
}

/* ---- encoding ---- */

static __attribute__((noinline)) void
write_rows(j_compress_ptr jpeg, const uint8_t *grey, unsigned char **packed, unsigned long *size)
{
    jpeg_mem_dest(jpeg, packed, size);
    jpeg->input_components = 1;
    jpeg->in_color_space = JCS_GRAYSCALE;
    jpeg_set_defaults(jpeg);
    jpeg_set_quality(jpeg, QUALITY, TRUE);
    jpeg_start_compress(jpeg, TRUE);
    while (jpeg->next_scanline < jpeg->image_height) {
        JSAMPROW row =
            (JSAMPROW)(uintptr_t)(grey + (size_t)jpeg->next_scanline * jpeg->image_width);

        (void)jpeg_write_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_compress(jpeg);
}

enum ink_status
ink_picture_encode_jpeg(const uint8_t *grey, int width, int height, struct ink_buf *buf,
                        struct ink_err *err)
{
    struct jpeg_compress_struct jpeg = {0};
    unsigned char *packed = NULL;
    unsigned long size = 0;
    enum ink_status status;
    struct guard guard;

    status = ink_picture_check_sides((size_t)(width > 0 ? width : 0),
                                     (size_t)(height > 0 ? height : 0), err);
    if (status)
        return status;
    jpeg.err = init_guard(&guard);
    if (setjmp(guard.way_out) != 0) {
        jpeg_destroy_compress(&jpeg);
        free(packed);
        return ink_fail(err, guard.status, "the JPEG cannot be written: %.120s", guard.message);
    }
    jpeg_create_compress(&jpeg);
    jpeg.image_width = (JDIMENSION)width;
    jpeg.image_height = (JDIMENSION)height;
    write_rows(&jpeg, grey, &packed, &size);
    jpeg_destroy_compress(&jpeg);
    ink_buf_append(buf, packed, size);
    free(packed);
    return ink_buf_check(buf, err);
}
