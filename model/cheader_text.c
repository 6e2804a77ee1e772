/* SPDX-License-Identifier: MIT */
/* cheader_text: the functions that a header consists of. */
#include "model/arch.h"
#include "model/cheader_priv.h"

static const char conv_text[] =
    "/* y[outs][out_height][out_width] = b + the sum over x[ins][height][width] times w */\n"
    "static inline void\n"
    "@_conv(const float *x, int ins, int height, int width, const float *w, const float *b,\n"
    "    int outs, int window_height, int window_width, int stride, int pad, float *y)\n"
    "{\n"
    "    int out_height = (height + 2 * pad - window_height) / stride + 1;\n"
    "    int out_width = (width + 2 * pad - window_width) / stride + 1;\n"
    "\n"
    "    for (int out = 0; out < outs; out++, y += out_height * out_width) {\n"
    "        for (int i = 0; i < out_height * out_width; i++)\n"
    "            y[i] = b ? b[out] : 0;\n"
    "        for (int in = 0; in < ins; in++)\n"
    "            for (int i = 0; i < window_height; i++)\n"
    "                for (int j = 0; j < window_width; j++, w++)\n"
    "                    for (int row = 0; row < out_height; row++)\n"
    "                        for (int column = 0; column < out_width; column++) {\n"
    "                            int from_row = row * stride + i - pad;\n"
    "                            int from_column = column * stride + j - pad;\n"
    "\n"
    "                            if (from_row >= 0 && from_row < height && from_column >= 0 &&\n"
    "                                from_column < width)\n"
    "                                y[row * out_width + column] +=\n"
    "                                    *w * x[(in * height + from_row) * width + from_column];\n"
    "                        }\n"
    "    }\n"
    "}\n\n";

static const char dense_text[] =
    "/* y[outs] = b + w[outs][ins] * x[ins] */\n"
    "static inline void\n"
    "@_dense(const float *x, int ins, const float *w, const float *b, int outs, float *y)\n"
    "{\n"
    "    for (int out = 0; out < outs; out++, w += ins) {\n"
    "        float sum = b ? b[out] : 0;\n"
    "\n"
    "        for (int in = 0; in < ins; in++)\n"
    "            sum += w[in] * x[in];\n"
    "        y[out] = sum;\n"
    "    }\n"
    "}\n\n";

#define POOL_TEXT(name, about, start, step, finish)                                          \
    "/* " about " of each window */\n"                                                       \
    "static inline void\n"                                                                   \
    "@_" name "(const float *x, int channels, int height, int width, int window_height,\n"   \
    "    int window_width, int stride, float *y)\n"                                          \
    "{\n"                                                                                    \
    "    for (int channel = 0; channel < channels; channel++, x += height * width)\n"        \
    "        for (int row = 0; row + window_height <= height; row += stride)\n"              \
    "            for (int column = 0; column + window_width <= width; column += stride) {\n" \
    "                float value = " start ";\n"                                             \
    "\n"                                                                                     \
    "                for (int i = 0; i < window_height; i++)\n"                              \
    "                    for (int j = 0; j < window_width; j++) {\n"                         \
    "                        float seen = x[(row + i) * width + column + j];\n"              \
    "\n"                                                                                     \
    "                        " step ";\n"                                                    \
    "                    }\n"                                                                \
    "                *y++ = " finish ";\n"                                                   \
    "            }\n"                                                                        \
    "}\n\n"

static const char maxpool_text[] = POOL_TEXT("maxpool", "the largest", "x[row * width + column]",
                                             "value = seen > value ? seen : value", "value");
static const char avgpool_text[] = POOL_TEXT("avgpool", "the mean", "0", "value += seen",
                                             "value / (float)(window_height * window_width)");

static const char norm_text[] =
    "/* y = x * scale + shift, a channel; y may be x */\n"
    "static inline void\n"
    "@_norm(const float *x, int channels, int size, const float *scale, const float *shift, "
    "float *y)\n"
    "{\n"
    "    for (int channel = 0; channel < channels; channel++)\n"
    "        for (int i = channel * size; i < (channel + 1) * size; i++)\n"
    "            y[i] = x[i] * scale[channel] + shift[channel];\n"
    "}\n\n";

