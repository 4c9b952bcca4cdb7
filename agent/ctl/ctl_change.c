/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ctl/ctl_change.h"
#include "agent/ctl/ctl_out.h"

#include "agent/ctl/ctl_http.h"
#include "agent/ctl/ctl_show.h"
#include "agent/ctl/ctl_text.h"
#include "agent/ctl/ctl_words.h"
#include "proto/jsonx.h"

struct following {
	const struct ctl *ctl;
	bool draws; /* a line that is drawn over, on a terminal */
	json_t *last;
};

static void draw_bar(json_int_t percent)
{
	char bar[CTL_TEXT_MAX];

	fprintf(stderr, " %s %" JSON_INTEGER_FORMAT " %%", ctl_text_bar((double)percent / 100, bar),
		percent);
}

static bool on_step(const json_t *data, void *userdata)
{
	struct following *f = userdata;
	const char *status = ctl_text_of(data, "status"),
		   *stage = json_string_value(ctl_value_at(data, "progress.stage"));
	const json_t *percent = ctl_value_at(data, "progress.percent");

	json_decref(f->last);
	f->last = json_deep_copy(data);
	if (f->draws)
		fprintf(stderr, "\r\033[K%s: %s%s%s", ctl_text_of(data, "operation"), status,
			stage ? ", " : "", stage ? stage : "");
	if (f->draws && percent)
		draw_bar(json_integer_value(percent));
	return true;
}

/* What it was done to, by its name: a container's, or the word that was typed: of what is gone. */
static char *whose(const struct ctl *ctl, const char *id)
{
	bool is_told = strcmp(ctl->command, "operation follow") == 0;

	return ctl_words_container_name(ctl, id, is_told ? id : ctl->args[0]);
}

static enum ctl_exit tell_end(const struct ctl *ctl, const json_t *v, struct err *err)
{
	const char *status = ctl_text_of(v, "status"), *id = ctl_text_of(v, "container_id");
	_cleanup_(freep) char *name = NULL, *line = NULL;
	char text[CTL_TEXT_MAX];

	if (ctl->json)
		ctl_out_json(v);
	if (!status || strcmp(status, "succeeded") != 0) {
		const char *message = json_string_value(ctl_value_at(v, "error.message")),
			   *code = json_string_value(ctl_value_at(v, "error.code"));

		(void)err_set(err, -EREMOTEIO, code ? err_from_wire(code) : ERR_INTERNAL, NULL,
			"%s (%s)", message ? message : "it did not succeed",
			code ? code : "no code");
		return CTL_FAILED;
	}
	if (ctl->quiet)
		puts(id ? id : "");
	if (ctl->quiet || ctl->json)
		return CTL_OK;
	name = whose(ctl, id);
	line = xasprintf("%s%s%s: done in %s", ctl_text_of(v, "operation"), name ? " " : "",
		name ? name : "",
		ctl_text_duration(json_integer_value(json_object_get(v, "duration_ms")), text));
	err_clean(line);
	ctl_text_wrap(stdout, line, 0, ctl_text_room(STDOUT_FILENO));
	return CTL_OK;
}

enum ctl_exit ctl_change_follow(const struct ctl *ctl, const char *operation_id, struct err *err)
{
	_cleanup_(freep) char *path = xasprintf("/operations/%s/events", operation_id);
	struct following f = { .ctl = ctl, .draws = isatty(STDERR_FILENO) && !ctl->quiet };
	bool interrupted;
	enum ctl_exit e = ctl_http_follow(ctl, path, on_step, &f, &interrupted, err);

	if (f.draws)
		fputs("\r\033[K", stderr);
	if (interrupted) {
		fprintf(stderr,
			"hoodyctl: it goes on; follow it with: hoodyctl operation follow %s\n",
			operation_id);
		e = CTL_INTERRUPTED;
	} else if (e == CTL_OK) {
		e = tell_end(ctl, f.last, err);
	}
	if (e == CTL_UNREACHABLE)
		(void)err_add(err, -ECONNREFUSED, "operation %s was begun, and nobody saw its end",
			operation_id);
	json_decref(f.last);
	return e;
}

/* Begin it, and see it through. */
enum ctl_exit ctl_change(const struct ctl *ctl, const char *method, const char *path,
	const json_t *body, struct err *err)
{
	_cleanup_json_ json_t *begun = NULL;
	enum ctl_exit e = ctl_http_ask(ctl, method, path, body, /* async= */ true, &begun, err);
	const char *id;

	if (e != CTL_OK)
		return e;
	id = ctl_text_of(begun, "operation_id");
	if (!id)
		return err_set(err, -EBADMSG, ERR_CHANNEL, NULL, "the agent named no operation"),
		       CTL_FAILED;
	if (!ctl->async)
		return ctl_change_follow(ctl, id, err);
	if (ctl->json)
		ctl_out_json(begun);
	else
		puts(id);
	return CTL_OK;
}
