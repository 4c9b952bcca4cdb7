/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A forwarder is the process of one container in proxy mode (netns/netproxy_main.c), and what
 * we know of it: none runs (no channel), it BEGINS, or it SERVES. A start makes its sockets,
 * of one port, and its control socket, spawns it and hands them over; when it is ready its
 * record (pid, when that began, port) is written, and only then it is told what to do.
 *
 * It outlives the agent. The next one finds it by the record, connects to the control socket
 * and tells it its configuration; what belongs to no container any more is killed. A process
 * is known by pid and beginning together, and held and killed by pidfd.
 *
 * One that ends or breaks the channel's rules is a fault, told to the owner, and is started
 * again after a growing wait, by the owner, since its port in the firewall may be another
 * then. */
#include "agent/host/forwarder.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "agent/common/backoff.h"
#include "agent/common/cafile.h"
#include "agent/common/journald.h"
#include "agent/common/spawn.h"
#include "agent/state/desired.h"
#include "lxc/ctproc.h"
#include "netfilter/fwtable.h"
#include "proto/channel.h"
#include "proto/ident.h"
#include "proto/jsonx.h"
#include "proto/leafid.h"

#define BACKLOG     512
#define PORT_TRIES  16
#define ACCURACY_US (100 * 1000)
#define RECORD_MAX  1024
#define FAULT_MAX   200

/* Channel states: it BEGINS until it says that it is ready, and SERVES then. */
enum { BEGINS = 0, SERVES = 1 };

struct forwarder {
	struct forwarder *next;
	struct agent *agent;
	char container_id[IDENT_ID_LEN + 1];
	struct channel *channel; /* NULL: none runs */
	pid_t pid;               /* 0: a unit's that has not said who it is */
	int pidfd;
	uint16_t port;
	char *config; /* what it is to be told */
	sd_event_source *ended, *respawn;
	struct backoff backoff;
	char fault[FAULT_MAX];
	enum errcode fault_code;
};

struct forwarder_set {
	const struct forwarder_owner *owner;
	struct forwarder *first;
	char *directory;
};

static struct forwarder *find(struct agent *a, const char *container_id)
{
	struct forwarder *f = a->forwarders->first;

	while (f && strcmp(f->container_id, container_id) != 0)
		f = f->next;
	return f;
}

static char *path_of(struct agent *a, const char *container_id, const char *suffix)
{
	return xasprintf("%s/%s%s", a->forwarders->directory, container_id, suffix);
}

/* --- processes that may be another agent's children: a pid alone is not enough --- */

/* A descriptor of the process that was started then, or -1. */
static int find_process(pid_t pid, int64_t started)
{
	int fd = pid > 0 && started > 0 ? pidfd_open(pid, 0) : -1;

	return fd >= 0 && (int64_t)ctproc_started(pid) != started ? closefd(fd) : fd;
}

/* --- the record --- */

static int write_record(struct forwarder *f)
{
	_cleanup_(freep) char *path = path_of(f->agent, f->container_id, ".json");
	_cleanup_json_ json_t *v = jsonx_pack("{s:i, s:I, s:i}", "pid", (int)f->pid, "started",
		(json_int_t)ctproc_started(f->pid), "port", (int)f->port);
	_cleanup_(freep) char *text = jsonx_dump(v);
	_cleanup_(closep) int fd = -1;

	(void)unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -EIO;
}

static void remove_files(struct agent *a, const char *container_id)
{
	_cleanup_(freep) char *record = path_of(a, container_id, ".json"),
			      *control = path_of(a, container_id, "");

	(void)unlink(record);
	(void)unlink(control);
}

/* Its process, or -1. */
static int read_record(
	struct agent *a, const char *container_id, pid_t *ret_pid, uint16_t *ret_port)
{
	_cleanup_(freep) char *path = path_of(a, container_id, ".json");
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char text[RECORD_MAX];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	_cleanup_json_ json_t *v = NULL;
	int64_t pid = 0, started = 0, port = 0;
	struct err err = {};

	if (n <= 0 || jsonx_parse(text, (size_t)n, ERR_CHANNEL, &v, &err) < 0 ||
		jsonx_int(v, "pid", true, 1, INT32_MAX, &pid, ERR_CHANNEL, &err) < 0 ||
		jsonx_int(v, "started", true, 1, INT64_MAX, &started, ERR_CHANNEL, &err) < 0 ||
		jsonx_int(v, "port", true, 1, UINT16_MAX, &port, ERR_CHANNEL, &err) < 0)
		return -1;
	*ret_pid = (pid_t)pid;
	*ret_port = (uint16_t)port;
	return find_process(*ret_pid, started);
}

/* --- its end --- */

static void let_go(struct forwarder *f)
{
	f->channel = channel_close(f->channel);
	f->ended = sd_event_source_disable_unref(f->ended);
	f->pidfd = closefd(f->pidfd);
	f->pid = 0;
}

