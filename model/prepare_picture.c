/* SPDX-License-Identifier: MIT */
/*
 * prepare_picture: a picture file as a row.
 *
 * shrink -> sense (ink becomes bright) -> paper away -> threshold -> parts (specks
 * and what hangs on the edge away) -> grey levels -> crop -> pen width -> 20x20
 * -> centre of mass. Each step is a function that leaves its findings in `work`.
 *
 * Measured with a small network (98.93 % of MNIST's 10,000 test rows as they are):
 * the rows enlarged to 40-100 % of 280x280 at any place 98.78 %, as negatives
 * 98.88 %, as photos (grey uneven paper, noise of 8 levels) 98.22 %. 1.6 ms for
 * 280x280, 2.9 ms for a photo.
 */
#include "model/prepare_priv.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "model/plane.h"

enum {
    SIDE = INK_PICTURE_SIDE,
    WORK_SIDE = 560,     /* pixels of the longer side that is worked on: a digit keeps over 50 */
    PLATE_SIDE = 120,    /* the digit's longer side while its pen width is changed: 6 x 20 */
    DARK_ON_LIGHT = 110, /* border median above it: the paper is the lighter one */
    PAPER_SPREAD = 12,   /* grey levels between the border's 10 % and 90 %: uneven above it */
    PAPER_BLOCKS = 35,   /* blocks along the longer side for the paper's estimate */
    CONTRAST_MIN = 24,   /* grey levels between paper and ink; less is an empty sheet */
    INK_LEVEL = 20,      /* of 255: what counts as ink once grey levels are stretched */
};

/* Pen widths of the finished row, in pixels: left alone from MIN to MAX, else brought a little
 * inside. About one in ten of MNIST's own rows is outside. */
#define WIDTH_MIN   1.6
#define WIDTH_THIN  1.8
#define WIDTH_THICK 3.0
#define WIDTH_MAX   3.4

/* Shares: of the largest part's area, which a speck is below; of the picture's, when a part inside
 * is preferred to one on the edge. */
#define SPECK_SHARE 0.02
#define PART_SHARE  0.0005

/* Of the picture's longer side: a digit is larger. */
#define SIDE_SHARE 0.02

struct work {
    struct ink_plane grey; /* ink is bright once the sense is known */
    struct ink_plane mask; /* 255 where a part of the digit is */
    double shrink;         /* work pixels per picture pixel */
    bool is_uneven;        /* the paper was estimated, not taken as one level */
    double noise;          /* standard deviation of the paper, grey levels */
    int threshold;         /* Otsu's, on grey with the paper taken away */
    struct ink_buf text;   /* what was done */
};

static void
work_fini(struct work *work)
{
    ink_plane_fini(&work->grey);
    ink_plane_fini(&work->mask);
    ink_buf_fini(&work->text);
}

static size_t
area_of(const struct ink_plane *plane)
{
    return (size_t)plane->width * (size_t)plane->height;
}

static int
longest_side(const struct ink_box *box)
{
    int width = box->right - box->left, height = box->bottom - box->top;

    return width > height ? width : height;
}

/* ---- a row already ---- */

/* Whether 28x28 pixels are as MNIST has them: black around, the digit in the frame. */
static bool
is_row(const uint8_t row[static INK_PICTURE_SIZE])
{
    const struct ink_extent extent = ink_extent_measure(row);
    const struct ink_box box = {extent.left, extent.top, extent.right, extent.bottom};

    return ink_extent_is_framed(&extent) && longest_side(&box) >= INK_FRAME_BOX - 1;
}

/* Take a picture that is a row, or the negative of one, as it is; false if it is neither. */
static bool
take_row(const struct ink_picture *picture, uint8_t *out_row, struct ink_buf *text)
{
    uint8_t negative[INK_PICTURE_SIZE];

    if (picture->width != SIDE || picture->height != SIDE)
        return false;
    for (int i = 0; i < INK_PICTURE_SIZE; i++)
        negative[i] = (uint8_t)(255 - picture->grey[i]);
    if (is_row(picture->grey)) {
        memcpy(out_row, picture->grey, INK_PICTURE_SIZE);
        ink_buf_puts(text, "light on dark, 28x28 and in place: taken as it is");
        return true;
    }
    if (is_row(negative)) {
        memcpy(out_row, negative, INK_PICTURE_SIZE);
        ink_buf_puts(text, "dark on light, 28x28 and in place: only inverted");
        return true;
    }
    return false;
}

