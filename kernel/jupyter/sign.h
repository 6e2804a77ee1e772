/* SPDX-License-Identifier: MIT */
#ifndef INK_JUPYTER_SIGN_H
#define INK_JUPYTER_SIGN_H

/*
 * sign: the signatures of messages, and the memory of those already seen.
 *
 * A signature is the HMAC of a message's header, parent header, metadata and
 * content, as lower-case hexadecimal; buffers are not covered. An empty key
 * means that messages carry an empty signature and nothing is checked.
 *
 * Source: messaging protocol, "The Wire Protocol"; RFC 2104; libsodium.
 */

#include <sodium.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* One frame of a message: bytes that somebody else owns. */
struct ink_frame {
    const void *bytes;
    size_t size;
};

enum { INK_DIGEST_SIZE_MAX = 64, INK_SIGNED_PARTS = 4 };

/* Immutable after init, so any number of threads may use it. */
struct ink_signer {
    size_t digest_size; /* 32, 64; 0: unsigned */
    union {
        crypto_auth_hmacsha256_state sha256; /* keyed, nothing hashed yet */
        crypto_auth_hmacsha512_state sha512;
    } keyed;
};

/*
 * Be ready to sign with `key`.
 *
 *   scheme   "hmac-sha256" or "hmac-sha512"
 *   key      [key_size], not kept; size 0 for unsigned
 *
 * Errors   INK_BADDATA  another scheme;  INK_BUG  libsodium does not start
 */
INK_MUST_CHECK enum ink_status ink_signer_init(struct ink_signer *signer, const char *scheme,
                                               const void *key, size_t key_size,
                                               struct ink_err *err);

/* Forget the key. */
void ink_signer_fini(struct ink_signer *signer);

/* Write the signature of parts[INK_SIGNED_PARTS] as text, "" when unsigned. Threads: any. */
void ink_signer_sign(const struct ink_signer *signer, const struct ink_frame *parts,
                     char out_hex[static 2 * INK_DIGEST_SIZE_MAX + 1]);

/*
 * Whether `hex` is exactly the signature of the parts; the length is compared
 * first, the text then in constant time.
 *
 *   out_digest   the digest's bytes if so, for ink_replays_add
 *
 * Threads   any
 */
bool ink_signer_verify(const struct ink_signer *signer, struct ink_frame hex,
                       const struct ink_frame *parts,
                       uint8_t out_digest[static INK_DIGEST_SIZE_MAX]);

/* The newest INK_LIMIT_JUPYTER_REPLAYS digests: a ring, and a hash table over it. One owner. */
struct ink_replays {
    struct ink_replay *ring; /* [INK_LIMIT_JUPYTER_REPLAYS] */
    uint32_t *table;         /* [2 * INK_LIMIT_JUPYTER_REPLAYS]: 1 + index into ring, 0 is free */
    uint32_t count, oldest;
};

/* Errors   INK_NOMEM */
INK_MUST_CHECK enum ink_status ink_replays_init(struct ink_replays *replays, struct ink_err *err);
void ink_replays_fini(struct ink_replays *replays);

/* Remember a digest that was verified. False: it was there already, the message is a replay. */
bool ink_replays_add(struct ink_replays *replays, const uint8_t digest[static 32]);

#endif
