/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ctl/ctl_http.h"

#include <curl/curl.h>
#include <signal.h>

#include "agent/ctl/ctl_conf.h"
#include "proto/jsonx.h"

#define BASE         "http://node/api/v1"
#define RESPONSE_MAX (16UL * 1024 * 1024)
#define PAGE_SIZE    100
#define EVENT_MAX    (1024UL * 1024)
#define ANSWER_MS    30000L /* nothing that is asked here waits for an operation's end */

struct text {
	char *data;
	size_t size;
};

struct follower {
	struct text pending; /* of a line */
	ctl_http_each each;
	void *userdata;
	bool enough;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig)
{
	interrupted = 1;
}

static bool append(struct text *t, const char *data, size_t size, size_t max)
{
	if (size > max - t->size)
		return false;
	t->data = xrealloc(t->data, t->size + size + 1, 1);
	memcpy(t->data + t->size, data, size);
	t->size += size;
	t->data[t->size] = '\0';
	return true;
}

static size_t on_data(char *data, size_t size, size_t n, void *userdata)
{
	return append(userdata, data, size * n, RESPONSE_MAX) ? size * n : CURL_WRITEFUNC_ERROR;
}

/* --- a stream, line by line --- */

static bool take_line(struct follower *f, const char *line)
{
	_cleanup_json_ json_t *v = NULL;

	if (strncmp(line, "data: ", 6) != 0)
		return true;
	v = json_loads(line + 6, 0, NULL);
	return !v || f->each(v, f->userdata);
}

static size_t on_stream(char *data, size_t size, size_t n, void *userdata)
{
	struct follower *f = userdata;
	char *end;

	if (!append(&f->pending, data, size * n, EVENT_MAX))
		return CURL_WRITEFUNC_ERROR;
	while (!f->enough && (end = strchr(f->pending.data, '\n'))) {
		size_t rest = f->pending.size - (size_t)(end + 1 - f->pending.data);

		*end = '\0';
		f->enough = !take_line(f, f->pending.data);
		memmove(f->pending.data, end + 1, rest + 1);
		f->pending.size = rest;
	}
	return f->enough ? CURL_WRITEFUNC_ERROR : size * n;
}

static int on_progress(void *userdata, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	return interrupted;
}

/* --- one transfer --- */

static enum ctl_exit socket_of(const struct ctl *ctl, char **ret, struct err *err)
{
	_cleanup_conf_ struct conf c = { 0 };

	if (ctl->socket) {
		*ret = xstrdup(ctl->socket);
		return CTL_OK;
	}
	if (ctl_conf_read(ctl, &c, err) != CTL_OK)
		return CTL_CONFIG;
	*ret = xstrdup(c.local.socket);
	return CTL_OK;
}

static enum ctl_exit unreachable(const char *socket, CURLcode code, struct err *err)
{
	const char *hint = access(socket, F_OK) < 0          ? " (is the agent running?)"
			   : access(socket, R_OK | W_OK) < 0 ? " (root and the group of "
							       "Local.Group may use it)"
							     : "";

	(void)err_set(err, -ECONNREFUSED, ERR_CHANNEL, NULL, "no answer from the agent at %s: %s%s",
		socket, curl_easy_strerror(code), hint);
	return CTL_UNREACHABLE;
}

static CURL *prepare(const char *socket, const char *url, struct curl_slist *headers)
{
	CURL *c = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? curl_easy_init() : NULL;

	if (!c || curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, socket) != CURLE_OK ||
		curl_easy_setopt(c, CURLOPT_URL, url) != CURLE_OK ||
		curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers) != CURLE_OK ||
		curl_easy_setopt(c, CURLOPT_PROXY, "") != CURLE_OK ||
		curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) != CURLE_OK)
		abort();
	return c;
}

static enum ctl_exit judge(long status, const struct text *t, json_t **ret_data, struct err *err)
{
	_cleanup_json_ json_t *v = NULL;
	const char *code, *message;

