/* SPDX-License-Identifier: MIT */
#include "kernel/command/view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "kernel/command/draw.h"
#include "kernel/command/predict.h"

enum {
    LAYER_MAX = 16,            /* sent at once */
    LAYER_VALUE_MAX = 1 << 20, /* numbers of one layer; a larger one is left out */
    SIZE_DEFAULT = 280,
    BRUSH_DEFAULT = 22,
};

struct ink_viewer {
    struct ink_session *session;
    struct ink_predictor *predictor;
    uint8_t *maps; /* [map_size] one layer as bytes */
    size_t map_size;
    struct ink_buf answer, strokes; /* reused */
};

/* A frame, checked. Borrows from its JSON. */
struct frame {
    const struct ink_json *json;
    double seq;
    const char *id;
    int size, brush;
    bool is_final;
    int layers[LAYER_MAX]; /* node indexes */
    int layer_count;
};

enum ink_status
ink_viewer_create(struct ink_session *session, struct ink_viewer **out_viewer, struct ink_err *err)
{
    struct ink_viewer *viewer = calloc(1, sizeof(*viewer));

    if (!viewer)
        return ink_fail(err, INK_NOMEM, "out of memory");
    viewer->session = session;
    *out_viewer = viewer;
    return INK_OK;
}

void
ink_viewer_destroy(struct ink_viewer **viewer_pointer)
{
    struct ink_viewer *viewer = *viewer_pointer;

    if (!viewer)
        return;
    ink_predictor_destroy(&viewer->predictor);
    ink_buf_fini(&viewer->answer);
    ink_buf_fini(&viewer->strokes);
    free(viewer->maps);
    free(viewer);
    *viewer_pointer = NULL;
}

static const struct ink_snapshot *
snapshot_of(const struct ink_viewer *viewer)
{
    return ink_predictor_snapshot(viewer->predictor);
}

static enum ink_status
follow(struct ink_viewer *viewer, struct ink_err *err)
{
    return ink_session_follow(viewer->session, 1, 1, INK_COMPUTE(F32), &viewer->predictor, err);
}

/* ---- pieces of JSON, without a tree ---- */

static void
put_number(struct ink_buf *buf, double value)
{
    if (isfinite(value))
        ink_buf_printf(buf, "%.7g", value);
    else
        ink_buf_puts(buf, "null");
}

static void
put_string(struct ink_buf *buf, const char *text)
{
    INK_CLEANUP(ink_json_destroy) struct ink_json *json = ink_json_from_string(text);

    if (ink_json_print(json, buf, NULL) != INK_OK)
        buf->is_broken = true;
}

static void
put_json(struct ink_buf *buf, struct ink_json *json)
{
    if (ink_json_print(json, buf, NULL) != INK_OK)
        buf->is_broken = true;
    ink_json_destroy(&json);
}

static void
put_base64(struct ink_buf *buf, const uint8_t *bytes, size_t size)
{
    ink_buf_putc(buf, '"');
    ink_buf_base64(buf, bytes, size);
    ink_buf_putc(buf, '"');
}

static void
put_model(struct ink_buf *buf, const struct ink_snapshot *snapshot)
{
    const struct ink_record *record = ink_snapshot_record(snapshot);

    ink_buf_puts(buf, "{\"name\":");
    put_string(buf, record->name);
    ink_buf_printf(buf, ",\"version\":%d", record->version);
}

/* What both kinds of messages with a layer begin with. */
static void
put_layer_head(struct ink_buf *buf, const struct ink_node *node)
{
    ink_buf_printf(buf, "{\"name\":\"%s\",\"op\":\"%s\",\"shape\":[%d,%d,%d]", node->name,
                   ink_op_name(node->op), node->shape.channels, node->shape.height,
                   node->shape.width);
}

/* ---- errors ---- */

