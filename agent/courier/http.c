/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An exchange with the control API is a job: one easy handle on the one multi handle, which our
 * loop drives. It is the list's until it ends, calls `done` once, and is freed. What every
 * transfer must keep to (TLS, no redirects, no other schemes) is agent/courier/http_rules.h.
 *
 * An answer is a stranger's, and read by agent/courier/reply. A success must carry a signature
 * when one is required; only the agent judges that, so body and signature are passed on as they
 * came. Of a failure the signature is judged here, if it has one, to tell a wrong clock or
 * somebody on the way from a refusal.
 *
 * Nothing is tried again here: the agent decides when. */
#include "agent/courier/http.h"

#include <curl/curl.h>
#include <sys/epoll.h>
#include <time.h>
#include <zlib.h>

#include "agent/courier/batchpack.h"
#include "agent/courier/http_rules.h"
#include "agent/courier/reply.h"
#include "proto/clock.h"
#include "proto/nodecall.h"
#include "proto/respsig.h"

#define GZIP_FROM 1024

struct http {
	sd_event *event;
	const struct http_setup *setup;
	CURLM *multi;
	sd_event_source *timer;
	struct http_job *jobs;
	struct reply_taken takes; /* by the API's word */
	bool refused_packed;      /* which it has not meant */
};

struct http_job {
	struct http *http;
	struct http_job *next;
	CURL *easy;
	struct curl_slist *headers;
	char *url, *request;
	size_t request_size;
	bool packed;
	struct reply reply;
	http_done done;
	void *userdata;
};

bool http_is_allowed(const char *url)
{
	return http_rules_allow(url) && !strchr(url, '?');
}

static size_t on_body(char *data, size_t one, size_t n, void *userdata)
{
	struct http_job *job = userdata;

	return reply_body(&job->reply, data, n) ? n : CURL_WRITEFUNC_ERROR;
}

static size_t on_header(char *data, size_t one, size_t n, void *userdata)
{
	struct http_job *job = userdata;

	reply_header(&job->reply, data, n, time(NULL));
	return n;
}

/* --- the end of an exchange --- */

static enum frame_fail judge_transport(const struct http_job *job, CURLcode code)
{
	switch ((int)code) {
	case CURLE_OK:
		return FRAME_FAIL_NONE;
	case CURLE_OPERATION_TIMEDOUT:
		return FRAME_FAIL_TIMEOUT;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_CIPHER:
		return FRAME_FAIL_TLS;
	case CURLE_WRITE_ERROR:
	case CURLE_FILESIZE_EXCEEDED:
	case CURLE_PARTIAL_FILE:
	case CURLE_BAD_CONTENT_ENCODING:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return FRAME_FAIL_BODY;
	default:
		return FRAME_FAIL_CONNECT;
	}
}

/* Of an answer that nothing is believed of but that it failed, and with what Retry-After. */
static enum frame_fail judge_signature(const struct http_job *job, long status)
{
	const struct http_setup *setup = job->http->setup;
	const char *path = nodecall_base_path(job->url);
	struct respsig_response r = { job->request ? "POST" : "GET", (int)status,
		*path ? path : "/", job->reply.body, job->reply.size };
	struct err err;
	int v = job->reply.signature_too_long || !setup->has_keyset
			? -ENOKEY
			: respsig_verify(job->reply.signature, &r, &setup->keyset,
				  clock_ms(CLOCK_REALTIME), NULL, &err);

	if (v < 0)
		return v == -ESTALE ? FRAME_FAIL_CLOCK : FRAME_FAIL_SIGNATURE;
	return FRAME_FAIL_HTTP;
}

static enum frame_fail judge_answer(const struct http_job *job, long status)
{
	if (status != 200 && status != 204)
		return job->reply.signature[0] ? judge_signature(job, status) : FRAME_FAIL_HTTP;
	return !job->reply.signature_too_long &&
			       (job->reply.signature[0] || !job->http->setup->signature_required)
		       ? FRAME_FAIL_NONE
		       : FRAME_FAIL_SIGNATURE;
}

