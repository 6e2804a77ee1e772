/* SPDX-License-Identifier: MIT */
#include "model/generator.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum {
    STROKE_MAX = 6,
    KNOT_MAX = 24,  /* of one stroke */
    STEP_COUNT = 8, /* points between two knots */
    POINT_MAX = STROKE_MAX * KNOT_MAX * STEP_COUNT,
};

/*
 * One way of writing a digit. A stroke is a list of knots "x,y" in percent of
 * the digit's box, y down, joined by a smooth curve; "!" behind a knot makes it
 * a corner; "|" lifts the pen. `weight` is how often it is chosen among the
 * ways of its digit.
 */
struct skeleton {
    int weight;
    const char *strokes;
};

enum { SKELETON_MAX = 16 };

/* clang-format off */
static const struct skeleton skeletons[10][SKELETON_MAX] = {
    { /* 0: plain, both directions, a curl at the top; slashed, dotted */
        {30, "55,0 20,12 2,50 20,90 52,100 85,85 98,48 80,10 50,0"},
        {12, "70,6 35,2 6,30 5,72 38,100 78,88 97,50 82,12 60,2"},
        { 8, "45,0 80,12 98,50 80,90 48,100 15,85 2,48 20,10 50,0"},
        { 6, "40,22 62,2 88,20 98,55 78,92 45,100 10,80 3,40 22,8 55,3"},
        { 4, "52,2 22,15 4,52 22,88 50,100 80,86 96,50 80,14 48,1 42,14 58,24"},
        {10, "55,0 20,12 2,50 20,90 52,100 85,85 98,48 80,10 50,0 | 88,8 12,92"},
        { 4, "55,0 20,12 2,50 20,90 52,100 85,85 98,48 80,10 50,0 | 72,25 28,76"},
        { 3, "55,0 20,12 2,50 20,90 52,100 85,85 98,48 80,10 50,0! 10,95"},
        { 2, "55,0 20,12 2,50 20,90 52,100 85,85 98,48 80,10 50,0 | 14,8 88,93"},
        { 1, "55,0 20,12 2,50 20,90 52,100 85,85 98,48 80,10 50,0 | 50,46 50,54"},
    },
    { /* 1: a line; with a flag, short to long; with a foot; both; hooked */
        {30, "50,0 50,100"},
        { 5, "50,0 46,50 50,100"},
        {22, "28,22 52,0! 52,100"},
        {14, "5,38 55,0! 55,100"},
        { 6, "20,18 40,10 52,0! 50,100"},
        {12, "22,22 52,0! 52,100 | 18,100 86,100"},
        { 6, "5,36 52,0! 52,100! 20,100! 88,100"},
        { 5, "50,0 50,100 | 20,100 82,100"},
        { 3, "25,12 52,0! 52,92 66,100"},
        { 2, "36,6 60,0! 58,100 | 22,98 92,98"},
        { 2, "30,4 50,0! 50,100 | 25,100 78,97"},
    },
    { /* 2: corner below, loop below, swan, z */
        {26, "8,25 30,2 70,2 88,28 65,60 5,100! 95,98"},
        {16, "5,22 35,0 75,8 82,35 50,72 12,95 8,82 28,80 60,98 95,92"},
        {12, "12,18 45,0 80,15 72,45 40,80 8,96! 40,92 95,100"},
        { 8, "10,30 28,4 62,2 80,22 62,55 20,86 2,100! 50,98 98,90"},
        { 8, "5,5 85,3! 60,45 8,98! 92,98"},
        { 7, "8,28 20,5 55,0 82,20 70,52 30,88 12,100 5,90 22,82 50,92 75,100 98,86"},
        { 4, "20,25 10,10 40,0 80,10 84,35 50,75 5,100! 95,100"},
        { 4, "30,25 20,12 45,0 85,18 75,52 30,90 10,90 30,78 62,95 95,95"},
    },
    { /* 3: two bowls; flat top; a loop or a point in the middle; wide below */
        {28, "8,12 45,0 82,18 65,42 35,48! 70,52 95,74 65,98 5,90"},
        {14, "5,18 40,0 78,10 75,35 42,47 38,47 80,58 90,85 50,100 5,86"},
        {12, "8,2 85,2! 42,42! 78,50 92,75 62,99 5,90"},
        { 6, "5,5 80,0! 35,40 70,42 95,68 70,98 5,92"},
        { 7, "8,15 50,0 80,18 60,45 35,52 38,42 70,50 95,75 60,100 5,88"},
        { 6, "10,8 60,0 80,20 55,45! 20,48! 60,48 92,70 70,97 8,95"},
        { 4, "18,14 45,0 72,14 58,36 40,42! 85,50 98,78 55,100 0,82"},
        { 4, "2,15 40,2 88,12 80,40 45,46! 82,52 84,80 40,98 12,84"},
        { 3, "12,20 14,4 85,4! 45,42! 85,50 92,80 50,100 5,88"},
    },
    { /* 4: open, closed, in one stroke, round below, short and crossing stems */
        {22, "30,0 8,62! 95,60 | 72,22 66,100"},
        {12, "18,0 12,55! 92,52 | 78,0 74,100"},
        {16, "68,0 4,66! 98,66 | 68,0 68,100"},
        { 8, "70,100 70,0! 4,68! 98,66"},
        { 9, "12,2 10,42 38,54 80,42 | 84,0 78,100"},
        { 9, "14,0 10,40 40,52 82,36! 86,2! 78,100"},
        { 7, "55,0 6,56! 95,54 | 60,32 55,100"},
        { 5, "35,0 8,52! 92,50 | 62,22 50,100"},
        { 5, "20,2 18,48! 85,46! 86,2! 80,100"},
        { 4, "66,2 6,60 10,68 96,62 | 74,4 62,100"},
        { 3, "62,0 6,64! 70,66! 64,2! 62,100"},
        { 3, "28,0 5,50! 70,52! 80,4! 70,100"},
    },
    { /* 5: hat first or last, round like an s, hat apart, small or large bowl */
        {24, "20,2 16,42! 55,34 92,62 62,98 5,90 | 20,2 90,0"},
        {20, "90,0 22,2! 16,44! 58,36 94,64 60,99 5,88"},
        { 9, "88,3 35,2 20,22 28,42 70,48 88,72 55,100 8,92"},
        { 8, "22,8 14,46! 60,38 90,66 55,100 2,84 | 26,2 94,4"},
        { 7, "28,0 24,40 55,42 85,62 70,95 10,98 | 28,0 95,2"},
        { 6, "95,0 30,4! 8,48! 50,32 85,55 65,96 12,92"},
        { 5, "15,10 12,45! 45,36 82,56 60,96 5,92 | 32,6 88,0"},
        { 4, "82,2 28,0! 24,36! 62,44 80,70 45,100 12,96"},
        { 3, "30,0 18,50! 50,42 80,60 50,98 20,90 | 22,14 90,2"},
    },
    { /* 6: round, straight stem, small and large loop, loop that runs on inside */
        {28, "75,2 35,18 6,60 22,96 65,98 90,72 62,52 25,62 10,76"},
        {14, "62,0 25,30 8,70 35,100 78,90 78,62 45,54 12,74"},
        {10, "40,0 14,45 12,85 50,100 88,82 75,56 40,55 14,72"},
        { 7, "85,10 55,0 20,25 5,65 35,100 85,92 92,62 60,48 15,66"},
        { 7, "25,0 14,50 12,88 48,100 85,84 70,58 35,58 14,78"},
        { 5, "70,0 30,35 8,75 40,100 75,85 55,66 25,78"},
        { 4, "88,4 40,12 5,58 30,100 80,96 88,66 55,54 20,68 28,88"},
        { 3, "55,0 12,55 18,95 65,97 75,70 45,62 18,85"},
    },
    { /* 7: plain, barred, with a serif, all of them, bent; wavy top */
        {22, "5,4 92,2! 40,100"},
        {10, "2,5 90,2! 60,45 48,100"},
        {18, "5,4 92,2! 42,100 | 28,52 86,50"},
        { 7, "2,5 90,2! 58,45 46,100 | 25,48 88,42"},
        {10, "6,22 8,2! 92,2! 42,100"},
        { 8, "6,20 8,2! 92,2! 42,100 | 28,52 84,48"},
        { 5, "0,12 25,2 60,8 95,0! 45,100"},
        { 4, "0,10 30,2 60,8 95,0! 50,100 | 30,55 85,46"},
        { 4, "5,0 88,4 75,40 50,100"},
        { 3, "5,2 95,0! 30,100 | 20,60 80,46"},
        { 3, "2,18 15,0 40,8 92,2! 52,55 40,100 | 34,50 80,56"},
    },
    { /* 8: as an s and back, from the middle, two rings, open above, mirrored start */
        {26, "78,14 45,0 15,20 45,45 85,72 55,100 15,80 45,50 80,22 70,8"},
        {12, "50,48 18,25 45,0 80,20 50,48 15,75 50,100 85,75 52,48"},
        {10, "50,46 20,34 22,8 55,0 80,18 72,40 48,46 | 50,46 12,64 20,94 60,100 88,78 75,54 48,46"},
        { 9, "88,10 40,0 20,22 55,48 85,75 50,100 15,78 40,52 92,5"},
        { 7, "20,14 50,0 85,18 55,45 15,72 45,100 85,80 55,50 20,22 30,6"},
        { 5, "82,2 30,10 30,32 70,55 80,85 40,100 15,78 50,48 88,18"},
        { 5, "45,50 80,28 60,2 22,12 32,40 75,60 82,88 45,100 12,84 28,58 50,48"},
        { 3, "48,0 18,12 25,40 60,46 80,25 65,4 45,0 | 48,46 10,72 42,100 85,80 60,48"},
    },
    { /* 9: ring and straight tail, bent tail, curled as a g, one stroke, open ring, slanted */
        {24, "85,18 50,0 12,22 30,50 72,42 86,15! 80,100"},
        {13, "86,14 45,0 10,25 28,52 70,44 88,12 86,55 65,98"},
        {12, "84,18 48,0 12,22 32,48 72,38 86,12! 86,70 62,99 12,90"},
        { 9, "85,15 45,2 12,24 35,48 75,36 86,10 90,60 70,95 30,100 8,86"},
        { 7, "78,8 40,0 10,20 25,44 65,38 82,8! 60,100"},
        { 6, "55,46 18,40 15,12 50,0 82,14 78,40 50,48 | 84,10 78,100"},
        { 5, "75,5 30,5 12,30 40,46 80,30! 82,4! 78,100"},
        { 5, "80,45 35,50 12,25 40,0 80,12 86,45 70,85 30,100"},
        { 4, "90,5 40,2 10,25 35,45 85,25! 70,98"},
        { 4, "82,22 50,0 14,20 30,46 70,42 84,18 84,80 50,100 14,88 22,76 80,62"},
    },
};
/* clang-format on */