/* Replace what was appended since `start` by an error message. */
static enum ink_status
answer_error(struct ink_buf *reply, size_t start, double seq, const struct ink_err *cause,
             struct ink_err *err)
{
    if (reply->size > start)
        reply->size = start; /* half a message */
    ink_buf_puts(reply, "{\"type\":\"error\",\"seq\":");
    put_number(reply, seq);
    ink_buf_puts(reply, ",\"message\":");
    put_string(reply, cause->message);
    ink_buf_putc(reply, '}');
    return ink_fail(err, cause->status, "%s", cause->message);
}

/* ---- open ---- */

static enum ink_status
check_id(const struct ink_json *json, const char **out_id, struct ink_err *err)
{
    const char *id = ink_json_string(ink_json_find(json, "id"), NULL);

    if (!id || !*id || strlen(id) >= INK_SESSION_VIEW_ID_MAX)
        return ink_fail(err, INK_BADARG, "id: expected a text of 1 to %d bytes",
                        INK_SESSION_VIEW_ID_MAX - 1);
    *out_id = id;
    return INK_OK;
}

static void
put_hello(struct ink_viewer *viewer, const char *id, struct ink_buf *reply)
{
    const struct ink_snapshot *snapshot = snapshot_of(viewer);
    const struct ink_arch *arch = ink_snapshot_arch(snapshot);

    ink_buf_puts(reply, "{\"type\":\"hello\",\"v\":1,\"model\":");
    put_model(reply, snapshot);
    ink_buf_printf(reply, ",\"parameters\":%zu,\"layers\":[", arch->parameter_count);
    for (int i = 0; i < arch->node_count; i++) {
        ink_buf_puts(reply, i > 0 ? "," : "");
        put_layer_head(reply, &arch->node[i]);
        ink_buf_putc(reply, '}');
    }
    ink_buf_puts(reply, "]},\"labels\":[");
    for (int digit = 0; digit < INK_CLASS_COUNT; digit++)
        ink_buf_printf(reply, "%s\"%d\"", digit > 0 ? "," : "", digit);
    ink_buf_clear(&viewer->answer);
    ink_buf_clear(&viewer->strokes);
    ink_session_get_view(viewer->session, id, &viewer->answer, &viewer->strokes);
    ink_buf_printf(reply, "],\"answer\":%s,\"strokes\":%s}",
                   viewer->answer.size > 0 ? ink_buf_text(&viewer->answer) : "null",
                   viewer->strokes.size > 0 ? ink_buf_text(&viewer->strokes) : "null");
}

static enum ink_status
open_view(struct ink_viewer *viewer, const struct ink_json *json, struct ink_buf *reply,
          struct ink_err *err)
{
    const char *view = ink_json_string(ink_json_find(json, "view"), "");
    double version = ink_json_number(ink_json_find(json, "v"), 0);
    const char *id;
    enum ink_status status;

    if (version < 1 || version > 1)
        return ink_fail(err, INK_BADARG, "v: %g is not 1, the view protocol's version", version);
    if (strcmp(view, "draw") != 0)
        return ink_fail(err, INK_BADARG, "unknown view '%.64s', expected 'draw'", view);
    status = check_id(json, &id, err);
    if (status == INK_OK)
        status = follow(viewer, err);
    if (status != INK_OK)
        return status;
    put_hello(viewer, id, reply);
    return ink_buf_check(reply, err);
}

/* ---- frames ---- */

/* Layers that are pictures of what the network sees: conv, relu, pool and the like. */
static bool
has_maps(const struct ink_node *node)
{
    return node->op != INK_OP_INPUT && node->op != INK_OP_BATCHNORM && node->op != INK_OP_DROPOUT &&
           node->shape.height > 1 && node->shape.width > 1 &&
           ink_shape_count(node->shape) <= LAYER_VALUE_MAX;
}

