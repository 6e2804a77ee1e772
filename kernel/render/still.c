/* SPDX-License-Identifier: MIT */
#include "kernel/render/still.h"

#include <math.h>

void
ink_still_add(struct ink_bundle *bundle, const struct ink_figure *figure, const char *alt,
              struct ink_buf *html)
{
    struct ink_buf png = {0};

    if (bundle && bundle->is_plain)
        return;
    if (ink_figure_png(figure, figure->scale, &png, NULL) != INK_OK) {
        ink_buf_fini(&png);
        html->is_broken = true;
        return;
    }
    ink_buf_printf(html, "<img width=\"%d\" height=\"%d\" alt=\"", (int)ceilf(figure->width),
                   (int)ceilf(figure->height));
    ink_buf_html(html, alt);
    ink_buf_puts(html, "\" src=\"data:image/png;base64,");
    ink_buf_base64(html, png.bytes, png.size);
    ink_buf_puts(html, "\">");
    if (bundle)
        ink_bundle_add(bundle, INK_MIME_PNG, &png);
    ink_buf_fini(&png);
}

void
ink_still_details(struct ink_buf *html, const char *summary, const char *contents_html)
{
    ink_buf_puts(html, "<details><summary>");
    ink_buf_html(html, summary);
    ink_buf_puts(html, "</summary>");
    ink_buf_puts(html, contents_html);
    ink_buf_puts(html, "</details>");
}