struct knot {
    float x, y;
    bool is_corner;
};

/* Points of the drawing as it grows. */
struct pen {
    size_t start[STROKE_MAX + 1];
    size_t stroke_count;
    size_t point_count;
    float x[POINT_MAX], y[POINT_MAX];
};

/* A random way of writing `digit`. */
static const char *
choose_skeleton(struct ink_rng *rng, int digit)
{
    uint32_t total = 0, left;

    for (int i = 0; i < SKELETON_MAX; i++)
        total += (uint32_t)skeletons[digit][i].weight;
    left = ink_rng_below(rng, total);
    for (int i = 0;; i++) {
        uint32_t weight = (uint32_t)skeletons[digit][i].weight;

        if (left < weight)
            return skeletons[digit][i].strokes;
        left -= weight;
    }
}

/* A whole number of the table at *text, which moves behind it. */
static float
read_number(const char **text)
{
    int value = 0;

    for (; **text >= '0' && **text <= '9'; (*text)++)
        value = value * 10 + (**text - '0');
    return (float)value * 0.01F;
}

/* The knots of the stroke at *text, which moves behind it and its "|". */
static int
read_stroke(const char **text, struct knot knot[KNOT_MAX])
{
    int count = 0;

    for (; **text && **text != '|'; (*text)++) {
        if (**text == ' ')
            continue;
        assert(count < KNOT_MAX);
        knot[count].x = read_number(text);
        assert(**text == ',');
        (*text)++;
        knot[count].y = read_number(text);
        knot[count].is_corner = **text == '!';
        count++;
        if (!**text)
            break;
    }
    if (**text == '|')
        (*text)++;
    return count;
}

