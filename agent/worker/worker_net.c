/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "agent/common/spawn.h"
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

/* Of who had its addresses before, of its own before rules that came while it was stopped, and of
 * who spoke to them meanwhile. */
static int cut_flows(const struct job *j)
{
	struct nfsock *s = NULL;
	uint8_t address[16];
	int r = nfsock_open(&s);

	if (r < 0)
		return r;
	if (inet_pton(AF_INET, text(j, "address"), address) == 1)
		r = ctflow_cut(s, AF_INET, address, NULL);
	if (r >= 0 && inet_pton(AF_INET6, text(j, "address6"), address) == 1)
		r = ctflow_cut(s, AF_INET6, address, NULL);
	nfsock_close(s);
	return r;
}

static int make_policy(struct err *err)
{
	struct rtkeep *k = NULL;
	int r = rtkeep_open(&k);

	if (r >= 0)
		r = rtkeep_policy(k, FWTABLE_PROXY_MARK, FWTABLE_UNSEEN_MARK);
	(void)rtkeep_close(k);
	return r < 0 ? err_set(err, r, ERR_INTERNAL, NULL,
			       "packets can't be routed to the forwarders, nor stopped without a "
			       "firewall: %s",
			       strerror(-r))
		     : 0;
}

static int set_uncut(int r, struct err *err)
{
	return err_set(err, r, ERR_FIREWALL_HOST_UNAVAILABLE, NULL,
		"what others have left under the container's address can't be cut: %s",
		strerror(-r));
}

/* A walk of conntrack is a third of what a launch has to do before liblxc's part: a child does it
 * beside the rest. It has the job's turn with its worker, so no successor is beside it. */
static int begin_cut(struct job *j, struct err *err)
{
	j->cutter = fork();
	if (j->cutter < 0)
		return set_uncut(-errno, err);
	if (j->cutter > 0)
		return 0;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_NAME, "hoody-ctcut");
	(void)closefd(WORKER_JOB_FD); /* the agent goes by its end */
	_exit(-cut_flows(j) & 0xff);
}

/* Before there is a link: a flow that is seen over it is the container's own. */
static int end_cut(void *userdata, struct err *err)
{
	struct job *j = userdata;
	int status = 0, r = waitpid(j->cutter, &status, 0) < 0 ? -errno : 0;

	j->cutter = 0;
	if (r >= 0)
		r = WIFEXITED(status) ? -WEXITSTATUS(status) : -EPIPE;
	return r < 0 ? set_uncut(r, err) : 0;
}

/* Its words come from the agent alone, and none of them needs quoting. */
int worker_net_prepare(struct job *j, struct err *err)
{
	_cleanup_(freep) char *program = spawn_find("hoody-netup");
	int r;

	if (!j->link)
		return 0;
	free(j->netup);
	j->netup =
		xasprintf("%s %s %s %s %s %" PRId64 " %u", program, text(j, "name"), text(j, "mac"),
			text(j, "address"), *text(j, "address6") ? text(j, "address6") : "-",
			(int64_t)json_integer_value(json_object_get(j->link, "limit_bps")),
			FWTABLE_UNSEEN_MARK);
	j->life.paths.netup = j->netup;
	j->life.before_start = end_cut;
	j->life.userdata = j;
	r = begin_cut(j, err);
	if (r == 0 && !json_is_true(json_object_get(j->params, "routed")))
		r = make_policy(err);
	return r;
}

int worker_net_write_files(struct job *j, int root, bool fresh, struct err *err)
{
	const struct ctspec *s = &j->life.spec;
	char hostname[CTSPEC_HOSTNAME_MAX + 1];
	const struct netfiles n = {
		.dns = text(j, "dns"), .address = text(j, "address"), .hostname = hostname
	};

	ctspec_hostname(s, hostname);
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
