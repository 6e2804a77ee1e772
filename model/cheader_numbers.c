/* SPDX-License-Identifier: MIT */
/*
 * cheader_numbers: a header's arrays.
 *
 * Hexadecimal floats are exact and fit any C99 compiler, but cost it 300 bytes of
 * memory and 1.5 us each. Where there are very many they are strings, which cost
 * an eighth: rows of bytes, in a union with the floats that they are.
 */
#include <stdint.h>
#include <string.h>

#include "model/cheader_priv.h"

enum {
    NUMBERS_A_LINE = 6,
    NUMBERS_A_ROW =
        250, /* C99 asks for string literals and lines of 4095 characters: 4 x 4 x 250 */
    BYTES_A_ROW = NUMBERS_A_ROW * 4,
};

/* Bytes as what stands between quotes; an octal escape is cut short where no digit follows. */
static void
put_escaped(struct ink_buf *buf, const unsigned char *bytes, size_t size)
{
    char text[4 * BYTES_A_ROW];
    size_t at = 0;

    for (size_t i = 0; i < size; i++) {
        unsigned char byte = bytes[i];
        bool is_digit_next = i + 1 < size && bytes[i + 1] >= '0' && bytes[i + 1] <= '7';

        if (byte >= ' ' && byte < 127 && byte != '"' && byte != '\\' && byte != '?') {
            text[at++] = (char)byte;
            continue;
        }
        text[at++] = '\\'; /* ? too: two of them may begin a trigraph */
        if (byte >= 64 || is_digit_next)
            text[at++] = (char)('0' + (byte >> 6));
        if (byte >= 8 || is_digit_next)
            text[at++] = (char)('0' + (byte >> 3 & 7));
        text[at++] = (char)('0' + (byte & 7));
    }
    ink_buf_append(buf, text, at);
}

static void
put_row(struct ink_buf *buf, const float *numbers, size_t count)
{
    unsigned char bytes[BYTES_A_ROW];

    for (size_t i = 0; i < count; i++) {
        uint32_t bits;

        memcpy(&bits, &numbers[i], sizeof(bits));
        for (unsigned j = 0; j < 4; j++)
            bytes[4 * i + j] = (unsigned char)(bits >> 8 * j);
    }
    ink_buf_puts(buf, "    \"");
    put_escaped(buf, bytes, count * 4);
    ink_buf_puts(buf, "\",\n");
}

void
ink_cheader_put_numbers(struct ink_buf *buf, const char *name, size_t count, const float *numbers,
                        bool is_packed)
{
    size_t rows = (count + NUMBERS_A_ROW - 1) / NUMBERS_A_ROW;
    int row_size = count < NUMBERS_A_ROW ? (int)count * 4 : BYTES_A_ROW;

    if (is_packed)
        ink_buf_printf(buf,
                       "static const union {\n    char bytes[%zu][%d];\n    float number[%zu];\n"
                       "} %s = {{\n",
                       rows, row_size, count, name);
    else
        ink_buf_printf(buf, "static const float %s[%zu] = {", name, count);
    for (size_t at = 0; is_packed && at < count; at += NUMBERS_A_ROW)
        put_row(buf, numbers + at, count - at < NUMBERS_A_ROW ? count - at : NUMBERS_A_ROW);
    for (size_t i = 0; !is_packed && i < count; i++)
        ink_buf_printf(buf, "%s%aF,", i % NUMBERS_A_LINE == 0 ? "\n    " : " ", (double)numbers[i]);
    ink_buf_puts(buf, is_packed ? "}};\n" : "\n};\n");
}

void
ink_cheader_put_packing(struct ink_buf *buf, bool is_begin)
{
    /* A row has no closing zero, which C allows and newer compilers point out. */
    static const char newer[] =
        "#if defined(__GNUC__) && (__GNUC__ >= 15 || (defined(__clang_major__) && "
        "__clang_major__ >= 21))\n";

    if (is_begin)
        ink_buf_puts(buf, "/* the bytes of floats, the lowest first */\n"
                          "#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != "
                          "__ORDER_LITTLE_ENDIAN__\n"
                          "#error \"a network of this size is for little-endian machines\"\n"
                          "#endif\n");
    ink_buf_puts(buf, newer);
    ink_buf_puts(buf, is_begin ? "#pragma GCC diagnostic push\n#pragma GCC diagnostic ignored "
                                 "\"-Wunterminated-string-initialization\"\n#endif\n"
                               : "#pragma GCC diagnostic pop\n#endif\n\n");
}