static void
put_point(struct pen *pen, float x, float y)
{
    assert(pen->point_count < POINT_MAX);
    pen->x[pen->point_count] = x;
    pen->y[pen->point_count] = y;
    pen->point_count++;
}

/*
 * The curve between knots 1 and 2 of four: a cubic with tangents along the
 * neighbours. Source: Catmull and Rom 1974, uniform, tension 1/2.
 */
static void
put_segment(struct pen *pen, const struct knot k[4])
{
    for (int step = 1; step <= STEP_COUNT; step++) {
        float t = (float)step / STEP_COUNT, t2 = t * t, t3 = t2 * t;
        float a = -0.5F * t3 + t2 - 0.5F * t, b = 1.5F * t3 - 2.5F * t2 + 1.0F;
        float c = -1.5F * t3 + 2.0F * t2 + 0.5F * t, d = 0.5F * t3 - 0.5F * t2;

        put_point(pen, a * k[0].x + b * k[1].x + c * k[2].x + d * k[3].x,
                  a * k[0].y + b * k[1].y + c * k[2].y + d * k[3].y);
    }
}

/* Draw one stroke through its knots; neighbours beyond an end or a corner are the knot itself. */
static void
put_stroke(struct pen *pen, const struct knot *knot, int count)
{
    assert(count > 0);
    pen->start[pen->stroke_count++] = pen->point_count;
    put_point(pen, knot[0].x, knot[0].y);
    for (int i = 0; i + 1 < count; i++) {
        const struct knot four[] = {
            i == 0 || knot[i].is_corner ? knot[i] : knot[i - 1],
            knot[i],
            knot[i + 1],
            i + 2 == count || knot[i + 1].is_corner ? knot[i + 1] : knot[i + 2],
        };

        put_segment(pen, four);
    }
}

