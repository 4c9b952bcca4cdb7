/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Does a table of somebody else's let containers' packets pass? It is tried rather than
 * understood: a child reads the table, makes three network namespaces (a container's, a host's,
 * the world's) joined by links that bear the host's names, loads the table into the middle one,
 * and connects through it, from the container outwards and then back in. Counters of its own on
 * the hooks say where a connection's first packet was seen last.
 *
 * The child's exit code is the result. All that it has made is in its namespaces and ends with
 * it, at the latest after TRIAL_S; on the host nothing changes, and nothing is sent. A table
 * that nft(8) or the kernel won't give or take as a whole is untried: half of one would be
 * another table. */
#include "agent/ctl/ctl_packet.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <linux/netfilter_ipv4/ip_tables.h>

#include "agent/ctl/ctl.h"
#include "agent/ctl/ctl_route.h"
#include "agent/ctl/ctl_run.h"
#include "proto/jsonx.h"

#define LINKS_MAX   64         /* of the host's that the copy has, too */
#define TEXT_MAX    (16 << 20) /* bytes of a table */
#define ANSWER_MS   3500 /* the second try of a connection is after 1 s, the third after 3 s */
#define TRIAL_S     120
#define OUT_PORT    443
#define IN_PORT     444
#define WORLD       "198.51.100.2" /* RFC 5737: nobody's */
#define UPLINK_NAME "uplink0"

/* Where a connection's first packet is seen, in its order, and so what took it that is seen no
 * further on. */
static const struct {
	const char *name, *hook;
	int priority;
	const char *said;
} hooks[] = {
	{ "prerouting", "prerouting", -2000000000, "in prerouting" },
	{ "forward", "forward", -2000000000, "in forward" },
	{ "postrouting", "postrouting", -2000000000, "in postrouting" },
	{ "left", "postrouting", 2000000000, "when it is answered" },
};

/* What the child that tries ends with. */
enum { CODE_PASSES, CODE_UNTRIED, CODE_OUT, CODE_IN = CODE_OUT + countof(hooks) };

/* --- a table of iptables-legacy --- */

struct legacy {
	struct ipt_getinfo info;
	struct ipt_get_entries *entries;
};

static int legacy_info(int s, struct ipt_getinfo *info)
{
	socklen_t len = sizeof(*info);

	return getsockopt(s, IPPROTO_IP, IPT_SO_GET_INFO, info, &len) < 0 ? -errno : 0;
}

static int legacy_read(const char *table, struct legacy *ret)
{
	_cleanup_(closep) int s = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	socklen_t len;

	(void)snprintf(ret->info.name, sizeof(ret->info.name), "%s", table);
	if (s < 0 || legacy_info(s, &ret->info) < 0 || ret->info.size > TEXT_MAX)
		return -EIO;
	len = (socklen_t)(sizeof(*ret->entries) + ret->info.size);
	ret->entries = xcalloc(1, len);
	memcpy(ret->entries->name, ret->info.name, sizeof(ret->entries->name));
	ret->entries->size = ret->info.size;
	return getsockopt(s, IPPROTO_IP, IPT_SO_GET_ENTRIES, ret->entries, &len) < 0 ? -errno : 0;
}

/* In this namespace, in place of the empty one that each begins with. */
static int legacy_write(const struct legacy *l)
{
	_cleanup_(closep) int s = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	struct ipt_getinfo old = {};
	const size_t size = sizeof(struct ipt_replace) + l->info.size;
	_cleanup_(freep) struct ipt_replace *new = xcalloc(1, size);
	_cleanup_(freep) struct xt_counters *counters = NULL;

	memcpy(old.name, l->info.name, sizeof(old.name));
	if (s < 0 || legacy_info(s, &old) < 0)
		return -EIO;
	counters = xcalloc(old.num_entries, sizeof(*counters));
	memcpy(new->name, l->info.name, sizeof(new->name));
	memcpy(new->hook_entry, l->info.hook_entry, sizeof(new->hook_entry));
	memcpy(new->underflow, l->info.underflow, sizeof(new->underflow));
	memcpy(new->entries, l->entries->entrytable, l->info.size);
	new->valid_hooks = l->info.valid_hooks;
	new->num_entries = l->info.num_entries;
	new->size = l->info.size;
	new->num_counters = old.num_entries;
	new->counters = counters;
	return setsockopt(s, IPPROTO_IP, IPT_SO_SET_REPLACE, new, (socklen_t)size) < 0 ? -errno : 0;
}

/* --- one of nftables --- */

/* A table may be its maker's and go with it: a copy of ours would go with nft(8). */
static void disown(char *text)
{
	char *flags = strstr(text, "\n\tflags "), *chain = strstr(text, "\n\tchain ");

	if (flags && (!chain || flags < chain) && !strstr(flags, "dormant"))
		memset(flags + 1, ' ', strcspn(flags + 1, "\n"));
}

static int nft_read(const struct ctl_packet_table *t)
{
	const char *const argv[] = { "nft", "-s", "list", "table", t->family, t->name, NULL };
	_cleanup_(closep) int fd = memfd_create("table", MFD_CLOEXEC);
	_cleanup_(freep) char *text = NULL;
	struct stat st;

	if (fd < 0 || ctl_run(argv, -1, fd) != 0 || fstat(fd, &st) < 0 || st.st_size > TEXT_MAX)
		return -EIO;
	text = xcalloc(1, (size_t)st.st_size + 1);
	if (pread(fd, text, (size_t)st.st_size, 0) != st.st_size || strstr(text, "# xt_"))
		return -EIO; /* the rest of a rule that nft(8) can't say would be another rule */
	disown(text);
	return ctl_run_text(text);
}

static int nft_load(int fd)
{
	const char *const argv[] = { "nft", "-f", "-", NULL };

	return fd < 0 || ctl_run(argv, fd, -1) != 0 ? -EIO : 0;
}

static int count_hooks(void)
{
	static const char format[] =
		"add table ip hoody-doctor\n"
		"add counter ip hoody-doctor out-%1$s\n"
		"add counter ip hoody-doctor in-%1$s\n"
		"add chain ip hoody-doctor %1$s { type filter hook %2$s priority %3$d; }\n"
		"add rule ip hoody-doctor %1$s tcp dport %4$d tcp flags & (syn|ack) == syn counter "
		"name out-%1$s\n"
		"add rule ip hoody-doctor %1$s tcp dport %5$d tcp flags & (syn|ack) == syn counter "
		"name in-%1$s\n";
	_cleanup_(freep) char *text = NULL;
	_cleanup_(closep) int fd = -1;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		abort();
	for (size_t i = 0; i < countof(hooks); i++)
		(void)fprintf(f, format, hooks[i].name, hooks[i].hook, hooks[i].priority, OUT_PORT,
			IN_PORT);
	(void)fclose(f);
	fd = ctl_run_text(text);
	return nft_load(fd);
}

static bool was_seen(const json_t *all, const char *direction, const char *hook)
{
	_cleanup_(freep) char *name = xasprintf("%s-%s", direction, hook);
	json_t *entry;
	size_t i;

	json_array_foreach(json_object_get(all, "nftables"), i, entry) {
		const json_t *counter = json_object_get(entry, "counter");
		const char *is = ctl_text_of(counter, "name");

		if (is && strcmp(is, name) == 0)
			return json_integer_value(json_object_get(counter, "packets")) > 0;
	}
	return false;
}

/* The last that saw it, as an index. */
static int last_hook(const char *direction)
{
	const char *const argv[] = { "nft", "-j", "list", "counters", "table", "ip", "hoody-doctor",
		NULL };
	_cleanup_json_ json_t *all = ctl_run_json(argv);
	int last = countof(hooks) - 1;

	while (last > 0 && !was_seen(all, direction, hooks[last].name))
		last--;
	return last;
}

/* --- the copy --- */

struct copy {
	int inside, host, outside; /* network namespaces */
	char link[IF_NAMESIZE], uplink[IF_NAMESIZE];
	char container[INET_ADDRSTRLEN];
	char *others; /* ip(8)'s commands that make links of the host's other names */
};

/* The link that the best default route leaves by. */
static void find_uplink(char ret[static IF_NAMESIZE])
{
	FILE *f = fopen(CTL_ROUTE_FILE, "re");

	if ((!f || !ctl_route_next(f, ret)) && !ctl_route_way(ret))
		(void)snprintf(ret, IF_NAMESIZE, UPLINK_NAME);
	if (f)
		(void)fclose(f);
}

/* Tables name links by their indices, and can't be loaded where those are not. */
static void name_others(struct copy *c, const char *prefix)
{
	struct if_nameindex *all = if_nameindex();
	size_t size, n = 0;
	FILE *f = open_memstream(&c->others, &size);

	if (!f)
		abort();
	for (struct if_nameindex *i = all; i && i->if_name && n < LINKS_MAX; i++) {
		if (strncmp(i->if_name, prefix, strlen(prefix)) == 0 ||
			strcmp(i->if_name, c->uplink) == 0 || strcmp(i->if_name, "lo") == 0 ||
			strpbrk(i->if_name, " \t\n#\"'\\"))
			continue;
		(void)fprintf(
			f, "link add %s type veth peer name hoody-peer%zu\n", i->if_name, n++);
	}
	(void)fclose(f);
	if_freenameindex(all);
}

static int ip_batch(int ns, const char *text)
{
	const char *const argv[] = { "ip", "-force", "-batch", "-", NULL };
	_cleanup_(closep) int fd = ctl_run_text(text);
	int r;

	if (fd < 0 || setns(ns, CLONE_NEWNET) < 0)
		return -EIO;
	r = ctl_run(argv, fd, -1);
	return r < 0 ? r : 0; /* that a name can't be had again is no matter: connections tell */
}

static int new_namespace(void)
{
	if (unshare(CLONE_NEWNET) < 0)
		return -errno;
	return open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
}

static int write_one(const char *path)
{
	_cleanup_(closep) int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 || write(fd, "1", 1) != 1 ? -EIO : 0;
}

static int make_copy(struct copy *c)
{
	_cleanup_(freep) char *host = NULL, *inside = NULL;
	int r;

	c->inside = new_namespace();
	c->outside = new_namespace();
	c->host = new_namespace();
	if (c->inside < 0 || c->outside < 0 || c->host < 0)
		return -EPERM;
	host = xasprintf("link set lo up\n"
			 "link add %1$s type veth peer name eth0 netns /proc/%2$d/fd/%3$d\n"
			 "link add %4$s type veth peer name eth0 netns /proc/%2$d/fd/%5$d\n"
			 "addr add 169.254.0.1/32 dev %1$s\nlink set %1$s up\n"
			 "addr add 198.51.100.1/24 dev %4$s\nlink set %4$s up\n"
			 "route add %6$s/32 dev %1$s\nroute add default via " WORLD "\n%7$s",
		c->link, (int)getpid(), c->inside, c->uplink, c->outside, c->container, c->others);
	inside = xasprintf("addr add %s/32 dev eth0\nlink set eth0 up\n"
			   "route add 169.254.0.1 dev eth0\n"
			   "route add default via 169.254.0.1 dev eth0\n",
		c->container);
	r = ip_batch(c->host, host);
	if (r >= 0)
		r = write_one("/proc/sys/net/ipv4/ip_forward");
	if (r >= 0)
		r = ip_batch(c->inside, inside);
	if (r >= 0)
		r = ip_batch(c->outside, "addr add " WORLD "/24 dev eth0\nlink set eth0 up\n"
					 "route add default via 198.51.100.1\n");
	return r < 0 || setns(c->host, CLONE_NEWNET) < 0 ? -EIO : 0;
}

/* --- the trial --- */

static int socket_in(int ns, int back)
{
	int fd;

	if (setns(ns, CLONE_NEWNET) < 0)
		return -1;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return setns(back, CLONE_NEWNET) < 0 ? -1 : fd;
}

static bool connects(const struct copy *c, int from, int to, const char *address, uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	_cleanup_(closep) int listener = socket_in(to, c->host), fd = socket_in(from, c->host);
	struct pollfd wait = { .fd = fd, .events = POLLOUT };
	int e = 0;
	socklen_t len = sizeof(e);

	if (inet_pton(AF_INET, address, &at.sin_addr) != 1 || listener < 0 || fd < 0 ||
		bind(listener, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(listener, 1) < 0)
		return false;
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0 && errno != EINPROGRESS)
		return false;
	return poll(&wait, 1, ANSWER_MS) == 1 &&
	       getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len) == 0 && e == 0;
}