/* Nothing of it is worth a farewell. */
static void kill_process(struct forwarder *f)
{
	if (f->pidfd < 0)
		return;
	(void)pidfd_send_signal(f->pidfd, SIGKILL, NULL, 0);
	/* Ours, or reparented to init. A killed process is soon gone. */
	(void)waitid(P_PIDFD, (id_t)f->pidfd, &(siginfo_t){}, WEXITED);
}

static struct forwarder *forwarder_free(struct forwarder *f)
{
	let_go(f);
	f->respawn = sd_event_source_disable_unref(f->respawn);
	free(f->config);
	free(f);
	return NULL;
}

void forwarder_stop(struct agent *a, const char *container_id)
{
	struct forwarder **at = &a->forwarders->first, *f;

	while (*at && strcmp((*at)->container_id, container_id) != 0)
		at = &(*at)->next;
	f = *at;
	if (!f)
		return;
	*at = f->next;
	kill_process(f);
	remove_files(a, container_id);
	forwarder_free(f);
}

static int on_respawn(sd_event_source *s, uint64_t usec, void *userdata);

static void run_again_later(struct forwarder *f)
{
	f->respawn = sd_event_source_disable_unref(f->respawn);
	if (sd_event_add_time_relative(f->agent->event, &f->respawn, CLOCK_BOOTTIME,
		    backoff_failed(&f->backoff, BACKOFF_FIRST_MS, 0, randombytes_random()) * 1000,
		    ACCURACY_US, on_respawn, f) < 0)
		abort(); /* only for want of memory */
}

static void set_fault(struct forwarder *f, enum errcode code, const char *fault)
{
	if (f->fault_code == code && strcmp(f->fault, fault) == 0)
		return;
	f->fault_code = code;
	(void)snprintf(f->fault, sizeof(f->fault), "%s", fault);
	f->agent->forwarders->owner->changed(f->agent, f->container_id);
}

static void has_ended(struct forwarder *f, const char *why)
{
	LOG(LOG_WARNING, NETPROXY_FAILED, FIELDS(.container_id = f->container_id),
		"the forwarder of container %s %s and is started again", f->container_id, why);
	kill_process(f);
	let_go(f);
	set_fault(f, ERR_INTERNAL, "the forwarder has ended");
	run_again_later(f);
}

static int on_ended(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	has_ended(userdata, "has ended");
	return 0;
}

static void on_gone(struct channel *ch, int r, const char *why, void *userdata)
{
	has_ended(userdata, channel_is_own_fault(r) ? "says what the agent has no descriptor for"
			    : r < 0                 ? "broke the channel's rules"
						    : "has closed its channel");
}

static int on_respawn(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct forwarder *f = userdata;
	struct err err = {};

	if (f->agent->forwarders->owner->respawn(f->agent, f->container_id, &err) >= 0)
		return 0;
	LOG(LOG_ERR, NETPROXY_FAILED, FIELDS(.container_id = f->container_id, .err = &err),
		"the forwarder of container %s can't be started: %s", f->container_id, err.message);
	run_again_later(f);
	return 0;
}

/* --- what it says --- */

static int on_status(struct channel *ch, struct channel_message *m, void *userdata)
{
	static const enum errcode codes[FRAME_NETPROXY_FAULTS] = {
		[FRAME_NETPROXY_UPSTREAM] = ERR_PROXY_FAILED,
		[FRAME_NETPROXY_NAME] = ERR_PROXY_NAME_NOT_RESOLVED,
	};
	struct forwarder *f = userdata;
	char fault[FAULT_MAX] = "";

	if (m->frame.b >= countof(codes))
		return -EBADMSG;
	if (m->size >= sizeof(fault))
		return -EMSGSIZE;
	if (m->size > 0)
		memcpy(fault, m->payload, m->size);
	for (const char *p = fault; p < fault + m->size; p++)
		if (*p < ' ' || *p > '~')
			return -EBADMSG;
	if (m->size == 0)
		backoff_succeeded(&f->backoff);
	set_fault(f, m->size > 0 ? codes[m->frame.b] : ERR_NONE, fault);
	return 0;
}

static int tell(struct forwarder *f)
{
	return channel_send(f->channel, &(struct frame){ .type = FRAME_NETPROXY_CONFIG }, f->config,
		strlen(f->config), -1);
}

/* Takes the descriptor. */
static int watch(struct forwarder *f, int pidfd)
{
	f->pidfd = pidfd;
	return pidfd < 0 ? -ESRCH
			 : sd_event_add_io(f->agent->event, &f->ended, pidfd, EPOLLIN, on_ended, f);
}

