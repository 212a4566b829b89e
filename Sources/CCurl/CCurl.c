#include "CCurl.h"

#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>

// One lock for each kind of shared data. They live as long as the process, as does the one share handle.
static pthread_mutex_t locks[CURL_LOCK_DATA_LAST];
static pthread_once_t locks_once = PTHREAD_ONCE_INIT;

static void make_locks(void) {
  for (int i = 0; i < CURL_LOCK_DATA_LAST; i++) pthread_mutex_init(&locks[i], NULL);
}

static void lock(CURL *easy, curl_lock_data data, curl_lock_access access, void *context) {
  (void)easy, (void)access, (void)context;
  pthread_mutex_lock(&locks[data]);
}

static void unlock(CURL *easy, curl_lock_data data, void *context) {
  (void)easy, (void)context;
  pthread_mutex_unlock(&locks[data]);
}

void ccurl_start(void) {
  // glibc raises this threshold when a mapped block is freed, after which libcurl's 512 KiB buffers come
  // from, and stay in, one heap for each thread: 45 MiB more after eight transfers at once, measured.
  // Setting it to its own default keeps it where it is.
  mallopt(M_MMAP_THRESHOLD, 128 * 1024);
  curl_global_init(CURL_GLOBAL_DEFAULT);
}

CURLSH *ccurl_share_create(void) {
  pthread_once(&locks_once, make_locks);
  CURLSH *share = curl_share_init();
  if (share == NULL) return NULL;
  if (curl_share_setopt(share, CURLSHOPT_LOCKFUNC, lock) != CURLSHE_OK ||
      curl_share_setopt(share, CURLSHOPT_UNLOCKFUNC, unlock) != CURLSHE_OK ||
      curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS) != CURLSHE_OK ||
      curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) != CURLSHE_OK) {
    curl_share_cleanup(share);
    return NULL;
  }
  return share;
}