	if (!t->data || jsonx_parse(t->data, t->size, ERR_CHANNEL, &v, NULL) < 0) {
		(void)err_set(err, -EBADMSG, ERR_CHANNEL, NULL,
			"the agent's answer is not understood: is it of another version?");
		return CTL_FAILED;
	}
	if (status < 300) {
		*ret_data = json_incref(json_object_get(v, "data"));
		return CTL_OK;
	}
	code = ctl_text_of(v, "error");
	message = ctl_text_of(v, "message");
	(void)err_set(err, -EREMOTEIO, code ? err_from_wire(code) : ERR_INTERNAL, NULL, "%s (%s)",
		message ? message : "the agent refused", code ? code : "no code");
	return CTL_FAILED;
}

enum ctl_exit ctl_http_ask(const struct ctl *ctl, const char *method, const char *path,
	const json_t *body, bool async, json_t **ret_data, struct err *err)
{
	_cleanup_(freep) char *socket = NULL, *url = xasprintf(BASE "%s", path),
			      *text = body ? jsonx_dump(body) : NULL;
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	struct text answer = {};
	enum ctl_exit e = socket_of(ctl, &socket, err);
	long status = 0;
	CURLcode code;
	CURL *c;

	headers = curl_slist_append(headers, async ? "Prefer: respond-async" : "Expect:");
	if (e == CTL_OK) {
		c = prepare(socket, url, headers);
		(void)curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
		(void)curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, ANSWER_MS);
		if (text)
			(void)curl_easy_setopt(c, CURLOPT_COPYPOSTFIELDS, text);
		(void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_data);
		(void)curl_easy_setopt(c, CURLOPT_WRITEDATA, &answer);
		code = curl_easy_perform(c);
		(void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
		curl_easy_cleanup(c);
		e = code == CURLE_OK ? judge(status, &answer, ret_data, err)
				     : unreachable(socket, code, err);
	}
	curl_slist_free_all(headers);
	free(answer.data);
	return e;
}

enum ctl_exit ctl_http_list(
	const struct ctl *ctl, const char *path, const char *name, json_t **ret, struct err *err)
{
	_cleanup_json_ json_t *all = json_array();
	json_int_t total = 0;

	for (unsigned page = 1; page == 1 || (json_int_t)json_array_size(all) < total; page++) {
		_cleanup_(freep) char *url = xasprintf("%s%climit=%d&page=%u", path,
			strchr(path, '?') ? '&' : '?', PAGE_SIZE, page);
		_cleanup_json_ json_t *data = NULL;
		enum ctl_exit e = ctl_http_ask(ctl, "GET", url, NULL, false, &data, err);
		const json_t *rows;

		if (e != CTL_OK)
			return e;
		rows = json_object_get(data, name);
		total = json_integer_value(
			json_object_get(json_object_get(data, "pagination"), "total"));
		if (json_array_size(rows) == 0)
			break; /* some went while we looked */
		(void)json_array_extend(all, (json_t *)rows);
	}
	*ret = TAKE(all);
	return CTL_OK;
}

enum ctl_exit ctl_http_follow(const struct ctl *ctl, const char *path, ctl_http_each each,
	void *userdata, bool *ret_interrupted, struct err *err)
{
	_cleanup_(freep) char *socket = NULL, *url = xasprintf(BASE "%s", path);
	struct curl_slist *headers = curl_slist_append(NULL, "Accept: text/event-stream");
	struct follower f = { .each = each, .userdata = userdata };
	enum ctl_exit e = socket_of(ctl, &socket, err);
	_cleanup_json_ json_t *nothing = NULL;
	CURLcode code = CURLE_OK;
	long status = 0;
	CURL *c;

	*ret_interrupted = false;
	if (e == CTL_OK) {
		(void)signal(SIGINT, on_interrupt);
		c = prepare(socket, url, headers);
		(void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_stream);
		(void)curl_easy_setopt(c, CURLOPT_WRITEDATA, &f);
		(void)curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
		(void)curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
		code = curl_easy_perform(c);
		(void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
		curl_easy_cleanup(c);
		*ret_interrupted = interrupted;
		if (code != CURLE_OK && !interrupted && !f.enough)
			e = unreachable(socket, code, err);
		else if (code == CURLE_OK && status >= 300) /* one object, and no stream */
			e = judge(status, &f.pending, &nothing, err);
	}
	curl_slist_free_all(headers);
	free(f.pending.data);
	return e;
}