/* Corners go round with some hands, and every knot misses its place a little. */
static void
shake_knots(struct ink_rng *rng, struct knot *knot, int count, float amount, bool rounds_corners)
{
    float move_x = 0.6F * amount * ink_rng_normal(rng),
          move_y = 0.6F * amount * ink_rng_normal(rng);

    for (int i = 0; i < count; i++) {
        knot[i].x += move_x + amount * ink_rng_normal(rng);
        knot[i].y += move_y + amount * ink_rng_normal(rng);
        knot[i].is_corner = knot[i].is_corner && !rounds_corners;
    }
}

/* Start or stop early or late: move an end knot along its stroke. */
static void
stretch_ends(struct ink_rng *rng, struct knot *knot, int count)
{
    float first = 0.10F * ink_rng_normal(rng), last = 0.10F * ink_rng_normal(rng);

    if (count < 2)
        return;
    knot[0].x += first * (knot[0].x - knot[1].x);
    knot[0].y += first * (knot[0].y - knot[1].y);
    knot[count - 1].x += last * (knot[count - 1].x - knot[count - 2].x);
    knot[count - 1].y += last * (knot[count - 1].y - knot[count - 2].y);
}

/*
 * The pen touches early or leaves late: a short hook before the first knot, a
 * flick, mostly upwards, behind the last. Returns the new count.
 */
static int
add_hooks(struct ink_rng *rng, struct knot *knot, int count)
{
    assert(count > 0 && count + 2 <= KNOT_MAX);
    if (ink_rng_float(rng) < 0.14F) {
        float length = ink_rng_between(rng, 0.05F, 0.30F);
        float angle = -1.5708F + 0.6F * ink_rng_normal(rng);

        knot[count - 1].is_corner = true;
        knot[count] = (struct knot){.x = knot[count - 1].x + length * cosf(angle),
                                    .y = knot[count - 1].y + length * sinf(angle)};
        count++;
    }
    if (ink_rng_float(rng) < 0.07F) {
        float length = ink_rng_between(rng, 0.03F, 0.15F);
        float angle = ink_rng_between(rng, 0.0F, 6.2831853F);

        memmove(knot + 1, knot, (size_t)count * sizeof(*knot));
        knot[1].is_corner = true;
        knot[0] = (struct knot){.x = knot[1].x + length * cosf(angle),
                                .y = knot[1].y + length * sinf(angle)};
        count++;
    }
    return count;
}