/* ---- paper and ink ---- */

static enum ink_status
shrink(struct work *work, const struct ink_picture *picture, struct ink_err *err)
{
    const struct ink_plane whole = {picture->width, picture->height, picture->grey};
    const struct ink_box box = {0, 0, picture->width, picture->height};
    int longer = picture->width > picture->height ? picture->width : picture->height;
    int width, height;
    enum ink_status status;

    work->shrink = longer > WORK_SIDE ? (double)WORK_SIDE / longer : 1;
    width = (int)lround(picture->width * work->shrink);
    height = (int)lround(picture->height * work->shrink);
    status = ink_plane_init(&work->grey, width > 0 ? width : 1, height > 0 ? height : 1, err);
    if (!status)
        status = ink_plane_init(&work->mask, work->grey.width, work->grey.height, err);
    if (status)
        return status;
    if (work->shrink < 1)
        ink_plane_resize(&whole, &box, work->shrink, &work->grey);
    else
        memcpy(work->grey.value, picture->grey, area_of(&work->grey));
    return INK_OK;
}

/* Make ink the bright one. The border tells, unless what stands out most contradicts it clearly. */
static void
sense(struct work *work)
{
    int shorter = work->grey.width < work->grey.height ? work->grey.width : work->grey.height;
    size_t count[256];
    int paper, below, above;
    bool is_dark_on_light;

    ink_plane_count_border(&work->grey, 1 + shorter / 40, count);
    paper = ink_quantile(count, 0.5);
    work->is_uneven = ink_quantile(count, 0.9) - ink_quantile(count, 0.1) > PAPER_SPREAD;
    ink_plane_count(&work->grey, count);
    below = paper - ink_quantile(count, 0.005);
    above = ink_quantile(count, 0.995) - paper;
    is_dark_on_light = paper > DARK_ON_LIGHT ? above <= 2 * below : below > 2 * above;
    if (is_dark_on_light)
        for (size_t i = 0; i < area_of(&work->grey); i++)
            work->grey.value[i] = (uint8_t)(255 - work->grey.value[i]);
    ink_buf_puts(&work->text, is_dark_on_light ? "dark on light" : "light on dark");
}

/* Subtract the paper: one level where the border is even, else an estimate for each place. */
static enum ink_status
remove_paper(struct work *work, struct ink_err *err)
{
    INK_CLEANUP(ink_plane_fini) struct ink_plane paper = {0};
    int longer = work->grey.width > work->grey.height ? work->grey.width : work->grey.height;
    int shorter = work->grey.width < work->grey.height ? work->grey.width : work->grey.height;
    size_t count[256];
    int level;

    if (work->is_uneven) {
        int block = (longer + PAPER_BLOCKS - 1) / PAPER_BLOCKS;
        enum ink_status status = ink_plane_estimate_paper(&work->grey, block, &paper, err);

        if (status)
            return status;
        ink_buf_puts(&work->text, ", uneven paper");
    }
    ink_plane_count_border(&work->grey, 1 + shorter / 40, count);
    level = ink_quantile(count, 0.5);
    for (size_t i = 0; i < area_of(&work->grey); i++) {
        int below = paper.value ? paper.value[i] : level;
        int above = work->grey.value[i] - below;

        work->grey.value[i] = (uint8_t)(above > 0 ? above : 0);
    }
    return INK_OK;
}

/* Paper and ink as a threshold parts them: mean levels, and the paper's spread. */
struct classes {
    double paper, ink, noise;
};

