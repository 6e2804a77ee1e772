/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_CHEADER_H
#define INK_MODEL_CHEADER_H

/*
 * cheader: a network as one C header that needs nothing, not even libm.
 *
 * C99. Weights are constant arrays in hexadecimal floats, exact to the bit, or,
 * beyond two millions, the bytes of little-endian floats as strings; each
 * kind of layer is one function of plain loops; batch normalisation is a factor
 * and a shift a channel. What the layers hand on lies in a workspace in which a
 * place is used again as soon as nobody reads it any more: a static one, or the
 * caller's own. The header says how large it is.
 */

#include "base/buf.h"
#include "model/snapshot.h"

/*
 * Append a whole header.
 *
 *   name   what its functions begin with; characters that C does not take become _
 *
 * Errors   INK_TOOBIG  more parameters than INK_LIMIT_HEADER_PARAMETERS;  INK_NOMEM
 * Threads  any
 */
INK_MUST_CHECK enum ink_status ink_cheader_encode(const struct ink_snapshot *snapshot,
                                                  const char *name, struct ink_buf *buf,
                                                  struct ink_err *err);

#endif