static void job_free(struct http_job *job)
{
	struct http_job **at = &job->http->jobs;

	while (*at != job)
		at = &(*at)->next;
	*at = job->next;
	(void)curl_multi_remove_handle(job->http->multi, job->easy);
	curl_easy_cleanup(job->easy);
	curl_slist_free_all(job->headers);
	free(job->url);
	free(job->request);
	reply_done(&job->reply);
	free(job);
}

static void finish(struct http_job *job, CURLcode code)
{
	struct http_answer answer = { .fail = judge_transport(job, code),
		.retry_after_ms = job->reply.retry_after_ms };
	long status = 0;

	(void)curl_easy_getinfo(job->easy, CURLINFO_RESPONSE_CODE, &status);
	answer.status = (int)status;
	if (job->packed && (status == 400 || status == 415))
		job->http->refused_packed = true;
	if (answer.fail == FRAME_FAIL_NONE && !reply_is_whole(&job->reply))
		answer.fail = FRAME_FAIL_BODY;
	else if (answer.fail == FRAME_FAIL_NONE)
		answer.fail = judge_answer(job, status);
	answer.body = job->reply.body;
	answer.size = job->reply.size;
	answer.signature = job->reply.signature;
	job->done(&answer, job->userdata);
	job_free(job);
}

static void collect(struct http *h)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(h->multi, &left))) {
		struct http_job *job;

		if (m->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&job);
		finish(job, m->data.result);
	}
}

/* --- libcurl on the loop --- */

static int on_socket_ready(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	struct http *h = userdata;
	int mask = (revents & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) |
		   (revents & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
		   (revents & EPOLLERR ? CURL_CSELECT_ERR : 0),
	    running;

	(void)curl_multi_socket_action(h->multi, fd, mask, &running);
	collect(h);
	return 0;
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct http *h = userdata;
	int running;

	(void)curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	collect(h);
	return 0;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *socket_data)
{
	struct http *h = userdata;
	sd_event_source *source = socket_data;
	uint32_t events =
		(what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);

	if (what == CURL_POLL_REMOVE) {
		sd_event_source_disable_unref(source);
		(void)curl_multi_assign(h->multi, fd, NULL);
	} else if (source) {
		(void)sd_event_source_set_io_events(source, events);
	} else if (sd_event_add_io(h->event, &source, fd, events, on_socket_ready, h) >= 0) {
		(void)curl_multi_assign(h->multi, fd, source);
	}
	return 0;
}

static int on_set_timer(CURLM *multi, long timeout_ms, void *userdata)
{
	struct http *h = userdata;

	h->timer = sd_event_source_disable_unref(h->timer);
	if (timeout_ms >= 0 && sd_event_add_time_relative(h->event, &h->timer, CLOCK_BOOTTIME,
				       (uint64_t)timeout_ms * 1000, 1000, on_timer, h) < 0)
		return -1;
	return 0;
}

int http_new(sd_event *event, const struct http_setup *setup, struct http **ret)
{
	struct http *h = xcalloc(1, sizeof(*h));

	h->event = sd_event_ref(event);
	h->setup = setup;
	h->multi = curl_multi_init();
	if (!h->multi)
		abort();
	(void)curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	(void)curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
	(void)curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_set_timer);
	(void)curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
	(void)curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, 4L);
	*ret = h;
	return 0;
}

struct http *http_free(struct http *h)
{
	if (h) {
		while (h->jobs)
			job_free(h->jobs);
		(void)curl_multi_cleanup(h->multi);
		h->timer = sd_event_source_disable_unref(h->timer);
		sd_event_unref(h->event);
		free(h);
	}
	return NULL;
}

/* --- an exchange --- */

