/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoody-courier: its set-up. It carries polls and report batches between the agent and the control
 * API (agent/courier/courier), or fetches one image and ends (agent/courier/fetch). What it is told
 * comes by channel (descriptor 3), what it may do is what proto/sandbox leaves. */
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sodium.h>

#include "agent/courier/courier.h"
#include "agent/courier/fetch.h"
#include "agent/courier/http_rules.h"
#include "proto/chanio.h"
#include "proto/ident.h"
#include "proto/jsonx.h"
#include "proto/sandbox.h"

#define SETUP_TIMEOUT_MS 10000

/* Into locked memory that is wiped: the token is a secret, and the rest comes along. */
static char *keep(const char *s)
{
	char *copy = sodium_malloc(strlen(s) + 1);

	if (!copy)
		abort();
	strcpy(copy, s);
	return copy;
}

static int read_setup(const json_t *v, struct http_setup *ret, struct err *err)
{
	struct {
		const char *key;
		bool required;
		char **to;
	} texts[] = {
		{ "api_url", true, &ret->api_url },
		{ "node_id", true, &ret->node_id },
		{ "node_token", true, &ret->node_token },
		{ "user_agent", true, &ret->user_agent },
		{ "hostname", false, &ret->hostname },
		{ "ca_pem", false, &ret->ca_pem },
	};
	const char *signature, *s;
	int r = jsonx_string(v, "response_signature", true, &signature, ERR_CONFIG, err);

	for (size_t i = 0; i < countof(texts) && r >= 0; i++) {
		s = NULL;
		r = jsonx_string(v, texts[i].key, texts[i].required, &s, ERR_CONFIG, err);
		if (r >= 0 && s)
			*texts[i].to = keep(s);
	}
	if (r < 0)
		return r;
	if (!ident_is_id(ret->node_id) || !http_is_allowed(ret->api_url))
		return err_set(err, -EINVAL, ERR_CONFIG, "Control.ApiUrl",
			"the node id or the URL has not the form it must have");
	ret->signature_required = strcmp(signature, "required") == 0;
	if (json_is_object(json_object_get(v, "keyset"))) {
		_cleanup_(freep) char *text = jsonx_dump(json_object_get(v, "keyset"));

		r = keyset_parse(text, strlen(text), &ret->keyset, err);
		ret->has_keyset = r >= 0;
	}
	return r;
}

static int take_setup(char *text_takes, size_t size, struct http_setup *ret, struct err *err)
{
	_cleanup_json_ json_t *v = NULL;
	int r;

	if (!text_takes)
		return -EBADMSG;
	r = jsonx_parse(text_takes, size, ERR_CHANNEL, &v, err);
	sodium_memzero(text_takes, size);
	free(text_takes);
	return r < 0 ? r : read_setup(v, ret, err);
}

static int confine(struct http_setup *s, const struct sandbox_who *who, struct err *err)
{
	if (!s->ca_pem && strncmp(s->api_url, "https", 5) == 0)
		s->ca_pem = http_rules_system_ca();
	http_rules_load();
	return sandbox_enter(SANDBOX_CLIENT, who, err);
}

static void on_gone(int r, void *userdata)
{
	(void)sd_event_exit(userdata, r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

static int serve(struct http_setup *s)
{
	struct courier *c = NULL;
	sd_event *event = NULL;
	int r = sd_event_new(&event);

	if (r >= 0)
		r = courier_open(event, s, CHANNEL_FD, on_gone, event, &c);
	(void)malloc_trim(0);
	if (r >= 0)
		r = sd_event_loop(event);
	c = courier_close(c);
	sd_event_unref(event);
	return r;
}

static void setup_done(struct http_setup *s)
{
	sodium_free(s->api_url);
	sodium_free(s->node_id);
	sodium_free(s->node_token);
	sodium_free(s->user_agent);
	sodium_free(s->hostname);
}

int main(int argc, char **argv)
{
	struct http_setup setup = {};
	struct sandbox_who who;
	struct frame f;
	void *payload = NULL;
	struct err err = {};
	int r, fd = -1;

	if (sandbox_read_arguments("hoody-courier", argc, argv, &who) < 0)
		return EXIT_FAILURE;
	jsonx_init();
	(void)signal(SIGPIPE, SIG_IGN);
	if (sodium_init() < 0 || fcntl(CHANNEL_FD, F_SETFD, FD_CLOEXEC) < 0)
		return EXIT_FAILURE;
	r = chanio_recv_sync(CHANNEL_FD, SETUP_TIMEOUT_MS, &f, &payload, &fd);
	if (r >= 0 && f.type == FRAME_FETCH_WISH)
		return fetch_run(&who, payload, f.size, fd);
	closefd(fd);
	(void)err_set(&err, -EBADMSG, ERR_CHANNEL, NULL, "no set-up came");
	if (r >= 0)
		r = f.type == FRAME_COURIER_SETUP ? take_setup(payload, f.size, &setup, &err)
						  : -EBADMSG;
	if (r >= 0)
		r = confine(&setup, &who, &err);
	if (r < 0) {
		(void)fprintf(stderr, "hoody-courier: %s\n", err.message);
		return EXIT_FAILURE;
	}
	r = serve(&setup);
	setup_done(&setup);
	return r < 0 ? EXIT_FAILURE : r;
}
