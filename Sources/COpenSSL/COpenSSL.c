// OpenSSL's own structure of a running SHA-256, which its EVP interface hides: both lanes work on it.
#define OPENSSL_API_COMPAT 0x10100000L
#include "COpenSSL.h"

#include <openssl/sha.h>
#include <stdlib.h>

struct copenssl_sha256 {
  SHA256_CTX context;
};

struct copenssl_sha256 *copenssl_sha256_new(void) {
  struct copenssl_sha256 *hash = malloc(sizeof *hash);
  if (hash) SHA256_Init(&hash->context);
  return hash;
}

void copenssl_sha256_free(struct copenssl_sha256 *hash) { free(hash); }

void copenssl_sha256_update(struct copenssl_sha256 *hash, const void *bytes, size_t count) {
  SHA256_Update(&hash->context, bytes, count);
}

void copenssl_sha256_finish(struct copenssl_sha256 *hash, uint8_t digest[32]) {
  SHA256_Final(digest, &hash->context);
}

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

// Whether the processor has the instructions. Asked once: a virtual machine leaves for its host to answer.
static int has_sha(void) {
  static _Atomic int known;
  if (known == 0) {
    unsigned a, b = 0, c = 0, d;
    int has = __get_cpuid_count(7, 0, &a, &b, &c, &d) && b & bit_SHA && __get_cpuid(1, &a, &b, &c, &d) &&
              c & bit_SSE4_1 && c & bit_SSSE3;
    known = has ? 1 : -1;
  }
  return known > 0;
}

static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

// The eight words of a state in the order of the instructions: a b e f, and c d g h.
struct lane {
  __m128i abef, cdgh;
};

#define SHA __attribute__((target("sha,sse4.1,ssse3"), always_inline)) static inline

SHA struct lane load(const uint32_t *state) {
  __m128i low = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), 0xB1);
  __m128i high = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state + 1), 0x1B);
  return (struct lane){_mm_alignr_epi8(low, high, 8), _mm_blend_epi16(high, low, 0xF0)};
}

SHA void store(uint32_t *state, struct lane lane) {
  __m128i low = _mm_shuffle_epi32(lane.abef, 0x1B), high = _mm_shuffle_epi32(lane.cdgh, 0xB1);
  _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(low, high, 0xF0));
  _mm_storeu_si128((__m128i *)state + 1, _mm_alignr_epi8(high, low, 8));
}

SHA __m128i words(const uint8_t *block, int index) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)block + index), big_endian);
}

// Four rounds.
SHA void rounds(struct lane *lane, __m128i words, int index) {
  __m128i sum = _mm_add_epi32(words, _mm_loadu_si128((const __m128i *)constants + index));
  lane->cdgh = _mm_sha256rnds2_epu32(lane->cdgh, lane->abef, sum);
  lane->abef = _mm_sha256rnds2_epu32(lane->abef, lane->cdgh, _mm_shuffle_epi32(sum, 0x0E));
}

// The next four words of the schedule, from the sixteen before them.
SHA __m128i schedule(__m128i w0, __m128i w1, __m128i w2, __m128i w3) {
  __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4));
  return _mm_sha256msg2_epu32(sum, w3);
}

// One block after the other of both. Each round of one waits for the one before it, and the processor has room for
// another's meanwhile.
__attribute__((target("sha,sse4.1,ssse3"))) static void
compress_two(uint32_t *state, const uint8_t *bytes, uint32_t *other_state, const uint8_t *other, size_t blocks) {
  struct lane x = load(state), y = load(other_state);
  for (; blocks; blocks--, bytes += 64, other += 64) {
    struct lane x0 = x, y0 = y;
    __m128i v[4], w[4];
#pragma clang loop unroll(full)
    for (int i = 0; i < 16; i++) {
      int k = i & 3;
      v[k] = i < 4 ? words(bytes, i) : schedule(v[k], v[(k + 1) & 3], v[(k + 2) & 3], v[(k + 3) & 3]);
      w[k] = i < 4 ? words(other, i) : schedule(w[k], w[(k + 1) & 3], w[(k + 2) & 3], w[(k + 3) & 3]);
      rounds(&x, v[k], i);
      rounds(&y, w[k], i);
    }
    x = (struct lane){_mm_add_epi32(x.abef, x0.abef), _mm_add_epi32(x.cdgh, x0.cdgh)};
    y = (struct lane){_mm_add_epi32(y.abef, y0.abef), _mm_add_epi32(y.cdgh, y0.cdgh)};
  }
  store(state, x);
  store(other_state, y);
}

// As SHA256_Update counts: the message's bits, in two words.
static void count_blocks(SHA256_CTX *context, size_t blocks) {
  uint64_t bits = ((uint64_t)context->Nh << 32 | context->Nl) + (uint64_t)blocks * 512;
  context->Nl = (SHA_LONG)bits;
  context->Nh = (SHA_LONG)(bits >> 32);
}

static size_t update_both(
    SHA256_CTX *one, const void *bytes, size_t count, SHA256_CTX *other, const void *other_bytes, size_t other_count) {
  size_t blocks = (count < other_count ? count : other_count) / 64;
  // What is gathered of a block comes first.
  if (blocks == 0 || one->num != 0 || other->num != 0 || !has_sha()) return 0;
  compress_two(one->h, bytes, other->h, other_bytes, blocks);
  count_blocks(one, blocks);
  count_blocks(other, blocks);
  return blocks * 64;
}
#else
static size_t update_both(
    SHA256_CTX *one, const void *bytes, size_t count, SHA256_CTX *other, const void *other_bytes, size_t other_count) {
  return 0;
}
#endif

void copenssl_sha256_update_two(
    struct copenssl_sha256 *one, const void *bytes, size_t count, struct copenssl_sha256 *other,
    const void *other_bytes, size_t other_count) {
  size_t done = update_both(&one->context, bytes, count, &other->context, other_bytes, other_count);
  if (count > done) SHA256_Update(&one->context, (const uint8_t *)bytes + done, count - done);
  if (other_count > done) SHA256_Update(&other->context, (const uint8_t *)other_bytes + done, other_count - done);
}