static enum ink_status
read_layers(struct ink_viewer *viewer, struct frame *frame, struct ink_err *err)
{
    const struct ink_arch *arch = ink_snapshot_arch(snapshot_of(viewer));
    const struct ink_json *layers = ink_json_find(frame->json, "layers");
    double wanted = ink_json_number(layers, 0);

    for (int i = 0; i < arch->node_count && frame->layer_count < wanted && wanted <= 4; i++)
        if (has_maps(&arch->node[i]))
            frame->layers[frame->layer_count++] = i;
    if (!(wanted >= 0 && wanted <= 4))
        return ink_fail(err, INK_BADARG, "layers: %g is not 0 to 4", wanted);
    if (!ink_json_is_array(layers))
        return INK_OK;
    for (const struct ink_json *item = ink_json_first(layers); item; item = ink_json_next(item)) {
        const char *name = ink_json_string(item, "");
        int node = ink_arch_find(arch, name);

        if (node < 0)
            return ink_fail(err, INK_BADARG, "layers: unknown layer '%.64s'", name);
        if (frame->layer_count == LAYER_MAX)
            return ink_fail(err, INK_TOOBIG, "layers: more than %d", LAYER_MAX);
        if (ink_shape_count(arch->node[node].shape) <= LAYER_VALUE_MAX)
            frame->layers[frame->layer_count++] = node;
    }
    return INK_OK;
}

/* A whole number within limits; `otherwise` if it is missing or no number. */
static int
whole(const struct ink_json *json, const char *name, int max, int otherwise)
{
    double value = ink_json_number(ink_json_find(json, name), otherwise);

    return value >= 1 && value <= max ? (int)value : otherwise;
}

static enum ink_status
read_frame(struct ink_viewer *viewer, const struct ink_json *json, struct frame *out,
           struct ink_err *err)
{
    const char *type = ink_json_string(ink_json_find(json, "type"), "");
    enum ink_status status;

    out->json = json;
    out->seq = ink_json_number(ink_json_find(json, "seq"), 0);
    out->size = whole(json, "size", 10000, SIZE_DEFAULT);
    out->brush = whole(json, "brush", 1000, BRUSH_DEFAULT);
    out->is_final = ink_json_bool(ink_json_find(json, "final"), false);
    if (strcmp(type, "strokes") != 0)
        return ink_fail(err, INK_BADARG, "unknown type '%.64s', expected 'strokes'", type);
    status = check_id(json, &out->id, err);
    if (status == INK_OK)
        status = follow(viewer, err);
    if (status == INK_OK)
        status = read_layers(viewer, out, err);
    return status;
}

/* ---- answers ---- */

/* One layer's activations as bytes, linear from its smallest to its largest. */
static void
put_maps(struct ink_viewer *viewer, int node_index, struct ink_buf *reply)
{
    const struct ink_node *node = &ink_snapshot_arch(snapshot_of(viewer))->node[node_index];
    const float *values = ink_predictor_activation(viewer->predictor, node_index);
    size_t count = ink_shape_count(node->shape);
    float min = values[0], max = values[0], scale;
    double sum = 0;

    if (viewer->map_size < count) {
        uint8_t *grown = realloc(viewer->maps, count);

        if (!grown) {
            reply->is_broken = true;
            return;
        }
        viewer->maps = grown;
        viewer->map_size = count;
    }
    for (size_t i = 0; i < count; i++) {
        min = values[i] < min ? values[i] : min;
        max = values[i] > max ? values[i] : max;
        sum += (double)values[i];
    }
    scale = max > min ? 255.0F / (max - min) : 0;
    for (size_t i = 0; i < count; i++)
        viewer->maps[i] = (uint8_t)((values[i] - min) * scale + 0.5F);
    put_layer_head(reply, node);
    ink_buf_puts(reply, ",\"min\":");
    put_number(reply, (double)min);
    ink_buf_puts(reply, ",\"max\":");
    put_number(reply, (double)max);
    ink_buf_puts(reply, ",\"mean\":");
    put_number(reply, sum / (double)count);
    ink_buf_puts(reply, ",\"maps\":");
    put_base64(reply, viewer->maps, count);
    ink_buf_putc(reply, '}');
}

