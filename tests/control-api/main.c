/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control-api: the reference control API (see api.h).
 *
 *   control-api --listen 127.0.0.1:0 --socket PATH --state DIR [--node-id ID] [--node-token T]
 * [--https CERT --https-key KEY] [--now-offset S] [--steady] [--fleet] [--without-stats]
 * [--without-packed]
 *   control-api --socket PATH ctl '{"cmd":…}'
 *
 * Keeps its keys, token and an append-only log in DIR, writes DIR/trusted-keys.json and DIR/token
 * for the agent, and prints one line of JSON when it is ready. An enrolment token is "enroll-me".
 * What the socket takes stands in ctl.c's table and in tests/TESTING.md. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <sodium.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "tests/control-api/api.h"

#define CLIENTS_MAX     256
#define CONNECTIONS_MAX 65536

static volatile sig_atomic_t stopped;

static void on_signal(int sig)
{
	stopped = 1;
}

static char *read_whole(const char *path)
{
	char *text = xcalloc(1, 65536);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, 65535);

	closefd(fd);
	if (n < 0) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	return text;
}

struct options {
	const char *listen, *socket, *state, *node_id, *node_token, *cert, *key;
	int64_t now_offset_s;
	bool steady;
	bool fleet, no_stats, no_packed;
};

static void start_daemon(struct api *api, const struct options *o)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	_cleanup_(freep) char *host = xstrdup(o->listen), *cert = NULL, *key = NULL;
	char *colon = strrchr(host, ':');
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
	struct MHD_OptionItem tls[] = { { MHD_OPTION_HTTPS_MEM_CERT, 0, NULL },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, NULL }, { MHD_OPTION_END, 0, NULL } };

	if (!colon)
		exit(EXIT_FAILURE);
	*colon = '\0';
	a.sin_port = htons((uint16_t)atoi(colon + 1));
	if (inet_pton(AF_INET, host, &a.sin_addr) != 1)
		exit(EXIT_FAILURE);
	if (o->cert) {
		flags |= MHD_USE_TLS;
		tls[0].ptr_value = cert = read_whole(o->cert);
		tls[1].ptr_value = key = read_whole(o->key);
	} else {
		tls[0].option = MHD_OPTION_END;
	}
	api->daemon = MHD_start_daemon(flags, 0, NULL, NULL, api_handle, api, MHD_OPTION_SOCK_ADDR,
		&a, MHD_OPTION_NOTIFY_COMPLETED, api_request_completed, api,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_ARRAY, tls,
		MHD_OPTION_END);
	if (!api->daemon) {
		(void)fprintf(stderr, "control-api: can't listen on %s\n", o->listen);
		exit(EXIT_FAILURE);
	}
	(void)snprintf(api->url, sizeof(api->url), "%s://%s:%u/api/v1", o->cert ? "https" : "http",
		host, (unsigned)MHD_get_daemon_info(api->daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
}

static int timeout_ms(const struct api *api)
{
	int64_t next = MIN_OF(api_next_poll_ms(api), api_ctl_next_ms(api)),
		now_ms = api_now_ms(NULL);
	MHD_UNSIGNED_LONG_LONG mhd;

	if (MHD_get_timeout(api->daemon, &mhd) == MHD_YES)
		next = MIN_OF(next, now_ms + (int64_t)mhd);
	return next == INT64_MAX ? -1 : (int)MIN_OF(MAX_OF(next - now_ms, 0), 60000);
}

static void loop(struct api *api, int listen_fd)
{
	int epoll_fd = MHD_get_daemon_info(api->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;

	while (!stopped && !api->quit) {
		struct pollfd fds[CLIENTS_MAX + 2] = { { .fd = epoll_fd, .events = POLLIN },
			{ .fd = listen_fd, .events = POLLIN } };
		size_t n = api_ctl_fds(api, fds + 2, CLIENTS_MAX);

		if (poll(fds, n + 2, timeout_ms(api)) < 0 && errno != EINTR)
			return;
		(void)MHD_run(api->daemon);
		if (fds[1].revents & POLLIN)
			api_ctl_accept(api, listen_fd);
		api_ctl_run(api, fds + 2, n);
		api_ctl_timeouts(api);
		api_wake_polls(api, true);
		(void)MHD_run(
			api->daemon); /* those that were woken are answered now, and not with the
					       next event */
	}
}

static void write_token(struct api *api)
{
	_cleanup_(freep) char *path = xasprintf("%s/token", api->state_dir);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || dprintf(fd, "%s\n", api->node_token) < 0)
		abort();
	closefd(fd);
}

static void set_up(struct api *api, const struct options *o)
{
	if (mkdir(o->state, 0700) < 0 && errno != EEXIST) {
		perror(o->state);
		exit(EXIT_FAILURE);
	}
	api->state_dir = xstrdup(o->state);
	api->log_path = xasprintf("%s/log", o->state);
	api->now_offset_ms = o->now_offset_s * 1000;
	api->steady = o->steady;
	api->fleet = o->fleet;
	api->no_stats = o->no_stats;
	api->no_packed = o->no_packed;
	api->next_seq = 1;
	api->violations = json_array();
	(void)snprintf(api->node_id, sizeof(api->node_id), "%s", o->node_id);
	(void)snprintf(api->node_token, sizeof(api->node_token), "%s", o->node_token);
	api_keys_load(api);
	api_replay(api);
	write_token(api);
}

/* A connection is a descriptor. */
static void raise_limit(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
		l.rlim_cur = l.rlim_max = MAX_OF(l.rlim_max, (rlim_t)CONNECTIONS_MAX + 64);
		(void)setrlimit(RLIMIT_NOFILE, &l); /* only root may; others serve fewer */
	}
}