static struct classes
part_at(const size_t count[256], int threshold)
{
    double sum[2] = {0}, total[2] = {0}, square = 0;
    struct classes classes;

    for (int i = 0; i < 256; i++) {
        sum[i > threshold] += (double)count[i] * i;
        total[i > threshold] += (double)count[i];
        square += i > threshold ? 0 : (double)count[i] * i * i;
    }
    classes.paper = sum[0] / fmax(total[0], 1);
    classes.ink = sum[1] / fmax(total[1], 1);
    classes.noise = sqrt(fmax(square / fmax(total[0], 1) - classes.paper * classes.paper, 0));
    return classes;
}

static bool
is_contrast(const struct classes *classes)
{
    return classes->ink - classes->paper >= fmax(CONTRAST_MIN, 3 * classes->noise);
}

/*
 * Part paper from ink; false where there is no ink. Otsu's threshold first. Where
 * a small digit stands on a large noisy sheet, that parts the noise: then what
 * rises five deviations above the paper is ink, and half of its height the threshold.
 */
static bool
find_threshold(struct work *work)
{
    struct classes classes;
    size_t count[256];
    int paper;

    ink_plane_count(&work->grey, count);
    paper = ink_quantile(count, 0.5);
    work->threshold = ink_otsu(count);
    classes = part_at(count, work->threshold);
    if (!is_contrast(&classes)) {
        int deviation = 1 + ink_quantile(count, 0.84) - paper; /* rounded up: noise is discrete */

        work->threshold = paper + 5 * deviation < 255 ? paper + 5 * deviation : 255;
        classes = part_at(count, work->threshold);
        work->threshold = (int)((classes.paper + classes.ink) / 2);
    }
    work->noise = classes.noise;
    return is_contrast(&classes);
}

/* ---- parts ---- */

/* A connected part of what is above the threshold. */
struct part {
    size_t area;
    bool is_on_edge;
};

/* Number the part that holds pixel `start` in `label`. `stack` [area] is room to work in. */
static struct part
flood(const struct work *work, size_t start, int number, int *label, size_t *stack)
{
    size_t width = (size_t)work->grey.width, height = (size_t)work->grey.height, depth = 0;
    struct part part = {0};

    stack[depth++] = start;
    label[start] = number;
    while (depth > 0) {
        size_t at = stack[--depth], x = at % width, y = at / width;

        part.area++;
        part.is_on_edge |= x == 0 || y == 0 || x + 1 == width || y + 1 == height;
        for (size_t row = y > 0 ? y - 1 : 0; row <= y + 1 && row < height; row++)
            for (size_t column = x > 0 ? x - 1 : 0; column <= x + 1 && column < width; column++) {
                size_t next = row * width + column;

                if (label[next] != 0 || work->grey.value[next] <= work->threshold)
                    continue;
                label[next] = number;
                stack[depth++] = next;
            }
    }
    return part;
}

/*
 * Fill the mask with the parts that belong to the digit: no specks, and nothing
 * that hangs on the edge (a shadow, the table) where there is something inside.
 *
 * Gives how many specks and edge parts were left out; INK_NOMEM.
 */
static enum ink_status
choose_parts(struct work *work, int *out_left_out, struct ink_err *err)
{
    size_t area = area_of(&work->grey), best_inside = 0, best_edge = 0, least;
    INK_CLEANUP(ink_freep) int *label = calloc(area, sizeof(*label));
    INK_CLEANUP(ink_freep) size_t *stack = malloc(area * sizeof(*stack));
    INK_CLEANUP(ink_freep) struct part *part = calloc(area + 1, sizeof(*part));
    int number = 0;
    bool is_inside_only;

    if (!label || !stack || !part)
        return ink_fail(err, INK_NOMEM, "no memory to find the parts of a picture");
    for (size_t i = 0; i < area; i++) {
        size_t *best;

        if (label[i] != 0 || work->grey.value[i] <= work->threshold)
            continue;
        number++;
        part[number] = flood(work, i, number, label, stack);
        best = part[number].is_on_edge ? &best_edge : &best_inside;
        *best = part[number].area > *best ? part[number].area : *best;
    }
    is_inside_only =
        (double)best_inside >= PART_SHARE * (double)area && best_inside * 10 >= best_edge;
    least = (size_t)(SPECK_SHARE *
                     (double)(is_inside_only || best_inside > best_edge ? best_inside : best_edge));
    *out_left_out = 0;
    for (int i = 1; i <= number; i++) {
        bool is_kept = part[i].area > least && !(is_inside_only && part[i].is_on_edge);

        part[i].area = is_kept;
        *out_left_out += !is_kept;
    }
    for (size_t i = 0; i < area; i++)
        work->mask.value[i] = label[i] > 0 && part[label[i]].area > 0 ? 255 : 0;
    return INK_OK;
}

