/* SPDX-License-Identifier: MIT */
#include "kernel/render/font.h"

#include <stddef.h>

#include "base/json.h"

/* From ' ' to '~'. */
/* clang-format off */
static const struct ink_glyph ascii[] = {
    {3, ""},                                                   /* space */
    {2, "10 18|1b 1c"},                                        /* ! */
    {4, "00 03|30 33"},                                        /* " */
    {8, "20 1c|70 6c|04 84|08 88"},                            /* # */
    {8, "82 60 20 03 15 66 88 8a 6c 2c 0a|40 4d"},               /* $ */
    {8, "80 0c|20 31 33 24 13 11 20|68 79 7b 6c 5b 59 68"},    /* % */
    {8, "8c 12 11 20 40 51 53 07 0a 2c 4c 88"},                /* & */
    {2, "10 13"},                                              /* ' */
    {4, "40 22 15 18 2b 4d"},                                  /* ( */
    {4, "00 22 35 38 2b 0d"},                                  /* ) */
    {8, "43 4b|15 79|75 19"},                                  /* * */
    {8, "07 87|43 4b"},                                        /* + */
    {2, "1b 1c 0e"},                                           /* , */
    {6, "07 67"},                                              /* - */
    {2, "1b 1c"},                                              /* . */
    {6, "60 0d"},                                              /* / */
    {8, "30 50 72 85 87 7a 5c 3c 1a 07 05 12 30"},             /* 0 */
    {8, "23 50 5c"},                                           /* 1 */
    {8, "03 11 30 50 71 83 75 0c 8c"},                         /* 2 */
    {8, "02 20 50 71 83 75 56 36|56 77 89 7b 5c 2c 0a"},       /* 3 */
    {8, "6c 60 08 88"},                                        /* 4 */
    {8, "70 10 06 25 55 76 88 89 7b 5c 2c 0a"},                /* 5 */
    {8, "71 50 30 12 05 08 1b 3c 5c 7b 89 88 76 55 35 16 08"}, /* 6 */
    {8, "00 80 3c"},                                           /* 7 */
    {8, "30 50 71 83 75 56 36 15 03 11 30|36 17 09 1b 3c 5c 7b 89 77 56"}, /* 8 */
    {8, "1b 3c 5c 7a 87 84 71 50 30 11 03 04 16 37 57 76 84"}, /* 9 */
    {2, "15 16|1b 1c"},                                        /* : */
    {2, "15 16|1b 1c 0e"},                                     /* ; */
    {8, "83 07 8b"},                                           /* < */
    {8, "05 85|09 89"},                                        /* = */
    {8, "03 87 0b"},                                           /* > */
    {7, "02 20 50 71 73 55 47 48|4b 4c"},                      /* ? */
    {9, "97 58 38 37 55 75 78 99 92 60 30 03 09 3c 7c"},       /* @ */
    {8, "0c 40 8c|19 79"},                                     /* A */
    {8, "00 0c 5c 7b 89 77 56 06|56 75 83 71 50 00"},
    {8, "82 60 30 12 05 07 1a 3c 6c 8a"},
    {8, "00 0c 4c 7a 87 85 72 40 00"},
    {7, "70 00 0c 7c|06 56"},
    {7, "70 00 0c|06 56"},
    {8, "82 60 30 12 05 07 1a 3c 6c 8a 87 57"},
    {8, "00 0c|80 8c|06 86"},
    {2, "10 1c"},
    {6, "60 69 4c 2c 0a"},
    {8, "00 0c|80 07|35 8c"},
    {7, "00 0c 7c"},
    {10, "0c 00 58 a0 ac"},
    {8, "0c 00 8c 80"},
    {8, "30 50 72 85 87 7a 5c 3c 1a 07 05 12 30"},
    {8, "0c 00 50 71 83 84 76 57 07"},
    {8, "30 50 72 85 87 7a 5c 3c 1a 07 05 12 30|59 8c"},
    {8, "0c 00 50 71 83 84 76 57 07|47 8c"},
    {8, "82 60 30 11 03 15 36 56 77 89 7b 5c 2c 0a"},
    {8, "00 80|40 4c"},
    {8, "00 08 1b 3c 5c 7b 88 80"},
    {8, "00 4c 80"},
    {10, "00 3c 52 7c a0"},
    {8, "00 8c|80 0c"},
    {8, "00 46 80|46 4c"},
    {8, "00 80 0c 8c"},                                        /* Z */
    {4, "40 10 1d 4d"},                                        /* [ */
    {6, "00 6d"},                                              /* \ */
    {4, "00 30 3d 0d"},                                        /* ] */
    {8, "14 40 74"},                                           /* ^ */
    {8, "0d 8d"},                                              /* _ */
    {3, "00 23"},                                              /* ` */
    {7, "74 7c|76 54 24 06 0a 2c 5c 7a"},                      /* a */
    {7, "00 0c|06 24 54 76 7a 5c 2c 0a"},
    {7, "75 54 24 06 0a 2c 5c 7b"},
    {7, "70 7c|76 54 24 06 0a 2c 5c 7a"},
    {7, "08 78 76 54 24 06 0a 2c 5c 7b"},
    {5, "50 40 22 2c|04 54"},
    {7, "74 7d 5f 2f 0e|76 54 24 06 0a 2c 5c 7a"},
    {7, "00 0c|06 24 54 76 7c"},
    {2, "14 1c|10 11"},
    {4, "34 3d 1f 0f|30 31"},
    {7, "00 0c|64 0a|28 7c"},
    {2, "10 1c"},
    {10, "04 0c|06 24 34 56 5c|56 74 84 a6 ac"},
    {7, "04 0c|06 24 54 76 7c"},
    {7, "24 54 76 7a 5c 2c 0a 06 24"},
    {7, "04 0f|06 24 54 76 7a 5c 2c 0a"},
    {7, "74 7f|76 54 24 06 0a 2c 5c 7a"},
    {5, "04 0c|07 25 34 54"},
    {6, "65 44 24 05 07 28 48 69 6b 4c 2c 0b"},
    {5, "21 2a 3c 5c|04 54"},
    {7, "04 0a 2c 5c 7a|74 7c"},
    {6, "04 3c 64"},
    {10, "04 2c 55 8c a4"},
    {7, "04 7c|74 0c"},
    {7, "04 4c|74 2f 0f"},
    {7, "04 74 0c 7c"},                                        /* z */
    {4, "40 21 25 06 27 2d 4e"},                               /* { */
    {2, "10 1e"},                                              /* | */
    {4, "00 21 25 46 27 2d 0e"},                               /* } */
    {8, "08 16 26 68 78 86"},                                  /* ~ */
};
/* clang-format on */