static int compress_body(const void *body, size_t size, char **ret, size_t *ret_size)
{
	z_stream z = {};
	uLong bound;

	if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) !=
		Z_OK)
		return -ENOMEM;
	bound = deflateBound(&z, size);
	*ret = xcalloc(1, bound);
	z.next_in = (Bytef *)body;
	z.avail_in = (uInt)size;
	z.next_out = (Bytef *)*ret;
	z.avail_out = (uInt)bound;
	if (deflate(&z, Z_FINISH) != Z_STREAM_END)
		abort(); /* the bound is zlib's own */
	*ret_size = bound - z.avail_out;
	(void)deflateEnd(&z);
	return 0;
}

static void add_header(struct http_job *job, const char *name, const char *value)
{
	_cleanup_(freep) char *line = xasprintf("%s: %s", name, value);

	job->headers = curl_slist_append(job->headers, line);
	explicit_bzero(line, strlen(line));
}

/* By whose keys the answer can be signed. */
static void add_keyset(struct http_job *job)
{
	const struct http_setup *setup = job->http->setup;
	char version[24];

	if (!setup->has_keyset)
		return;
	(void)snprintf(version, sizeof(version), "%lld", (long long)setup->keyset.version);
	add_header(job, NODECALL_KEYSET_HEADER, version);
}

static void set_request(struct http_job *job, const struct http_request *rq)
{
	const void *body = rq->body;
	const size_t size = rq->size;
	bool gzip = job->http->takes.gzip && size > GZIP_FROM &&
		    compress_body(body, size, &job->request, &job->request_size) >= 0;

	if (!gzip) {
		job->request = xcalloc(1, size);
		memcpy(job->request, body, size);
		job->request_size = size;
	} else {
		add_header(job, "Content-Encoding", "gzip");
	}
	job->packed = rq->packed;
	add_header(job, "Content-Type", rq->packed ? BATCHPACK_TYPE : "application/json");
	add_header(job, "Expect", "");
	(void)curl_easy_setopt(
		job->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)job->request_size);
	(void)curl_easy_setopt(job->easy, CURLOPT_POSTFIELDS, job->request);
}

static void set_rules(struct http_job *job, unsigned timeout_s)
{
	CURL *c = job->easy;

	http_rules_set(c, job->url, job->http->setup->ca_pem);
	(void)curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)timeout_s);
	(void)curl_easy_setopt(c, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)HTTP_BODY_MAX);
}

bool http_takes_packed(const struct http *h)
{
	return h->takes.packed && !h->refused_packed;
}

int http_start(struct http *h, const struct http_request *rq, http_done done, void *userdata)
{
	_cleanup_(freep) char *bearer = xasprintf("Bearer %s", h->setup->node_token);
	struct http_job *job = xcalloc(1, sizeof(*job));

	job->http = h;
	job->reply.takes = &h->takes;
	job->done = done;
	job->userdata = userdata;
	job->url = xasprintf("%s%s", h->setup->api_url, rq->path);
	job->easy = curl_easy_init();
	if (!job->easy)
		abort();
	job->next = h->jobs;
	h->jobs = job;
	set_rules(job, rq->timeout_s);
	add_header(job, "Authorization", bearer);
	add_keyset(job);
	add_header(job, "Accept", "application/json");
	add_header(job, "Accept-Encoding", "gzip");
	explicit_bzero(bearer, strlen(bearer));
	if (rq->body)
		set_request(job, rq);
	(void)curl_easy_setopt(job->easy, CURLOPT_URL, job->url);
	(void)curl_easy_setopt(job->easy, CURLOPT_USERAGENT, h->setup->user_agent);
	(void)curl_easy_setopt(job->easy, CURLOPT_HTTPHEADER, job->headers);
	(void)curl_easy_setopt(job->easy, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(job->easy, CURLOPT_WRITEDATA, job);
	(void)curl_easy_setopt(job->easy, CURLOPT_HEADERFUNCTION, on_header);
	(void)curl_easy_setopt(job->easy, CURLOPT_HEADERDATA, job);
	(void)curl_easy_setopt(job->easy, CURLOPT_PRIVATE, (char *)job);
	if (curl_multi_add_handle(h->multi, job->easy) != CURLM_OK) {
		job_free(job);
		return -EIO;
	}
	return 0;
}
