/* SPDX-License-Identifier: MIT */
#include "kernel/command/sight.h"

#include "base/cleanup.h"
#include "kernel/render/answer.h"
#include "kernel/render/still.h"
#include "kernel/render/text.h"

/* "7   99.98 %   test[0], truth 7   0.21 ms   inkling:3", with `gap` between the parts. */
static void
put_line(const struct ink_sight *sight, const char *gap, struct ink_buf *buf)
{
    const struct ink_prediction *prediction = sight->prediction;

    if (prediction->preparation.is_empty) {
        ink_buf_puts(buf, "nothing to see: an empty picture");
    } else {
        ink_buf_printf(buf, "%d%s", prediction->prediction, gap);
        ink_text_percent(buf, (double)prediction->probabilities[prediction->prediction]);
    }
    if (sight->source) {
        ink_buf_puts(buf, gap);
        ink_text_clean(buf, sight->source);
    }
    if (sight->label >= 0)
        ink_buf_printf(buf, ", truth %d", sight->label);
    ink_buf_printf(buf, "%s%.2f ms%s", gap, prediction->elapsed_ms, gap);
    ink_text_clean(buf, prediction->model);
    if (prediction->version > 0)
        ink_buf_printf(buf, ":%d", prediction->version);
}

void
ink_sight_add(const struct ink_sight *sight, struct ink_bundle *bundle)
{
    const struct ink_prediction *prediction = sight->prediction;
    INK_CLEANUP(ink_figure_fini) struct ink_figure figure = {0};
    INK_CLEANUP(ink_buf_fini) struct ink_buf line = {0}, numbers = {0};
    struct ink_answer_sight answer = {prediction->row, prediction->probabilities,
                                      prediction->prediction, sight->label};
    struct ink_buf text = {0}, html = {0};

    put_line(sight, "   ", &text);
    ink_buf_putc(&text, '\n');
    put_line(sight, " \xc2\xb7 ", &line);
    ink_answer_text(&text, &answer);
    if (*prediction->preparation.text) {
        ink_buf_puts(&text, "prepared: ");
        ink_text_clean(&text, prediction->preparation.text);
        ink_buf_putc(&text, '\n');
    }
    ink_buf_puts(&html, "<p>");
    ink_buf_html(&html, ink_buf_text(&line));
    ink_buf_puts(&html, "</p>");
    ink_answer_figure(&figure, &answer);
    if (sight->scale > 0)
        figure.scale = sight->scale;
    ink_still_add(bundle, &figure, ink_buf_text(&line), &html);
    if (*prediction->preparation.text) {
        ink_buf_puts(&html, "<p>prepared: ");
        ink_buf_html(&html, prediction->preparation.text);
        ink_buf_puts(&html, "</p>");
    }
    ink_answer_html(&numbers, &answer);
    ink_still_details(&html, "numbers", ink_buf_text(&numbers));
    ink_bundle_add(bundle, INK_MIME_TEXT, &text);
    ink_bundle_add(bundle, INK_MIME_HTML, &html);
}
