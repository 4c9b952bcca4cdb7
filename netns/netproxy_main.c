/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoody-netproxy: the forwarder of one container in proxy mode. The table diverts its TCP
 * connections and DNS queries to our two transparent sockets; we take them to the upstream
 * proxy, and there is no other way out. The agent has made the sockets, so that we need no
 * privilege for them, and which container we serve is settled by them: we are told neither its
 * name nor its address.
 *
 * We outlive the agent. A new one connects to the control socket, and is told how things are. */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <fcntl.h>
#include <malloc.h>
#include <netdb.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "netns/dnsrelay.h"
#include "netns/relay.h"
#include "proto/channel.h"
#include "proto/jsonx.h"
#include "proto/sandbox.h"

#define SETUP_TIMEOUT_MS 10000
#define TELL_US          (1000 * 1000) /* a fault that comes and goes is not told each time */

struct netproxy {
	sd_event *event;
	int socket[FRAME_NETPROXY_SOCKETS];
	struct channel *agent; /* or NULL */
	sd_event_source *tell;
	struct upstream_pool *upstreams;
	struct relay_set *relays;
	struct dnsrelay *dns;
	int system_ca;
	char *config, *fault;
	enum frame_netproxy_fault fault_kind;
};

/* --- to the agent --- */

static void tell(struct netproxy *p)
{
	const size_t n = p->relays ? relay_set_count(p->relays) : 0;

	if (p->agent) /* full or gone: the next one asks anew */
		(void)!channel_send(p->agent,
			&(struct frame){
				.type = FRAME_NETPROXY_STATUS, .a = n, .b = p->fault_kind },
			p->fault, p->fault ? strlen(p->fault) : 0, -1);
}

static int on_tell(sd_event_source *source, uint64_t usec, void *userdata)
{
	tell(userdata);
	return 0;
}

static void on_fault(enum frame_netproxy_fault kind, const char *fault, void *userdata)
{
	struct netproxy *p = userdata;
	int enabled = SD_EVENT_OFF;

	free(p->fault);
	p->fault = fault ? xstrdup(fault) : NULL;
	p->fault_kind = kind;
	(void)sd_event_source_get_enabled(p->tell, &enabled);
	if (enabled != SD_EVENT_OFF)
		return;
	(void)sd_event_source_set_time_relative(p->tell, TELL_US);
	(void)sd_event_source_set_enabled(p->tell, SD_EVENT_ONESHOT);
}

/* --- from the agent --- */

static size_t read_servers(const json_t *list, uint32_t ret[static DNSRELAY_SERVERS_MAX])
{
	const json_t *v;
	struct in_addr address;
	size_t i, n = 0;

	json_array_foreach(list, i, v) {
		if (n < DNSRELAY_SERVERS_MAX && json_is_string(v) &&
			inet_pton(AF_INET, json_string_value(v), &address) == 1)
			ret[n++] = ntohl(address.s_addr);
	}
	return n;
}

/* The same again, from an agent that was restarted, or since the host's resolver files have
 * changed: no connection is disturbed, but the proxy's name is asked for anew. */
static int on_config(struct channel *ch, struct channel_message *m, void *userdata)
{
	struct netproxy *p = userdata;
	_cleanup_json_ json_t *v = NULL;
	_cleanup_(freep) char *canonical = NULL;
	uint32_t servers[DNSRELAY_SERVERS_MAX];
	const char *url = NULL, *ca_pem = NULL;
	struct err err = {};
	size_t n;

	if (jsonx_parse(m->payload, m->size, ERR_CHANNEL, &v, &err) < 0 ||
		jsonx_string(v, "proxy", true, &url, ERR_CHANNEL, &err) < 0 ||
		jsonx_string(v, "ca_pem", false, &ca_pem, ERR_CHANNEL, &err) < 0)
		return -EBADMSG;
	n = read_servers(json_object_get(v, "dns_servers"), servers);
	if (n == 0)
		return -EBADMSG;
	canonical = jsonx_canonical(v);
	if (!p->config || strcmp(p->config, canonical) != 0) {
		free(p->config);
		p->config = TAKE(canonical);
		relay_set_reset(p->relays);
		dnsrelay_configure(p->dns, servers, n);
		upstream_pool_configure(p->upstreams, url, ca_pem, p->system_ca);
	} else {
		upstream_pool_look_up(p->upstreams);
	}
	tell(p);
	return 0;
}

static const struct channel_permit permits[] = {
	{ FRAME_NETPROXY_CONFIG, 1, .payload = true, .handler = on_config },
};

static void on_agent_gone(struct channel *ch, int r, const char *why, void *userdata)
{
	struct netproxy *p = userdata;

	if (!p->config) /* it has died before there was anything to do */
		(void)sd_event_exit(p->event, EXIT_FAILURE);
}

static int take_agent(struct netproxy *p, int fd_takes)
{
	p->agent = channel_close(p->agent);
	return channel_open(
		p->event, fd_takes, permits, countof(permits), on_agent_gone, p, &p->agent);
}