/* Everything of an answer but its layers and bundle; the object stays open. */
static void
put_answer(const struct ink_viewer *viewer, const struct frame *frame,
           const struct ink_prediction *prediction, struct ink_buf *buf)
{
    ink_buf_puts(buf, "{\"type\":\"answer\",\"seq\":");
    put_number(buf, frame->seq);
    ink_buf_printf(buf, ",\"final\":%s,\"empty\":%s,\"prediction\":%d,\"probabilities\":[",
                   frame->is_final ? "true" : "false",
                   prediction->preparation.is_empty ? "true" : "false", prediction->prediction);
    for (int digit = 0; digit < INK_CLASS_COUNT; digit++) {
        ink_buf_puts(buf, digit > 0 ? "," : "");
        put_number(buf, (double)prediction->probabilities[digit]);
    }
    ink_buf_printf(buf, "],\"elapsed_ms\":%.4f,\"model\":", prediction->elapsed_ms);
    put_model(buf, snapshot_of(viewer));
    ink_buf_puts(buf, "},\"picture\":");
    put_base64(buf, prediction->row, INK_PICTURE_SIZE);
    ink_buf_puts(buf, ",\"preparation\":");
    put_json(buf, ink_preparation_to_json(&prediction->preparation));
}

/* Run the drawing; with its layers' activations if they are asked for. */
static void
predict(struct ink_viewer *viewer, const struct ink_drawing *drawing, bool with_layers,
        struct ink_prediction *out)
{
    float pixels[INK_PICTURE_SIZE];
    uint64_t start_ns = ink_clock_ns();

    if (!with_layers) {
        ink_predict_drawing(viewer->predictor, drawing, out);
        return;
    }
    ink_prepare_drawing(drawing, out->row, &out->preparation);
    ink_prepare_floats(out->row, INK_PICTURE_SIZE, pixels);
    ink_predictor_trace(viewer->predictor, pixels, out->probabilities);
    out->prediction = ink_prediction_best(out->probabilities);
    out->elapsed_ms = ink_clock_ms_since(start_ns);
    (void)memcpy(out->model, ink_snapshot_record(snapshot_of(viewer))->name, sizeof(out->model));
    out->version = ink_snapshot_record(snapshot_of(viewer))->version;
}

/* Remember the finished drawing, and put the bundle that is saved in the notebook. */
static enum ink_status
finish(struct ink_viewer *viewer, const struct frame *frame, const struct ink_drawing *drawing,
       const struct ink_prediction *prediction, struct ink_buf *reply, struct ink_err *err)
{
    INK_CLEANUP(ink_bundle_fini) struct ink_bundle bundle = {0};
    struct ink_draw_view view = {.id = frame->id, .size = frame->size, .brush = frame->brush};
    enum ink_status status = ink_session_keep_drawn(viewer->session, frame->id, drawing, err);

    if (status != INK_OK)
        return status;
    ink_buf_clear(&viewer->answer);
    ink_buf_clear(&viewer->strokes);
    put_json(&viewer->strokes, ink_drawing_to_json(drawing));
    put_answer(viewer, frame, prediction, &viewer->answer);
    ink_buf_printf(&viewer->answer, ",\"strokes\":%s}", ink_buf_text(&viewer->strokes));
    status = ink_buf_check(&viewer->answer, err);
    if (status != INK_OK)
        return status;
    ink_session_set_view(viewer->session, frame->id, ink_buf_text(&viewer->answer),
                         ink_buf_text(&viewer->strokes));
    if (!prediction->preparation.is_empty) {
        view.prediction = prediction;
        view.static_json = ink_buf_text(&viewer->answer);
    }
    ink_draw_bundle(&view, &bundle);
    ink_buf_puts(reply, ",\"bundle\":");
    return ink_bundle_print(&bundle, reply, err);
}

