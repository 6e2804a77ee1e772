/* SPDX-License-Identifier: MIT */
#include "kernel/jupyter/sign.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

/* Half a SHA-256 digest tells messages apart as well as a whole one: nobody without the key
 * chooses it. */
struct ink_replay {
    uint8_t digest[16];
};

enum { RING_SIZE = INK_LIMIT_JUPYTER_REPLAYS, TABLE_SIZE = 2 * RING_SIZE };

enum ink_status
ink_signer_init(struct ink_signer *signer, const char *scheme, const void *key, size_t key_size,
                struct ink_err *err)
{
    struct ink_signer made = {0};

    assert(signer && scheme && (key || key_size == 0));
    if (sodium_init() < 0)
        return ink_fail(err, INK_BUG, "libsodium does not start");
    if (!key)
        key = "";
    if (strcmp(scheme, "hmac-sha256") == 0) {
        made.digest_size = crypto_auth_hmacsha256_BYTES;
        (void)crypto_auth_hmacsha256_init(&made.keyed.sha256, key, key_size);
    } else if (strcmp(scheme, "hmac-sha512") == 0) {
        made.digest_size = crypto_auth_hmacsha512_BYTES;
        (void)crypto_auth_hmacsha512_init(&made.keyed.sha512, key, key_size);
    } else {
        return ink_fail(err, INK_BADDATA,
                        "signature_scheme \"%.64s\" is not hmac-sha256 or hmac-sha512", scheme);
    }
    if (key_size == 0)
        made.digest_size = 0;
    *signer = made;
    return INK_OK;
}

void
ink_signer_fini(struct ink_signer *signer)
{
    sodium_memzero(signer, sizeof(*signer));
}

static void
digest_parts(const struct ink_signer *signer, const struct ink_frame *parts, uint8_t *out_digest)
{
    struct ink_signer work = *signer; /* the key's two hash blocks are in there already */

    for (size_t i = 0; i < INK_SIGNED_PARTS; i++) {
        if (work.digest_size == crypto_auth_hmacsha256_BYTES)
            (void)crypto_auth_hmacsha256_update(&work.keyed.sha256, parts[i].bytes, parts[i].size);
        else
            (void)crypto_auth_hmacsha512_update(&work.keyed.sha512, parts[i].bytes, parts[i].size);
    }
    if (work.digest_size == crypto_auth_hmacsha256_BYTES)
        (void)crypto_auth_hmacsha256_final(&work.keyed.sha256, out_digest);
    else
        (void)crypto_auth_hmacsha512_final(&work.keyed.sha512, out_digest);
    ink_signer_fini(&work);
}

void
ink_signer_sign(const struct ink_signer *signer, const struct ink_frame *parts,
                char out_hex[static 2 * INK_DIGEST_SIZE_MAX + 1])
{
    uint8_t digest[INK_DIGEST_SIZE_MAX];

    out_hex[0] = '\0';
    if (signer->digest_size == 0)
        return;
    digest_parts(signer, parts, digest);
    (void)sodium_bin2hex(out_hex, 2 * INK_DIGEST_SIZE_MAX + 1, digest, signer->digest_size);
}

bool
ink_signer_verify(const struct ink_signer *signer, struct ink_frame hex,
                  const struct ink_frame *parts, uint8_t out_digest[static INK_DIGEST_SIZE_MAX])
{
    char want[2 * INK_DIGEST_SIZE_MAX + 1];

    if (signer->digest_size == 0)
        return true;
    if (hex.size != 2 * signer->digest_size)
        return false;
    digest_parts(signer, parts, out_digest);
    (void)sodium_bin2hex(want, sizeof(want), out_digest, signer->digest_size);
    return sodium_memcmp(want, hex.bytes, hex.size) == 0;
}

/* ---- replays ---- */

enum ink_status
ink_replays_init(struct ink_replays *replays, struct ink_err *err)
{
    struct ink_replays made = {.ring = calloc(RING_SIZE, sizeof(*made.ring)),
                               .table = calloc(TABLE_SIZE, sizeof(*made.table))};

    if (!made.ring || !made.table) {
        ink_replays_fini(&made);
        return ink_fail(err, INK_NOMEM, "no memory to remember %d signatures", RING_SIZE);
    }
    *replays = made;
    return INK_OK;
}

void
ink_replays_fini(struct ink_replays *replays)
{
    free(replays->ring);
    free(replays->table);
    *replays = (struct ink_replays){0};
}

/* Where the table says the digest is, or the free slot where it would go. */
static uint32_t
slot_of(const struct ink_replays *replays, const uint8_t *digest)
{
    uint32_t slot;

    memcpy(&slot, digest, sizeof(slot)); /* a digest is its own hash */
    for (slot %= TABLE_SIZE; replays->table[slot]; slot = (slot + 1) % TABLE_SIZE) {
        const struct ink_replay *seen = &replays->ring[replays->table[slot] - 1];

        if (memcmp(seen->digest, digest, sizeof(seen->digest)) == 0)
            break;
    }
    return slot;
}

/* Take an entry out of the table and close the gap. Source: Knuth, TAOCP 3, 6.4, algorithm R. */
static void
forget(struct ink_replays *replays, uint32_t gap)
{
    for (uint32_t slot = (gap + 1) % TABLE_SIZE; replays->table[slot];
         slot = (slot + 1) % TABLE_SIZE) {
        uint32_t home;

        memcpy(&home, replays->ring[replays->table[slot] - 1].digest, sizeof(home));
        home %= TABLE_SIZE;
        /* Movable if its home does not lie behind the gap: cyclically in (gap, slot]. */
        if ((slot - home + TABLE_SIZE) % TABLE_SIZE >= (slot - gap + TABLE_SIZE) % TABLE_SIZE) {
            replays->table[gap] = replays->table[slot];
            gap = slot;
        }
    }
    replays->table[gap] = 0;
}

bool
ink_replays_add(struct ink_replays *replays, const uint8_t digest[static 32])
{
    uint32_t at;

    if (replays->table[slot_of(replays, digest)])
        return false;
    if (replays->count < RING_SIZE) {
        at = replays->count++;
    } else {
        at = replays->oldest;
        replays->oldest = (at + 1) % RING_SIZE;
        forget(replays, slot_of(replays, replays->ring[at].digest));
    }
    memcpy(replays->ring[at].digest, digest, sizeof(replays->ring[at].digest));
    replays->table[slot_of(replays, digest)] = at + 1;
    return true;
}