static int on_agent(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	int agent = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (agent >= 0)
		(void)!take_agent(userdata, agent);
	return 0;
}

/* --- beginning --- */

static int receive_sockets(struct netproxy *p)
{
	for (int i = 0; i < FRAME_NETPROXY_SOCKETS; i++)
		p->socket[i] = -1;
	for (int i = 0; i < FRAME_NETPROXY_SOCKETS; i++) {
		_cleanup_(freep) void *payload = NULL;
		_cleanup_(closep) int fd = -1;
		struct frame f;
		int r = chanio_recv_sync(CHANNEL_FD, SETUP_TIMEOUT_MS, &f, &payload, &fd);

		if (r < 0 || f.type != FRAME_NETPROXY_SOCKET || f.a >= FRAME_NETPROXY_SOCKETS ||
			fd < 0 || p->socket[f.a] >= 0)
			return -EBADMSG;
		p->socket[f.a] = take_fd(&fd);
	}
	return 0;
}

static int open_system_ca(void)
{
	const char *path = curl_version_info(CURLVERSION_NOW)->cainfo;

	return path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
}

/* What glibc and the libraries load on demand, before there is nothing to load it from. */
static void load(void)
{
	struct addrinfo *found = NULL;

	if (getaddrinfo("localhost", "https", NULL, &found) == 0)
		freeaddrinfo(found);
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* What a container makes us hold is not worth what the agent is (proc_pid_oom_score_adj(5)), whose
 * child we are; a unit of its own, which is not root's, has its own. */
static void be_like_others(void)
{
	_cleanup_(closep) int fd =
		geteuid() == 0 ? open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC) : -1;

	if (fd >= 0)
		(void)!write(fd, "0", 1);
}

static uint32_t dns_server(void *userdata)
{
	return dnsrelay_server(((struct netproxy *)userdata)->dns);
}

static int begin(struct netproxy *p)
{
	int r = sd_event_new(&p->event);

	if (r >= 0)
		r = sd_event_add_time(
			p->event, &p->tell, CLOCK_MONOTONIC, 0, TELL_US / 10, on_tell, p);
	if (r >= 0)
		r = sd_event_source_set_enabled(p->tell, SD_EVENT_OFF);
	if (r >= 0)
		r = upstream_pool_new(p->event, on_fault, p, &p->upstreams);
	if (r >= 0)
		r = dnsrelay_new(p->event, p->upstreams, p->socket[FRAME_NETPROXY_UDP], &p->dns);
	if (r >= 0)
		r = relay_set_new(p->event, p->upstreams, p->socket[FRAME_NETPROXY_TCP], dns_server,
			p, &p->relays);
	if (r >= 0)
		r = sd_event_add_io(
			p->event, NULL, p->socket[FRAME_NETPROXY_CONTROL], EPOLLIN, on_agent, p);
	return r;
}

/* Until there is a configuration, nothing is taken: it is the first thing that comes, once we have
 * said that we are confined, and the agent has written down who we are. */
static int serve(struct netproxy *p)
{
	struct frame f;
	_cleanup_(freep) void *payload = NULL;
	_cleanup_(closep) int fd = -1;
	struct channel_message m;
	int r = chanio_send_sync(
		CHANNEL_FD, &(struct frame){ .type = FRAME_NETPROXY_READY }, NULL, 0, -1);

	if (r >= 0)
		r = chanio_recv_sync(CHANNEL_FD, SETUP_TIMEOUT_MS, &f, &payload, &fd);
	if (r < 0 || f.type != FRAME_NETPROXY_CONFIG)
		return -EBADMSG;
	m = (struct channel_message){ .frame = f, .payload = payload, .size = f.size, .fd = -1 };
	r = begin(p);
	if (r >= 0)
		r = on_config(NULL, &m, p);
	if (r >= 0)
		r = take_agent(p, CHANNEL_FD);
	if (r >= 0)
		tell(p);
	(void)malloc_trim(0);
	return r < 0 ? r : sd_event_loop(p->event);
}

int main(int argc, char **argv)
{
	struct sandbox_who who;
	struct netproxy p = {};
	struct err err = {};

	if (sandbox_read_arguments("hoody-netproxy", argc, argv, &who) < 0)
		return EXIT_FAILURE;
	jsonx_init();
	(void)signal(SIGPIPE, SIG_IGN);
	if (fcntl(CHANNEL_FD, F_SETFD, FD_CLOEXEC) < 0 || receive_sockets(&p) < 0)
		return EXIT_FAILURE;
	p.system_ca = open_system_ca();
	load();
	be_like_others();
	if (sandbox_enter(SANDBOX_PROXY, &who, &err) < 0) {
		(void)fprintf(stderr, "hoody-netproxy: %s\n", err.message);
		return EXIT_FAILURE;
	}
	return serve(&p) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
