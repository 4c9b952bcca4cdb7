/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ctl/ctl_ask.h"
#include "agent/ctl/ctl_conf.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "proto/chanio.h"
#include "proto/jsonx.h"

#define ANSWER_TIMEOUT_MS 10000
#define QUESTION_ID       1

static enum ctl_exit connect_to(const struct ctl *ctl, int *ret, struct err *err)
{
	_cleanup_conf_ struct conf c = { 0 };
	_cleanup_(freep) char *path = NULL;
	_cleanup_(closep) int fd = -1;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *hint = "";

	if (ctl->socket) {
		path = xstrdup(ctl->socket);
	} else {
		if (ctl_conf_read(ctl, &c, err) != CTL_OK)
			return CTL_CONFIG;
		path = xasprintf("%s/agent.sock", c.node.runtime_directory);
	}
	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(err, -ENAMETOOLONG, ERR_CONFIG, "--socket",
			       "%s is too long for a socket", path),
		       CTL_USAGE;
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		if (errno == ENOENT || errno == ECONNREFUSED)
			hint = " (is it running?)";
		else if (errno == EACCES)
			hint = " (root and the group of Local.Group may use it)";
		(void)err_set(err, -errno, ERR_CHANNEL, path, "can't reach the agent at %s: %s%s",
			path, strerror(errno), hint);
		return CTL_UNREACHABLE;
	}
	*ret = take_fd(&fd);
	return CTL_OK;
}

static enum ctl_exit read_answer(
	const struct frame *f, const void *payload, json_t **ret, struct err *err)
{
	_cleanup_json_ json_t *v = NULL;
	const char *code, *message;

	if (f->id != QUESTION_ID || (f->type != FRAME_CTL_ANSWER && f->type != FRAME_CTL_ERROR) ||
		jsonx_parse(payload, f->size, ERR_CHANNEL, &v, NULL) < 0 || !json_is_object(v))
		return err_set(err, -EBADMSG, ERR_CHANNEL, NULL,
			       "the agent's answer is not understood: is it of another version?"),
		       CTL_FAILED;
	if (f->type == FRAME_CTL_ANSWER) {
		*ret = TAKE(v);
		return CTL_OK;
	}
	code = ctl_text_of(v, "code");
	message = ctl_text_of(v, "message");
	(void)err_set(err, -EREMOTEIO, code ? err_from_wire(code) : ERR_INTERNAL, NULL,
		"the agent says %s: %s", code ? code : "no", message ? message : "no reason given");
	return CTL_FAILED;
}

static enum ctl_exit ask(const struct ctl *ctl, struct frame *f, const char *text, int fd,
	json_t **ret, struct err *err)
{
	_cleanup_(closep) int socket = -1, extra = -1;
	_cleanup_(freep) void *payload = NULL;
	enum ctl_exit e = connect_to(ctl, &socket, err);
	int r;

	if (e != CTL_OK)
		return e;
	r = chanio_send_sync(socket, f, text, text ? strlen(text) : 0, fd);
	if (r == 0)
		r = chanio_recv_sync(socket, ANSWER_TIMEOUT_MS, f, &payload, &extra);
	if (r < 0) {
		(void)err_set(err, r, ERR_CHANNEL, NULL, "the agent did not answer: %s",
			r == -ENODATA ? "it hung up" : strerror(-r));
		return CTL_UNREACHABLE;
	}
	return read_answer(f, payload, ret, err);
}

enum ctl_exit ctl_ask(
	const struct ctl *ctl, enum frame_type type, uint64_t a, json_t **ret, struct err *err)
{
	struct frame f = { .type = (uint16_t)type, .id = QUESTION_ID, .a = a };

	return ask(ctl, &f, NULL, -1, ret, err);
}

enum ctl_exit ctl_ask_with(const struct ctl *ctl, enum frame_type type, const json_t *payload,
	int fd, json_t **ret, struct err *err)
{
	struct frame f = { .type = (uint16_t)type, .id = QUESTION_ID };
	_cleanup_(freep) char *text = jsonx_dump(payload);

	return ask(ctl, &f, text, fd, ret, err);
}
