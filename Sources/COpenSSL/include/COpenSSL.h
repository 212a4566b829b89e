#pragma once
#include <stddef.h>
#include <stdint.h>

/// A running SHA-256, by OpenSSL.
struct copenssl_sha256;
struct copenssl_sha256 *copenssl_sha256_new(void);
void copenssl_sha256_free(struct copenssl_sha256 *);
void copenssl_sha256_update(struct copenssl_sha256 *, const void *bytes, size_t count);
/// Of two messages at once, which takes little longer than of one alone where the processor has instructions for it: a
/// round of SHA-256 cannot begin before the last one has ended.
void copenssl_sha256_update_two(
    struct copenssl_sha256 *, const void *bytes, size_t count, struct copenssl_sha256 *other,
    const void *other_bytes, size_t other_count);
/// Takes no more after it.
void copenssl_sha256_finish(struct copenssl_sha256 *, uint8_t digest[32]);