/* Its record is there before it has anything to do: one that an agent leaves without any ends. */
static int on_ready(struct channel *ch, struct channel_message *m, void *userdata)
{
	struct forwarder *f = userdata;
	int r = f->pidfd < 0 ? watch(f, channel_peer(ch, &f->pid)) : 0;

	channel_set_state(ch, SERVES);
	if (r >= 0)
		r = write_record(f);
	return r < 0 ? r : tell(f);
}

static const struct channel_permit permits[] = {
	{ FRAME_NETPROXY_READY, 1U << BEGINS, .handler = on_ready },
	{ FRAME_NETPROXY_STATUS, 1U << SERVES, .payload = true, .payload_optional = true,
		.handler = on_status },
};

/* --- what it is told --- */

static int config_text(const struct agent *a, const json_t *mode, char **ret, struct err *err)
{
	json_t *dns = json_object_get(mode, "dns_servers");
	_cleanup_(freep) char *ca = NULL;
	_cleanup_json_ json_t *v = NULL;
	int r = cafile_read(a->conf.network.proxy_ca_file, "Network.ProxyCaFile", &ca, err);

	if (r < 0)
		return r;
	v = jsonx_pack("{s:O, s:o, s:s*}", "proxy", json_object_get(mode, "proxy"), "dns_servers",
		dns ? json_incref(dns) : jsonx_pack("[s, s]", "1.1.1.1", "8.8.8.8"), "ca_pem", ca);
	*ret = jsonx_dump(v);
	return 0;
}

static int join(struct forwarder *f, int fd_takes, unsigned state)
{
	int r = channel_open(
		f->agent->event, fd_takes, permits, countof(permits), on_gone, f, &f->channel);

	if (r >= 0)
		channel_set_state(f->channel, state);
	return r;
}

/* --- one of an earlier agent --- */

static int address_of(const char *path, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	strcpy(ret->sun_path, path);
	return 0;
}

static int find_again(struct forwarder *f)
{
	_cleanup_(freep) char *path = path_of(f->agent, f->container_id, "");
	struct sockaddr_un address;
	int fd = -1, r = watch(f, read_record(f->agent, f->container_id, &f->pid, &f->port));

	if (r >= 0)
		fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (r >= 0)
		r = fd < 0 ? -errno : address_of(path, &address);
	if (r >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		r = -errno;
	if (r >= 0)
		r = join(f, take_fd(&fd), SERVES);
	closefd(fd);
	if (r >= 0)
		r = tell(f);
	if (r < 0) {
		kill_process(f);
		let_go(f);
	}
	return r;
}

/* --- a new one --- */

static int make_transparent(int type, uint16_t port, int *ret)
{
	const struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port) };
	const int on = 1, mark = FWTABLE_ANSWER_MARK;
	_cleanup_(closep) int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &on, sizeof(on)) < 0 ||
		bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	if (type == SOCK_STREAM && listen(fd, BACKLOG) < 0)
		return -errno;
	if (type == SOCK_DGRAM &&
		(setsockopt(fd, IPPROTO_IP, IP_RECVORIGDSTADDR, &on, sizeof(on)) < 0 ||
			setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0))
		return -errno;
	*ret = take_fd(&fd);
	return 0;
}

/* Of one port, any that is free. */
static int make_sockets(int fd[static FRAME_NETPROXY_SOCKETS], uint16_t *ret_port)
{
	int r = -EADDRINUSE;

	for (int i = 0; i < PORT_TRIES && r == -EADDRINUSE; i++) {
		struct sockaddr_in address = {};
		socklen_t size = sizeof(address);

		fd[FRAME_NETPROXY_TCP] = closefd(fd[FRAME_NETPROXY_TCP]);
		r = make_transparent(SOCK_STREAM, 0, &fd[FRAME_NETPROXY_TCP]);
		if (r < 0)
			break;
		if (getsockname(fd[FRAME_NETPROXY_TCP], (struct sockaddr *)&address, &size) < 0)
			return -errno;
		*ret_port = ntohs(address.sin_port);
		r = make_transparent(SOCK_DGRAM, *ret_port, &fd[FRAME_NETPROXY_UDP]);
	}
	return r;
}

static int make_control(struct forwarder *f, int *ret)
{
	_cleanup_(freep) char *path = path_of(f->agent, f->container_id, "");
	_cleanup_(closep) int fd =
		socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;
	int r = fd < 0 ? -errno : address_of(path, &address);

	if (r < 0)
		return r;
	(void)unlink(path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 4) < 0)
		return -errno;
	*ret = take_fd(&fd);
	return 0;
}

static int spawn(struct forwarder *f, int *ret)
{
	struct agent *a = f->agent;
	const struct container *c = desired_find(a->desired, f->container_id);
	int r = !c ? -ENOENT
		   : spawn_leaf(a->conf.node.runtime_directory, "hoody-netproxy",
			     leafid_of(LEAFID_FORWARDER, c->spec.id_base), ret, &f->pid);

	return r < 0 || f->pid == 0 ? r : watch(f, pidfd_open(f->pid, 0));
}