static enum ink_status
answer(struct ink_viewer *viewer, const struct ink_json *json, struct ink_buf *reply,
       struct ink_err *err)
{
    INK_CLEANUP(ink_drawing_destroy) struct ink_drawing *drawing = NULL;
    struct ink_prediction prediction = {0};
    struct frame frame = {0};
    enum ink_status status = read_frame(viewer, json, &frame, err);

    if (status == INK_OK)
        status = ink_drawing_from_json(ink_json_find(json, "strokes"), -1, &drawing, err);
    if (status != INK_OK)
        return status;
    predict(viewer, drawing, frame.layer_count > 0, &prediction);
    put_answer(viewer, &frame, &prediction, reply);
    ink_buf_puts(reply, ",\"layers\":[");
    for (int i = 0; i < frame.layer_count; i++) {
        ink_buf_puts(reply, i > 0 ? "," : "");
        put_maps(viewer, frame.layers[i], reply);
    }
    ink_buf_putc(reply, ']');
    if (frame.is_final)
        status = finish(viewer, &frame, drawing, &prediction, reply, err);
    ink_buf_putc(reply, '}');
    return status == INK_OK ? ink_buf_check(reply, err) : status;
}

/* ---- the public ones ---- */

typedef enum ink_status (*reply_fn)(struct ink_viewer *viewer, const struct ink_json *json,
                                    struct ink_buf *reply, struct ink_err *err);

static enum ink_status
reply_by(reply_fn fill, struct ink_viewer *viewer, const struct ink_json *json,
         struct ink_buf *out_reply, struct ink_err *err)
{
    struct ink_err cause = {0};
    size_t start = out_reply->size;

    if (!ink_json_is_object(json)) {
        (void)ink_fail(&cause, INK_BADDATA, "a view's message is a JSON object");
        return answer_error(out_reply, start, 0, &cause, err);
    }
    if (fill(viewer, json, out_reply, &cause) != INK_OK)
        return answer_error(out_reply, start, ink_json_number(ink_json_find(json, "seq"), 0),
                            &cause, err);
    return INK_OK;
}

static enum ink_status
parse(const char *json_text, size_t size, struct ink_json **out_json, struct ink_buf *out_reply,
      struct ink_err *err)
{
    struct ink_err cause = {0};

    if (ink_json_parse(json_text, size, out_json, &cause) != INK_OK)
        return answer_error(out_reply, out_reply->size, 0, &cause, err);
    return INK_OK;
}

enum ink_status
ink_viewer_open(struct ink_viewer *viewer, const char *json, size_t size, struct ink_buf *out_reply,
                struct ink_err *err)
{
    INK_CLEANUP(ink_json_destroy) struct ink_json *tree = NULL;
    enum ink_status status = parse(json, size, &tree, out_reply, err);

    return status == INK_OK ? reply_by(open_view, viewer, tree, out_reply, err) : status;
}

enum ink_status
ink_viewer_answer(struct ink_viewer *viewer, const char *json, size_t size,
                  struct ink_buf *out_reply, struct ink_err *err)
{
    INK_CLEANUP(ink_json_destroy) struct ink_json *tree = NULL;
    enum ink_status status = parse(json, size, &tree, out_reply, err);

    return status == INK_OK ? reply_by(answer, viewer, tree, out_reply, err) : status;
}

enum ink_status
ink_viewer_reply(struct ink_viewer *viewer, const char *json, size_t size,
                 struct ink_buf *out_reply, struct ink_err *err)
{
    INK_CLEANUP(ink_json_destroy) struct ink_json *tree = NULL;
    enum ink_status status = parse(json, size, &tree, out_reply, err);
    const char *type;

    if (status != INK_OK)
        return status;
    type = ink_json_string(ink_json_find(tree, "type"), "open");
    return reply_by(strcmp(type, "open") == 0 ? open_view : answer, viewer, tree, out_reply, err);
}