struct ink_glyph
ink_font_glyph(unsigned character)
{
    if (character >= ' ' && character <= '~')
        return ascii[character - ' '];
    switch (character) {
    case 0xb1: /* plus-minus */
        return (struct ink_glyph){8, "06 86|42 4a|0c 8c"};
    case 0xb7: /* middle dot */
        return (struct ink_glyph){2, "17 17"};
    case 0xd7: /* times */
        return (struct ink_glyph){7, "14 7a|74 1a"};
    case 0x2212: /* minus */
        return (struct ink_glyph){8, "07 87"};
    case 0x2013: /* en dash */
        return (struct ink_glyph){7, "07 77"};
    case 0x2026: /* ellipsis */
        return (struct ink_glyph){10, "1b 1c|5b 5c|9b 9c"};
    case 0x2192: /* rightwards arrow */
        return (struct ink_glyph){9, "07 97|64 97 6a"};
    default:
        return (struct ink_glyph){7, "01 71 7c 0c 01"};
    }
}

unsigned
ink_font_next(const char **text)
{
    static const unsigned char lead[] = {0xc0, 0xe0, 0xf0};
    const unsigned char *at = (const unsigned char *)*text;
    unsigned first = *at, character;
    size_t size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

    if (first == 0)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((at[i] & 0xc0) != 0x80) /* stops at the zero byte too */
            size = 1;
    if (first >= 0x80 && (size == 1 || !ink_utf8_is_valid(*text, size))) {
        *text += 1;
        return 0xfffd;
    }
    character = size == 1 ? first : first - lead[size - 2];
    for (size_t i = 1; i < size; i++)
        character = character << 6 | (at[i] & 0x3fU);
    *text += size;
    return character;
}

int
ink_font_width(const char *text)
{
    int width = 0;

    for (unsigned character = ink_font_next(&text); character; character = ink_font_next(&text))
        width += ink_font_glyph(character).width + INK_FONT_GAP;
    return width ? width - INK_FONT_GAP : 0;
}