static int load(const struct ctl_packet_table *t, const struct legacy *legacy, int text)
{
	return !t->name ? 0 : t->family ? nft_load(text) : legacy_write(legacy);
}

/* The child's exit code. */
static int try_table(struct copy *c, const struct ctl_packet_table *t)
{
	struct legacy legacy = {};
	int text = -1, r = 0;

	if (t->name && t->family)
		r = text = nft_read(t);
	else if (t->name)
		r = legacy_read(t->name, &legacy);
	if (r < 0 || make_copy(c) < 0 || count_hooks() < 0 || load(t, &legacy, text) < 0)
		return CODE_UNTRIED;
	if (!connects(c, c->inside, c->outside, WORLD, OUT_PORT))
		return CODE_OUT + last_hook("out");
	if (!connects(c, c->outside, c->inside, c->container, IN_PORT))
		return CODE_IN + last_hook("in");
	return CODE_PASSES;
}

/* Never returns. Its namespaces, and all that is in them, end with it. */
static void be_child(
	pid_t parent, const struct ctl_packet_world *w, const struct ctl_packet_table *t)
{
	const uint32_t address = htonl(w->container);
	struct copy c = {};

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)alarm(TRIAL_S);
	if (getppid() != parent)
		_exit(CODE_UNTRIED);
	(void)snprintf(c.link, sizeof(c.link), "%s000000000000", w->prefix);
	(void)inet_ntop(AF_INET, &address, c.container, sizeof(c.container));
	find_uplink(c.uplink);
	name_others(&c, w->prefix);
	_exit(try_table(&c, t));
}

enum ctl_packet_end ctl_packet_try(
	const struct ctl_packet_world *w, const struct ctl_packet_table *t, const char **ret_where)
{
	pid_t parent = getpid(), child = fork();
	int status, code;

	if (child == 0)
		be_child(parent, w, t);
	if (child < 0 || waitpid(child, &status, 0) < 0 || !WIFEXITED(status))
		return CTL_PACKET_UNTRIED;
	code = WEXITSTATUS(status);
	if (code == CODE_PASSES || code == CODE_UNTRIED)
		return code == CODE_PASSES ? CTL_PACKET_PASSES : CTL_PACKET_UNTRIED;
	*ret_where = hooks[(size_t)(code - CODE_OUT) % countof(hooks)].said;
	return code < (int)CODE_IN ? CTL_PACKET_NOT_OUT : CTL_PACKET_NOT_IN;
}