static const char relu_text[] = "/* what is below zero times slope; y may be x */\n"
                                "static inline void\n"
                                "@_relu(const float *x, int size, float slope, float *y)\n"
                                "{\n"
                                "    for (int i = 0; i < size; i++)\n"
                                "        y[i] = x[i] > 0 ? x[i] : slope * x[i];\n"
                                "}\n\n";

static const char exp_text[] =
    "/* e^x for x <= 0, to 1e-9: (1 + r + r^2/2 + ...)^1024 with r = x / 1024 */\n"
    "static inline double\n"
    "@_exp(double x)\n"
    "{\n"
    "    double r = x < -200 ? -200.0 / 1024 : x / 1024;\n"
    "    double power = 1 + r * (1 + r / 2 * (1 + r / 3 * (1 + r / 4 * (1 + r / 5 * (1 + r / "
    "6)))));\n"
    "\n"
    "    for (int i = 0; i < 10; i++)\n"
    "        power *= power;\n"
    "    return power;\n"
    "}\n\n";

static const char sigmoid_text[] =
    "/* 1 / (1 + e^-x); y may be x */\n"
    "static inline void\n"
    "@_sigmoid(const float *x, int size, float *y)\n"
    "{\n"
    "    for (int i = 0; i < size; i++) {\n"
    "        double e = @_exp(x[i] > 0 ? -(double)x[i] : (double)x[i]);\n"
    "\n"
    "        y[i] = (float)((x[i] > 0 ? 1 : e) / (1 + e));\n"
    "    }\n"
    "}\n\n";

static const char tanh_text[] =
    "/* the hyperbolic tangent; y may be x */\n"
    "static inline void\n"
    "@_tanh(const float *x, int size, float *y)\n"
    "{\n"
    "    for (int i = 0; i < size; i++) {\n"
    "        double e = @_exp(-2 * (x[i] > 0 ? (double)x[i] : -(double)x[i]));\n"
    "        double size_of = (1 - e) / (1 + e);\n"
    "\n"
    "        y[i] = (float)(x[i] > 0 ? size_of : -size_of);\n"
    "    }\n"
    "}\n\n";

static const char copy_text[] = "static inline void\n"
                                "@_copy(const float *x, int size, float *y)\n"
                                "{\n"
                                "    for (int i = 0; i < size; i++)\n"
                                "        y[i] = x[i];\n"
                                "}\n\n";

static const char add_text[] = "static inline void\n"
                               "@_add(const float *x, int size, float *y)\n"
                               "{\n"
                               "    for (int i = 0; i < size; i++)\n"
                               "        y[i] += x[i];\n"
                               "}\n\n";

static const char softmax_text[] =
    "/* e^x, of all sizes divided by their sum */\n"
    "static inline void\n"
    "@_softmax(const float x[10], float y[10])\n"
    "{\n"
    "    double power[10], sum = 0;\n"
    "    float highest = x[0];\n"
    "\n"
    "    for (int i = 1; i < 10; i++)\n"
    "        highest = x[i] > highest ? x[i] : highest;\n"
    "    for (int i = 0; i < 10; i++)\n"
    "        sum += power[i] = @_exp((double)x[i] - (double)highest);\n"
    "    for (int i = 0; i < 10; i++)\n"
    "        y[i] = (float)(power[i] / sum);\n"
    "}\n\n";

/* What each op needs, in the order in which it is written. */
const struct ink_cheader_function ink_cheader_function[] = {
    {conv_text, 1U << INK_OP_CONV},
    {dense_text, 1U << INK_OP_DENSE},
    {maxpool_text, 1U << INK_OP_MAXPOOL},
    {avgpool_text, 1U << INK_OP_AVGPOOL | 1U << INK_OP_GLOBALPOOL},
    {norm_text, 1U << INK_OP_BATCHNORM},
    {relu_text, 1U << INK_OP_RELU | 1U << INK_OP_LEAKYRELU},
    {exp_text, ~0U},
    {sigmoid_text, 1U << INK_OP_SIGMOID},
    {tanh_text, 1U << INK_OP_TANH},
    {copy_text, 1U << INK_OP_ADD | 1U << INK_OP_CONCAT},
    {add_text, 1U << INK_OP_ADD},
    {softmax_text, ~0U},
};
const size_t ink_cheader_function_count =
    sizeof(ink_cheader_function) / sizeof(*ink_cheader_function);