static int serve(const struct options *o)
{
	static struct api api;
	int fd;

	(void)signal(SIGINT, on_signal);
	(void)signal(SIGTERM, on_signal);
	(void)signal(SIGPIPE, SIG_IGN);
	raise_limit();
	set_up(&api, o);
	start_daemon(&api, o);
	fd = api_ctl_listen(o->socket);
	if (fd < 0) {
		perror(o->socket);
		return EXIT_FAILURE;
	}
	(void)printf(
		"{\"url\":\"%s\",\"node_id\":\"%s\",\"trusted_keys\":\"%s/trusted-keys.json\"}\n",
		api.url, api.node_id, api.state_dir);
	(void)fflush(stdout);
	loop(&api, fd);
	api_wake_all(&api);
	MHD_stop_daemon(api.daemon);
	(void)unlink(o->socket); /* may be gone with its directory */
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "listen", required_argument, NULL, 'l' },
		{ "socket", required_argument, NULL, 's' },
		{ "state", required_argument, NULL, 'd' },
		{ "node-id", required_argument, NULL, 'n' },
		{ "node-token", required_argument, NULL, 't' },
		{ "https", required_argument, NULL, 'c' },
		{ "https-key", required_argument, NULL, 'k' },
		{ "now-offset", required_argument, NULL, 'o' },
		{ "steady", no_argument, NULL, 'y' },
		{ "fleet", no_argument, NULL, 'f' },
		{ "without-stats", no_argument, NULL, 'w' },
		{ "without-packed", no_argument, NULL, 'p' },
		{},
	};
	struct options o = { .listen = "127.0.0.1:0",
		.node_id = "0123456789abcdef01234567",
		.node_token = "node-token" };
	int c;

	while ((c = getopt_long(argc, argv, "+", options, NULL)) >= 0) {
		switch (c) {
		case 'l':
			o.listen = optarg;
			break;
		case 's':
			o.socket = optarg;
			break;
		case 'd':
			o.state = optarg;
			break;
		case 'n':
			o.node_id = optarg;
			break;
		case 't':
			o.node_token = optarg;
			break;
		case 'c':
			o.cert = optarg;
			break;
		case 'k':
			o.key = optarg;
			break;
		case 'o':
			o.now_offset_s = strtoll(optarg, NULL, 10);
			break;
		case 'y':
			o.steady = true;
			break;
		case 'f':
			o.fleet = true;
			break;
		case 'w':
			o.no_stats = true;
			break;
		case 'p':
			o.no_packed = true;
			break;
		default:
			return EXIT_FAILURE;
		}
	}
	if (sodium_init() < 0 || !o.socket || strlen(o.node_id) != API_NODES_ID ||
		(o.cert && !o.key)) {
		(void)fputs("usage: see the head of tests/control-api/main.c\n", stderr);
		return EXIT_FAILURE;
	}
	if (optind < argc && strcmp(argv[optind], "ctl") == 0)
		return api_ctl_client(o.socket, argc - optind - 1, argv + optind + 1);
	return o.state ? serve(&o) : EXIT_FAILURE;
}
