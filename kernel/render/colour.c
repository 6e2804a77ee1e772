/* SPDX-License-Identifier: MIT */
#include "kernel/render/colour.h"

#include <math.h>

/* One colour of a map: lightness 0..1, chroma, hue in degrees. */
struct stop {
    float lightness, chroma, hue;
};

static float
clip(float value, float low, float high)
{
    if (!(value > low)) /* NaN too */
        return low;
    return value < high ? value : high;
}

/* Linear light to an sRGB byte. Source: IEC 61966-2-1. */
static uint8_t
encode(float linear)
{
    float value = clip(linear, 0.0F, 1.0F);

    value = value <= 0.0031308F ? 12.92F * value : 1.055F * powf(value, 1.0F / 2.4F) - 0.055F;
    return (uint8_t)lroundf(value * 255.0F);
}

static struct ink_colour
from_oklch(struct stop stop)
{
    float radians = stop.hue * 3.14159265F / 180.0F;
    float a = stop.chroma * cosf(radians), b = stop.chroma * sinf(radians);
    float l = stop.lightness + 0.3963377774F * a + 0.2158037573F * b;
    float m = stop.lightness - 0.1055613458F * a - 0.0638541728F * b;
    float s = stop.lightness - 0.0894841775F * a - 1.2914855480F * b;

    l = l * l * l;
    m = m * m * m;
    s = s * s * s;
    return (struct ink_colour){
        encode(4.0767416621F * l - 3.3077115913F * m + 0.2309699292F * s),
        encode(-1.2684380046F * l + 2.6097574011F * m - 0.3413193965F * s),
        encode(-0.0041960863F * l - 0.7034186147F * m + 1.7076147010F * s),
    };
}

/* Between the stops of a map, evenly spaced. */
static struct ink_colour
along(const struct stop *stops, int count, float value)
{
    float place = clip(value, 0.0F, 1.0F) * (float)(count - 1);
    int index = (int)place < count - 1 ? (int)place : count - 2;
    float share = place - (float)index;
    const struct stop *from = &stops[index], *to = from + 1;

    return from_oklch((struct stop){
        from->lightness + share * (to->lightness - from->lightness),
        from->chroma + share * (to->chroma - from->chroma),
        from->hue + share * (to->hue - from->hue),
    });
}

struct ink_colour
ink_colour_sequential(float value)
{
    static const struct stop stops[] = {
        {0.985F, 0.0F, 272}, {0.80F, 0.10F, 274}, {0.58F, 0.20F, 272}, {0.28F, 0.13F, 275}};

    return along(stops, 4, value);
}

struct ink_colour
ink_colour_diverging(float value)
{
    static const struct stop below[] = {
        {0.985F, 0.0F, 70}, {0.78F, 0.13F, 70}, {0.55F, 0.13F, 55}, {0.38F, 0.10F, 45}};

    return value < 0 ? along(below, 4, -value) : ink_colour_sequential(value);
}

static uint8_t
mix(uint8_t under, uint8_t over, float share)
{
    return (uint8_t)((float)under + share * ((float)over - (float)under) + 0.5F);
}

struct ink_colour
ink_colour_mix(struct ink_colour under, struct ink_colour over, float share)
{
    return (struct ink_colour){
        mix(under.red, over.red, share),
        mix(under.green, over.green, share),
        mix(under.blue, over.blue, share),
    };
}

struct ink_colour
ink_colour_of_pixel(uint8_t pixel)
{
    return ink_colour_mix(INK_COLOUR_PAPER, INK_COLOUR_INK, (float)pixel / 255.0F);
}

struct ink_colour
ink_colour_on(struct ink_colour ground)
{
    float light =
        0.299F * (float)ground.red + 0.587F * (float)ground.green + 0.114F * (float)ground.blue;

    return light > 140.0F ? INK_COLOUR_INK : INK_COLOUR_PAPER;
}