/* Set what lies within `reach` of a set pixel on a line of `count` pixels, `step` apart. */
static void
grow_line(uint8_t *value, int count, size_t step, int reach)
{
    int last = -reach - 1; /* the last pixel that was set before growing */

    for (int i = 0; i < count; i++) {
        bool is_set = value[(size_t)i * step] > 0;

        if (is_set)
            for (int back = i - 1; back >= i - reach && back > last && back >= 0; back--)
                value[(size_t)back * step] = 255;
        if (is_set)
            last = i;
        else if (i - last <= reach)
            value[(size_t)i * step] = 255;
    }
}

/* Grow the mask by `reach` pixels to all sides. */
static void
grow_mask(struct ink_plane *mask, int reach)
{
    for (int y = 0; y < mask->height; y++)
        grow_line(&mask->value[(size_t)y * (size_t)mask->width], mask->width, 1, reach);
    for (int x = 0; x < mask->width; x++)
        grow_line(&mask->value[x], mask->height, (size_t)mask->width, reach);
}

/* Stretch grey levels so that paper is 0 and ink 255, and blank what is away from the parts. */
static void
stretch(struct work *work)
{
    size_t area = area_of(&work->grey), count[256] = {0};
    int longer = work->grey.width > work->grey.height ? work->grey.width : work->grey.height;
    double low, high;

    for (size_t i = 0; i < area; i++)
        if (work->mask.value[i] > 0)
            count[work->grey.value[i]]++;
    high = ink_quantile(count, 0.75);
    low = fmin(2 * work->noise, work->threshold);
    low = work->is_uneven ? fmax(low, work->threshold * 0.5) : low;
    grow_mask(&work->mask, 1 + longer / 200); /* an edge that is soft, but belongs to it */
    for (size_t i = 0; i < area; i++) {
        double value = (work->grey.value[i] - low) / fmax(high - low, 1);

        work->grey.value[i] =
            work->mask.value[i] > 0 ? (uint8_t)lround(255 * fmin(fmax(value, 0), 1)) : 0;
    }
}

/* ---- pen width ---- */

/* Mean pen width of a mask, from the distances inside: a strip of width w has mean w / 4. */
static double
measure_width(const struct ink_plane *plate, const float *inside)
{
    double sum = 0;
    size_t count = 0;

    for (size_t i = 0; i < area_of(plate); i++)
        if (plate->value[i] > 0) {
            sum += (double)inside[i] - 0.5; /* from the pixel's centre to the edge, not beyond */
            count++;
        }
    return count > 0 ? 4 * (sum / (double)count) : 0;
}

/* Whether a pixel lies on the middle line: no neighbour is clearly deeper inside. */
static bool
is_ridge(const struct ink_plane *plate, const float *inside, int x, int y)
{
    float here = inside[y * plate->width + x];

    for (int row = y - 1; row <= y + 1; row++)
        for (int column = x - 1; column <= x + 1; column++)
            if (row >= 0 && column >= 0 && row < plate->height && column < plate->width &&
                inside[row * plate->width + column] > here + 0.5F)
                return false;
    return true;
}

/*
 * Take `depth` pixels off every edge, but leave a pen of `width` along the
 * middle line, so that thin places do not break.
 */
