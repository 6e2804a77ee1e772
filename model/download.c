/* SPDX-License-Identifier: MIT */
/*
 * download: libcurl is loaded when something is downloaded. It brings a dozen
 * other libraries, which are a fifth of the time that the program needs to
 * start, and hardly ever wanted.
 */
#include "model/download.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

enum { CONNECT_TIMEOUT_S = 10, STALL_TIMEOUT_S = 20, STALL_BYTES_PER_S = 1000, REDIRECT_MAX = 5 };

struct transfer {
    const struct ink_data_options *options;
    const char *name; /* the URL's last part, for progress */
    struct ink_buf *buf;
    size_t start, size_max;
    int tenths_said;
    bool is_cancelled, is_too_big;
};

/* What of the library is used; written once, before anybody reads it. */
static struct {
    bool is_whole;
    __typeof__(curl_global_init) *global_init;
    __typeof__(curl_easy_init) *init;
    __typeof__(curl_easy_setopt) *set;
    __typeof__(curl_easy_perform) *perform;
    __typeof__(curl_easy_strerror) *reason;
    __typeof__(curl_easy_cleanup) *cleanup;
} library;

static void
load_library(void)
{
    const struct {
        const char *name;
        void *function; /* a pointer to a function's */
    } table[] = {
        {"curl_global_init", &library.global_init}, {"curl_easy_init", &library.init},
        {"curl_easy_setopt", &library.set},         {"curl_easy_perform", &library.perform},
        {"curl_easy_strerror", &library.reason},    {"curl_easy_cleanup", &library.cleanup},
    };
    void *handle = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);

    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        void *symbol = handle ? dlsym(handle, table[i].name) : NULL;

        if (!symbol)
            return;
        memcpy(table[i].function, &symbol, sizeof(symbol));
    }
    library.is_whole = true;
    (void)library.global_init(CURL_GLOBAL_DEFAULT); /* if it failed, init will too */
}

static void
curl_cleanupp(CURL **curl)
{
    if (*curl)
        library.cleanup(*curl);
}

static size_t
on_bytes(char *bytes, size_t size, size_t count, void *self)
{
    struct transfer *transfer = self;
    size_t total = size * count; /* size is 1: curl's documentation */

    if (transfer->buf->size - transfer->start + total > transfer->size_max) {
        transfer->is_too_big = true;
        return 0;
    }
    ink_buf_append(transfer->buf, bytes, total);
    return transfer->buf->is_broken ? 0 : total;
}

static int
on_progress(void *self, curl_off_t total, curl_off_t done, curl_off_t up_total, curl_off_t up_done)
{
    struct transfer *transfer = self;
    const struct ink_data_options *options = transfer->options;
    int tenths = total > 0 ? (int)(10 * done / total) : 0;

    (void)up_total;
    (void)up_done;
    if (options->cancel && atomic_load(options->cancel)) {
        transfer->is_cancelled = true;
        return 1;
    }
    if (options->on_progress && total > 0 && tenths != transfer->tenths_said) {
        char text[160];

        (void)snprintf(text, sizeof(text), "downloading %.80s: %d %% of %.2f MB", transfer->name,
                       10 * tenths, (double)total / 1e6);
        options->on_progress(options->self, text);
        transfer->tenths_said = tenths;
    }
    return 0;
}

static enum ink_status
set_options(CURL *curl, const char *url, struct transfer *transfer, struct ink_err *err)
{
    bool is_ok = true;

    is_ok &= library.set(curl, CURLOPT_URL, url) == CURLE_OK;
    is_ok &= library.set(curl, CURLOPT_PROTOCOLS_STR, "https,http,file") == CURLE_OK;
    is_ok &= library.set(curl, CURLOPT_REDIR_PROTOCOLS_STR, "https,http") == CURLE_OK;
    is_ok &= library.set(curl, CURLOPT_FOLLOWLOCATION, 1L) == CURLE_OK;
    is_ok &= library.set(curl, CURLOPT_MAXREDIRS, (long)REDIRECT_MAX) == CURLE_OK;
    is_ok &= library.set(curl, CURLOPT_FAILONERROR, 1L) == CURLE_OK;
    is_ok &= library.set(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
    is_ok &= library.set(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S) == CURLE_OK;
    is_ok &= library.set(curl, CURLOPT_LOW_SPEED_TIME, (long)STALL_TIMEOUT_S) == CURLE_OK;
    is_ok &= library.set(curl, CURLOPT_LOW_SPEED_LIMIT, (long)STALL_BYTES_PER_S) == CURLE_OK;
    is_ok &= library.set(curl, CURLOPT_NOPROGRESS, 0L) == CURLE_OK;
    is_ok &= library.set(curl, CURLOPT_XFERINFOFUNCTION, on_progress) == CURLE_OK;
    is_ok &= library.set(curl, CURLOPT_XFERINFODATA, transfer) == CURLE_OK;
    is_ok &= library.set(curl, CURLOPT_WRITEFUNCTION, on_bytes) == CURLE_OK;
    is_ok &= library.set(curl, CURLOPT_WRITEDATA, transfer) == CURLE_OK;
    if (!is_ok)
        return ink_fail(err, INK_BUG, "this libcurl lacks an option that downloads need");
    return INK_OK;
}

enum ink_status
ink_download(const char *url, size_t size_max, const struct ink_data_options *options,
             struct ink_buf *buf, struct ink_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    INK_CLEANUP(curl_cleanupp) CURL *curl = NULL;
    const char *slash = strrchr(url, '/');
    struct transfer transfer = {.options = options,
                                .name = slash ? slash + 1 : url,
                                .buf = buf,
                                .start = buf->size,
                                .size_max = size_max,
                                .tenths_said = -1};
    enum ink_status status;
    CURLcode code;

    (void)pthread_once(&once, load_library);
    if (!library.is_whole)
        return ink_fail(err, INK_NOTFOUND, "downloads need libcurl 4, which is not installed");
    curl = library.init();
    if (!curl)
        return ink_fail(err, INK_NOMEM, "libcurl cannot start");
    status = set_options(curl, url, &transfer, err);
    if (status)
        return status;

    code = library.perform(curl);
    if (transfer.is_cancelled)
        return ink_fail(err, INK_CANCELLED, "the download of %.120s was cancelled", url);
    if (transfer.is_too_big)
        return ink_fail(err, INK_TOOBIG, "%.120s has more than %zu bytes", url, size_max);
    if (code == CURLE_OUT_OF_MEMORY || buf->is_broken)
        return ink_fail(err, INK_NOMEM, "no memory to download %.120s", url);
    if (code != CURLE_OK)
        return ink_fail(err, INK_NOTFOUND, "%.120s: %s", url, library.reason(code));
    return ink_buf_check(buf, err);
}
