/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "agent/worker/worker_act.h"
#include "agent/worker/worker_job.h"
#include "netfilter/ctflow.h"
#include "netfilter/fwtable.h"
#include "netns/rtkeep.h"
#include "netns/rtlink.h"
#include "storage/netfiles.h"

static const char *text(const struct job *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j->link, key));

	return s ? s : "";
}

static int cut_address(uint8_t family, const void *address)
{
	struct nfsock *s = NULL;
	int r = nfsock_open(&s);

	if (r >= 0)
		r = ctflow_cut(s, family, address, NULL);
	nfsock_close(s);
	return r;
}

/* Of who had its addresses before, of its own before rules that came while it was stopped, and of
 * who spoke to them meanwhile. */
static int cut_flows(const void *userdata, struct err *err)
{
	static const struct {
		uint8_t family;
		const char *key;
	} all[] = { { AF_INET, "address" }, { AF_INET6, "address6" } };
	const struct job *j = userdata;
	uint8_t address[16];
	int r = 0;

	for (size_t i = 0; r >= 0 && i < countof(all); i++)
		if (inet_pton(all[i].family, text(j, all[i].key), address) == 1 &&
			!ctflow_is_absent(all[i].family, address))
			r = cut_address(all[i].family, address);
	return r < 0 ? err_set(err, r, ERR_FIREWALL_HOST_UNAVAILABLE, NULL,
			       "what others have left under the container's address can't be cut: "
			       "%s",
			       strerror(-r))
		     : 0;
}

static int make_policy(const struct job *j, struct err *err)
{
	const struct rtkeep_policy p = { FWTABLE_PROXY_MARK, FWTABLE_UNSEEN_MARK,
		text(j, "subnet4"), text(j, "subnet6") };
	struct rtkeep *k = NULL;
	int r = rtkeep_open(&k);

	if (r >= 0)
		r = rtkeep_policy(k, &p);
	(void)rtkeep_close(k);
	return r < 0 ? err_set(err, r, ERR_INTERNAL, NULL,
			       "packets can't be routed to the forwarders, nor stopped without a "
			       "firewall: %s",
			       strerror(-r))
		     : 0;
}

static bool read_mac(const char *s, uint8_t ret[static ETH_ALEN])
{
	unsigned b[ETH_ALEN];
	char end;

	if (sscanf(s, "%2x:%2x:%2x:%2x:%2x:%2x%c", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
		    &end) != ETH_ALEN)
		return false;
	for (int i = 0; i < ETH_ALEN; i++)
		ret[i] = (uint8_t)b[i];
	return true;
}

static int read_link(const struct job *j, struct rtlink *ret, struct err *err)
{
	struct in_addr address;

	if (strlen(text(j, "name")) >= sizeof(ret->name) || !read_mac(text(j, "mac"), ret->mac) ||
		inet_pton(AF_INET, text(j, "address"), &address) != 1)
		return err_set(err, -EINVAL, ERR_CHANNEL, "link", "the job's link can't be read");
	strcpy(ret->name, text(j, "name"));
	ret->address = ntohl(address.s_addr);
	ret->has_address6 = inet_pton(AF_INET6, text(j, "address6"), ret->address6) == 1;
	ret->limit_bps = (uint64_t)json_integer_value(json_object_get(j->link, "limit_bps"));
	ret->unseen_mark = FWTABLE_UNSEEN_MARK;
	return 0;
}

/* Flows are cut before the link is up: one that is seen over it is the container's own. It has the
 * job's turn with its worker, so no successor is beside it; and says how it went before it ends,
 * which takes its time. */
_Noreturn static void make_link(const struct job *j, const struct ctuserns *u, int says)
{
	struct rtlink link = {};
	struct err err = {};
	int r;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_NAME, "hoody-netup");
	if (dup2(u->leave, STDOUT_FILENO) < 0 || (j->turn >= 0 && dup2(j->turn, STDIN_FILENO) < 0))
		_exit(EXIT_FAILURE);
	keep_fd(says);
	r = read_link(j, &link, &err);
	if (r >= 0)
		r = ctuserns_await_net(&(struct ctuserns){ .leave = STDOUT_FILENO }, &err);
	if (r >= 0)
		r = rtlink_make(&link, u->holder, cut_flows, j, &err);
	if (r >= 0 || err.code != ERR_NONE)
		r = write_all(KEPT_FD, &err, sizeof(err));
	_exit(r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* Beside the rest of a launch, most of whose time is the kernel's waiting; so is a link's. */
static int begin_link(void *userdata, const struct ctuserns *u, struct err *err)
{
	struct job *j = userdata;
	_cleanup_(closep) int says = -1;
	int ends[2], r = pipe2(ends, O_CLOEXEC) < 0 ? -errno : 0;

	if (r >= 0) {
		j->linked = ends[0];
		says = ends[1];
		j->linker = fork();
		r = j->linker < 0 ? -errno : 0;
	}
	if (r < 0)
		return err_set(err, r, ERR_INTERNAL, NULL,
			"who makes the container's link can't be started: %s", strerror(-r));
	if (j->linker == 0)
		make_link(j, u, says);
	return 0;
}

static int end_link(void *userdata, struct err *err)
{
	const struct job *j = userdata;
	struct err said;

	if (read_all(j->linked, &said, sizeof(said)) != sizeof(said))
		return err_set(err, -EPIPE, ERR_INTERNAL, NULL,
			"who makes the container's link has ended without a word");
	if (said.code == ERR_NONE)
		return 0;
	*err = said;
	return -MAX_OF(said.errnum, 1);
}

void worker_net_hook(struct job *j)
{
	if (!j->link)
		return;
	j->life.begin_link = begin_link;
	j->life.end_link = end_link;
}

int worker_net_prepare(struct job *j, struct err *err)
{
	return !j->link || json_is_true(json_object_get(j->params, "routed")) ? 0
									      : make_policy(j, err);
}

int worker_net_write_files(
	struct job *j, int root, const char *hostname, bool fresh, struct err *err)
{
	char own[CTSPEC_HOSTNAME_MAX + 1];
	const struct netfiles n = { .dns = text(j, "dns"),
		.address = text(j, "address"),
		.hostname = hostname ? hostname : own };

	ctspec_hostname(&j->life.spec, own);
	return netfiles_write(root, &n, fresh, err);
}

int worker_net_sweep(struct job *j, struct err *err)
{
	const json_t *links = json_object_get(j->params, "links"), *v;
	size_t i;
	int r = 0;

	json_array_foreach(links, i, v) {
		r = rtlink_remove_index((int)json_integer_value(v), err);
		if (r < 0)
			break;
	}
	return r;
}