static enum ink_status
thin(struct ink_plane *plate, const float *inside, double depth, double width, struct ink_err *err)
{
    INK_CLEANUP(ink_plane_fini) struct ink_plane ridge = {0};
    INK_CLEANUP(ink_freep) float *from_ridge = malloc(area_of(plate) * sizeof(*from_ridge));
    enum ink_status status = ink_plane_init(&ridge, plate->width, plate->height, err);

    if (!status && !from_ridge)
        status = ink_fail(err, INK_NOMEM, "no memory to thin strokes");
    if (status)
        return status;
    for (int y = 0; y < plate->height; y++)
        for (int x = 0; x < plate->width; x++) {
            int i = y * plate->width + x;

            if (plate->value[i] > 0 && is_ridge(plate, inside, x, y))
                ridge.value[i] = 255;
        }
    status = ink_plane_distances(&ridge, 1, from_ridge, err);
    if (status)
        return status;
    for (size_t i = 0; i < area_of(plate); i++)
        if ((double)inside[i] - 0.5 <= depth && (double)from_ridge[i] > width / 2)
            plate->value[i] = 0;
    return INK_OK;
}

static enum ink_status
thicken(struct ink_plane *plate, double depth, struct ink_err *err)
{
    INK_CLEANUP(ink_freep) float *outside = malloc(area_of(plate) * sizeof(*outside));
    enum ink_status status;

    if (!outside)
        return ink_fail(err, INK_NOMEM, "no memory to thicken strokes");
    status = ink_plane_distances(plate, 1, outside, err);
    for (size_t i = 0; !status && i < area_of(plate); i++)
        if ((double)outside[i] - 0.5 <= depth)
            plate->value[i] = 255;
    return status;
}

/*
 * The digit as a mask with its longer side at PLATE_SIDE and room around; if its
 * pen is too thin or too thick, with that changed. Nothing is done (and
 * *out_changed is false) where the pen is fine.
 *
 * A pen of width w on a digit of side L draws a middle line of L - w. Brought to
 * 20 pixels with the target width t, that line has 20 - t: so the pen must become
 * t (L - w) / (20 - t) first.
 */
static enum ink_status
normalize_width(struct work *work, const struct ink_box *box, struct ink_plane *out_plate,
                bool *out_changed, struct ink_err *err)
{
    enum { ROOM = PLATE_SIDE / 4 };
    INK_CLEANUP(ink_freep) float *inside = NULL;
    struct ink_box wide;
    int side = PLATE_SIDE + 2 * ROOM;
    int longest = longest_side(box);
    double scale = (double)PLATE_SIDE / longest, width, wanted, row_width, target;
    int room = (int)(ROOM / scale);
    enum ink_status status = ink_plane_init(out_plate, side, side, err);

    *out_changed = false;
    if (status)
        return status;
    inside = malloc(area_of(out_plate) * sizeof(*inside));
    if (!inside)
        return ink_fail(err, INK_NOMEM, "no memory to measure strokes");
    wide =
        (struct ink_box){box->left - room, box->top - room, box->right + room, box->bottom + room};
    ink_plane_resize(&work->grey, &wide, scale, out_plate);
    for (size_t i = 0; i < area_of(out_plate); i++)
        out_plate->value[i] = out_plate->value[i] > 127 ? 255 : 0;
    status = ink_plane_distances(out_plate, 0, inside, err);
    if (status)
        return status;

    width = measure_width(out_plate, inside);
    row_width = width * INK_FRAME_BOX / PLATE_SIDE;
    target = row_width < WIDTH_MIN ? WIDTH_THIN : WIDTH_THICK;
    wanted = target * (PLATE_SIDE - width) / (INK_FRAME_BOX - target);
    if ((row_width >= WIDTH_MIN && row_width <= WIDTH_MAX) || wanted <= 0)
        return INK_OK;
    *out_changed = true;
    ink_buf_printf(&work->text, ", strokes of %.1f made %.1f pixels", row_width, target);
    return width > wanted ? thin(out_plate, inside, (width - wanted) / 2, wanted, err)
                          : thicken(out_plate, (wanted - width) / 2, err);
}

/* ---- all of it ---- */

