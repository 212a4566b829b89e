#pragma once
// Swift cannot call variadic functions: each kind of argument of curl_easy_setopt and curl_easy_getinfo
// has a function here. The share handle's locks are here too, because its callbacks name C enumerations.
#include <curl/curl.h>
#include <stdint.h>

typedef size_t (*ccurl_bytes_callback)(char *bytes, size_t size, size_t count, void *context);
typedef int (*ccurl_seek_callback)(void *context, curl_off_t offset, int origin);

static inline CURLcode ccurl_set_long(CURL *easy, CURLoption option, long value) {
  return curl_easy_setopt(easy, option, value);
}

static inline CURLcode ccurl_set_offset(CURL *easy, CURLoption option, int64_t value) {
  return curl_easy_setopt(easy, option, (curl_off_t)value);
}

/// libcurl copies the text, except for CURLOPT_POSTFIELDS, which is not set through this.
static inline CURLcode ccurl_set_text(CURL *easy, CURLoption option, const char *value) {
  return curl_easy_setopt(easy, option, value);
}

static inline CURLcode ccurl_set_pointer(CURL *easy, CURLoption option, void *value) {
  return curl_easy_setopt(easy, option, value);
}

/// libcurl copies the bytes.
static inline CURLcode ccurl_set_copied_blob(CURL *easy, CURLoption option, const void *bytes, size_t count) {
  struct curl_blob blob = {(void *)bytes, count, CURL_BLOB_COPY};
  return curl_easy_setopt(easy, option, &blob);
}

static inline CURLcode ccurl_set_list(CURL *easy, CURLoption option, struct curl_slist *value) {
  return curl_easy_setopt(easy, option, value);
}

static inline CURLcode ccurl_set_share(CURL *easy, CURLSH *share) {
  return curl_easy_setopt(easy, CURLOPT_SHARE, share);
}

static inline CURLcode ccurl_set_bytes_callback(CURL *easy, CURLoption option, ccurl_bytes_callback value) {
  return curl_easy_setopt(easy, option, value);
}

static inline CURLcode ccurl_set_seek_callback(CURL *easy, ccurl_seek_callback value) {
  return curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, value);
}

static inline CURLcode ccurl_get_text(CURL *easy, CURLINFO info, const char **value) {
  return curl_easy_getinfo(easy, info, value);
}

static inline CURLcode ccurl_get_long(CURL *easy, CURLINFO info, long *value) {
  return curl_easy_getinfo(easy, info, value);
}

/// The result of the multi handle's transfer that has ended, or -1 while none has.
static inline int ccurl_finished(CURLM *multi) {
  int left = 0;
  struct CURLMsg *message = curl_multi_info_read(multi, &left);
  return message != NULL && message->msg == CURLMSG_DONE ? (int)message->data.result : -1;
}

/// Readies libcurl and the allocator for many transfers on short-lived threads; once a process.
void ccurl_start(void);

/// A share handle for names and TLS sessions, with one lock for each; null when memory is short.
/// Connections are not shared: libcurl 7.88 says that is unsafe across threads.
CURLSH *ccurl_share_create(void);