/* A hand's way of writing: how the flat skeleton is bent as a whole. */
struct hand {
    float xx, xy, yx, yy;   /* linear: size, slant, rotation */
    float power_x, power_y; /* which part is large: above or below, left or right */
    float wave[2][3];       /* per axis: size, frequency, phase of a slow bend */
    float tremor;           /* independent noise of each point */
};

static struct hand
choose_hand(struct ink_rng *rng)
{
    float width = ink_rng_between(rng, 0.36F, 1.05F), angle = 0.10F * ink_rng_normal(rng);
    float slant = -0.08F + 0.25F * ink_rng_normal(rng); /* most hands lean to the right: up is -y */
    float cosine = cosf(angle), sine = sinf(angle);
    struct hand hand = {
        .xx = width * cosine,
        .xy = slant * cosine - sine,
        .yx = width * sine,
        .yy = slant * sine + cosine,
        .power_x = expf(0.16F * ink_rng_normal(rng)),
        .power_y = expf(0.20F * ink_rng_normal(rng)),
        .tremor = 0.004F * fabsf(ink_rng_normal(rng)),
    };

    for (int axis = 0; axis < 2; axis++) {
        hand.wave[axis][0] = 0.025F * ink_rng_normal(rng);
        hand.wave[axis][1] = ink_rng_between(rng, 2.0F, 8.0F);
        hand.wave[axis][2] = ink_rng_between(rng, 0.0F, 6.2831853F);
    }
    return hand;
}

/* value ^ power inside 0..1, straight on outside. */
static float
bend(float value, float power)
{
    return value > 0.0F && value < 1.0F ? powf(value, power) : value;
}

static void
write_by_hand(const struct hand *hand, struct ink_rng *rng, struct pen *pen)
{
    for (size_t i = 0; i < pen->point_count; i++) {
        float x = bend(pen->x[i], hand->power_x), y = bend(pen->y[i], hand->power_y);
        float wave_x = hand->wave[0][0] * sinf(hand->wave[0][1] * y + hand->wave[0][2]);
        float wave_y = hand->wave[1][0] * sinf(hand->wave[1][1] * x + hand->wave[1][2]);

        x += wave_x - 0.5F + hand->tremor * ink_rng_normal(rng);
        y += wave_y - 0.5F + hand->tremor * ink_rng_normal(rng);
        pen->x[i] = hand->xx * x + hand->xy * y;
        pen->y[i] = hand->yx * x + hand->yy * y;
    }
}

/* Now and then the pen leaves no gap where it should be lifted. */
static void
drop_lifts(struct ink_rng *rng, struct pen *pen)
{
    if (pen->stroke_count > 1 && ink_rng_float(rng) < 0.04F)
        pen->stroke_count = 1;
}

enum ink_status
ink_generator_draw(struct ink_rng *rng, int digit, struct ink_drawing **out_drawing,
                   struct ink_err *err)
{
    const char *text;
    struct knot knot[KNOT_MAX];
    struct pen pen;
    struct hand hand;
    float shake;
    bool rounds_corners;

    assert(rng && digit >= 0 && digit <= 9 && out_drawing);
    pen.stroke_count = pen.point_count = 0;
    text = choose_skeleton(rng, digit);
    hand = choose_hand(rng);
    shake = ink_rng_between(rng, 0.008F, 0.055F);
    rounds_corners = ink_rng_float(rng) < 0.12F;
    while (*text) {
        int count = read_stroke(&text, knot);

        shake_knots(rng, knot, count, shake, rounds_corners);
        stretch_ends(rng, knot, count);
        count = add_hooks(rng, knot, count);
        put_stroke(&pen, knot, count);
    }
    drop_lifts(rng, &pen);
    write_by_hand(&hand, rng, &pen);
    pen.start[pen.stroke_count] = pen.point_count;
    return ink_drawing_create(pen.start, pen.stroke_count, pen.x, pen.y, digit, out_drawing, err);
}