static int start(struct forwarder *f)
{
	int sockets[FRAME_NETPROXY_SOCKETS] = { -1, -1, -1 };
	_cleanup_(closep) int fd = -1;
	int r = make_sockets(sockets, &f->port);

	if (r >= 0)
		r = make_control(f, &sockets[FRAME_NETPROXY_CONTROL]);
	if (r >= 0)
		r = spawn(f, &fd);
	for (int i = 0; i < FRAME_NETPROXY_SOCKETS && r >= 0; i++)
		r = chanio_send_sync(fd,
			&(struct frame){ .type = FRAME_NETPROXY_SOCKET, .a = (uint64_t)i }, NULL, 0,
			sockets[i]);
	if (r >= 0)
		r = join(f, take_fd(&fd), BEGINS);
	for (int i = 0; i < FRAME_NETPROXY_SOCKETS; i++)
		closefd(sockets[i]);
	if (r < 0) {
		kill_process(f);
		let_go(f);
	}
	return r;
}

static struct forwarder *add(struct agent *a, const char *container_id)
{
	struct forwarder *f = xcalloc(1, sizeof(*f));

	f->agent = a;
	f->pidfd = -1;
	strcpy(f->container_id, container_id);
	f->next = a->forwarders->first;
	a->forwarders->first = f;
	return f;
}

int forwarder_run(struct agent *a, const char *container_id, const json_t *mode, uint16_t *ret_port,
	struct err *err)
{
	struct forwarder *f = find(a, container_id);
	char *config;
	int r = config_text(a, mode, &config, err);

	if (r < 0)
		return r;
	if (!f)
		f = add(a, container_id);
	free(f->config);
	f->config = config;
	f->respawn = sd_event_source_disable_unref(f->respawn);
	if (!f->channel)
		r = find_again(f);
	else if (channel_state(f->channel) == SERVES)
		r = tell(f);
	if (r < 0 && !f->channel)
		r = start(f);
	if (r < 0) {
		run_again_later(f); /* whether anybody waits for it is asked then */
		return err_set(err, r, ERR_INTERNAL, "type",
			"the container's forwarder can't be started: %s", strerror(-r));
	}
	*ret_port = f->port;
	return 0;
}

/* The same again is what makes it look. */
void forwarder_names_changed(struct agent *a)
{
	for (struct forwarder *f = a->forwarders->first; f; f = f->next)
		if (f->channel && channel_state(f->channel) == SERVES)
			(void)!tell(f); /* one that can't be told ends, and its successor looks */
}

struct forwarder_state forwarder_look(struct agent *a, const char *container_id)
{
	const struct forwarder *f = find(a, container_id);

	return (struct forwarder_state){ .is_running = f && f->channel && !f->fault[0],
		.fault = f && f->fault[0] ? f->fault : NULL,
		.code = f && f->fault[0] ? f->fault_code : ERR_NONE };
}

/* --- all of them --- */

/* Of an earlier agent, and nobody's any more. */
static void end_leftover(struct agent *a, const char *container_id)
{
	struct forwarder f = { .agent = a, .pidfd = -1 };

	f.pidfd = read_record(a, container_id, &f.pid, &f.port);
	kill_process(&f);
	f.pidfd = closefd(f.pidfd);
	remove_files(a, container_id);
}

void forwarder_set_sweep(struct agent *a)
{
	DIR *d = opendir(a->forwarders->directory);
	const struct dirent *entry;

	while (d && (entry = readdir(d))) {
		char id[IDENT_ID_LEN + 1];

		if (sscanf(entry->d_name, "%24[0-9a-f]", id) != 1 || strlen(id) != IDENT_ID_LEN)
			continue;
		if (!find(a, id))
			end_leftover(a, id);
	}
	if (d)
		(void)closedir(d);
}

int forwarder_set_new(struct agent *a, const struct forwarder_owner *owner,
	struct forwarder_set **ret, struct err *err)
{
	struct forwarder_set *s = xcalloc(1, sizeof(*s));

	s->owner = owner;
	s->directory = xasprintf("%s/netproxy", a->conf.node.runtime_directory);
	*ret = s;
	if (mkdir(s->directory, 0700) < 0 && errno != EEXIST)
		return err_set(err, -errno, ERR_CONFIG, "Node.RuntimeDirectory",
			"can't make %s: %s", s->directory, strerror(errno));
	return 0;
}

struct forwarder_set *forwarder_set_free(struct forwarder_set *s)
{
	while (s && s->first) {
		struct forwarder *next = s->first->next;

		forwarder_free(s->first);
		s->first = next;
	}
	if (s)
		free(s->directory);
	free(s);
	return NULL;
}
