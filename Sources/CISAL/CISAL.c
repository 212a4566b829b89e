#include "CISAL.h"

#include <isa-l/igzip_lib.h>
#include <limits.h>
#include <stdlib.h>

static uint32_t clamp(size_t count) { return count > UINT_MAX ? UINT_MAX : (uint32_t)count; }

struct cisal_inflate {
  struct inflate_state state;
};

struct cisal_inflate *cisal_inflate_new(void) {
  struct cisal_inflate *inflate = malloc(sizeof *inflate);
  if (inflate) cisal_inflate_next_member(inflate);
  return inflate;
}

void cisal_inflate_free(struct cisal_inflate *inflate) { free(inflate); }

void cisal_inflate_next_member(struct cisal_inflate *inflate) {
  isal_inflate_init(&inflate->state);
  inflate->state.crc_flag = ISAL_GZIP;
}

int cisal_inflate_run(
    struct cisal_inflate *inflate, const void *in, size_t in_count, size_t *consumed, void *out,
    size_t out_count, size_t *produced) {
  struct inflate_state *state = &inflate->state;
  uint32_t available = clamp(in_count), room = clamp(out_count);
  state->next_in = (uint8_t *)in;
  state->avail_in = available;
  state->next_out = out;
  state->avail_out = room;
  int result = isal_inflate(state);
  *consumed = available - state->avail_in;
  *produced = room - state->avail_out;
  if (result < 0) return result;
  return state->block_state == ISAL_BLOCK_FINISH;
}

struct cisal_deflate {
  struct isal_zstream stream;
  uint8_t level_buffer[ISAL_DEF_LVL2_DEFAULT];
};

struct cisal_deflate *cisal_deflate_new(void) {
  struct cisal_deflate *deflate = calloc(1, sizeof *deflate);
  if (!deflate) return NULL;
  isal_deflate_init(&deflate->stream);
  deflate->stream.gzip_flag = IGZIP_GZIP;
  deflate->stream.level = 2;
  deflate->stream.level_buf = deflate->level_buffer;
  deflate->stream.level_buf_size = sizeof deflate->level_buffer;
  return deflate;
}

void cisal_deflate_free(struct cisal_deflate *deflate) { free(deflate); }

int cisal_deflate_run(
    struct cisal_deflate *deflate, const void *in, size_t in_count, size_t *consumed, int is_end, void *out,
    size_t out_count, size_t *produced) {
  struct isal_zstream *stream = &deflate->stream;
  uint32_t available = clamp(in_count), room = clamp(out_count);
  stream->next_in = (uint8_t *)in;
  stream->avail_in = available;
  stream->end_of_stream = is_end && available == in_count;
  stream->next_out = out;
  stream->avail_out = room;
  int result = isal_deflate(stream);
  *consumed = available - stream->avail_in;
  *produced = room - stream->avail_out;
  if (result < 0) return result;
  return stream->internal_state.state == ZSTATE_END;
}
