#pragma once
#include <stddef.h>
#include <stdint.h>

// ISA-L's state structures hold arrays that Swift cannot import, so they stay behind these calls.

/// A gzip stream that is being inflated, of one member or several.
struct cisal_inflate;
struct cisal_inflate *cisal_inflate_new(void);
void cisal_inflate_free(struct cisal_inflate *);
/// Inflates as much as fits. Answers 0, 1 at the end of a member, or ISA-L's negative error.
int cisal_inflate_run(
    struct cisal_inflate *, const void *in, size_t in_count, size_t *consumed, void *out, size_t out_count,
    size_t *produced);
/// Makes ready for the next member.
void cisal_inflate_next_member(struct cisal_inflate *);

/// A gzip stream that is being made, without a time in its header.
struct cisal_deflate;
struct cisal_deflate *cisal_deflate_new(void);
void cisal_deflate_free(struct cisal_deflate *);
/// Compresses as much as fits. Answers 0, 1 when all is out after `is_end`, or ISA-L's negative error.
int cisal_deflate_run(
    struct cisal_deflate *, const void *in, size_t in_count, size_t *consumed, int is_end, void *out,
    size_t out_count, size_t *produced);