/* Bring a box to the frame and into the middle. */
static void
frame(struct work *work, const struct ink_plane *plane, const struct ink_box *box, double shrink,
      uint8_t *out_row)
{
    int width = box->right - box->left, height = box->bottom - box->top, right, down;
    double scale = (double)INK_FRAME_BOX / (width > height ? width : height);
    int out_width = (int)ceil(width * scale - 1e-9), out_height = (int)ceil(height * scale - 1e-9);
    uint8_t value[INK_FRAME_BOX * INK_FRAME_BOX];
    struct ink_plane small = {out_width, out_height, value};
    int left = (SIDE - out_width) / 2, top = (SIDE - out_height) / 2;

    ink_plane_resize(plane, box, scale, &small);
    for (int y = 0; y < out_height; y++)
        memcpy(&out_row[(top + y) * SIDE + left], &value[(size_t)y * (size_t)out_width],
               (size_t)out_width);
    ink_extent_center(out_row, &right, &down);
    ink_buf_printf(&work->text, ", scaled %.2g, moved %+d,%+d", scale * shrink, right, down);
}

/* From a cleaned picture to the row. */
static enum ink_status
finish(struct work *work, uint8_t *out_row, bool *out_is_empty, struct ink_err *err)
{
    INK_CLEANUP(ink_plane_fini) struct ink_plane plate = {0};
    struct ink_box box = ink_plane_bound(&work->grey, INK_LEVEL);
    enum ink_status status;
    bool is_changed;

    *out_is_empty =
        longest_side(&box) <
        SIDE_SHARE * (work->grey.width > work->grey.height ? work->grey.width : work->grey.height);
    if (*out_is_empty)
        return INK_OK;
    ink_buf_printf(&work->text, ", cropped to %.0fx%.0f", (box.right - box.left) / work->shrink,
                   (box.bottom - box.top) / work->shrink);
    status = normalize_width(work, &box, &plate, &is_changed, err);
    if (status)
        return status;
    if (is_changed) {
        struct ink_box plate_box = ink_plane_bound(&plate, 0);
        int longest = longest_side(&box);

        frame(work, &plate, &plate_box, work->shrink * PLATE_SIDE / longest, out_row);
    } else {
        frame(work, &work->grey, &box, work->shrink, out_row);
    }
    return INK_OK;
}

/* Say it, and whether there is anything. */
static enum ink_status
conclude(struct work *work, bool is_empty, struct ink_preparation *out_preparation,
         struct ink_err *err)
{
    enum ink_status status;

    if (is_empty)
        ink_buf_puts(&work->text, ", no ink found");
    status = ink_buf_check(&work->text, err);
    if (status)
        return status;
    *out_preparation = (struct ink_preparation){.is_empty = is_empty};
    (void)snprintf(out_preparation->text, sizeof(out_preparation->text), "%s",
                   ink_buf_text(&work->text));
    return INK_OK;
}

enum ink_status
ink_prepare_picture(const struct ink_picture *picture, uint8_t out_row[static INK_PICTURE_SIZE],
                    struct ink_preparation *out_preparation, struct ink_err *err)
{
    INK_CLEANUP(work_fini) struct work work = {0};
    uint8_t row[INK_PICTURE_SIZE] = {0};
    enum ink_status status;
    bool is_empty;
    int left_out = 0;

    if (take_row(picture, out_row, &work.text))
        return conclude(&work, false, out_preparation, err);
    status = shrink(&work, picture, err);
    if (status)
        return status;
    sense(&work);
    status = remove_paper(&work, err);
    if (status)
        return status;
    is_empty = !find_threshold(&work);
    if (!is_empty) {
        status = choose_parts(&work, &left_out, err);
        if (!status && left_out > 0)
            ink_buf_printf(&work.text, ", %d speck%s left out", left_out, left_out > 1 ? "s" : "");
        if (!status) {
            stretch(&work);
            status = finish(&work, row, &is_empty, err);
        }
    }
    if (!status)
        status = conclude(&work, is_empty, out_preparation, err);
    if (!status)
        memcpy(out_row, row, sizeof(row));
    return status;
}
