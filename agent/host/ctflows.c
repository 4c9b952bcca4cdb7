/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/host/ctflows.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "agent/common/journald.h"
#include "netfilter/ctcut.h"
#include "netfilter/ctflow.h"
#include "proto/clock.h"

#define RETRY_US 1000000

struct address {
	uint32_t four; /* host byte order */
	uint8_t six[16];
};

struct ctflows {
	sd_event *event;
	sd_event_source *child, *again;
	bool failed;    /* the last one, which was said */
	bool diverting; /* the child */
	const struct fwtable *table;
	/* The children's, in turn. Whoever closes the last descriptor of a netfilter socket waits,
	 * with nf_tables' commit mutex held, until its last transactions are cleared away, a grace
	 * period of RCU (nft_rcv_nl_event of Linux): so long nobody's transaction could begin.
	 * NULL: the next child gets another. */
	struct nfsock *sock;
	/* What the next child has to do. */
	bool judge, diverted;
	uint32_t judged;
	struct address *ended;
	size_t n, allocated;
};

static int cut(struct nfsock *s, const struct address *a)
{
	static const uint8_t none[sizeof(a->six)];
	const uint32_t wire = htonl(a->four);
	int r = ctflow_cut(s, AF_INET, &wire, NULL);

	if (r >= 0 && memcmp(a->six, none, sizeof(none)) != 0)
		r = ctflow_cut(s, AF_INET6, a->six, NULL);
	return r;
}

/* A fork of ours, which has no threads: it knows the table, has the socket to itself meanwhile, and
 * touches nothing else. */
static _Noreturn void be_child(const struct ctflows *f)
{
	int r = 0;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_NAME, "hoody-ctflows");
	for (size_t i = 0; r >= 0 && i < f->n; i++)
		r = cut(f->sock, &f->ended[i]);
	if (r >= 0 && f->judge)
		r = ctcut_run(f->table, f->sock, f->judged, f->diverted, NULL);
	_exit(r < 0);
}

static void run(struct ctflows *f);

/* Said once: what may have to be cut waits until it can be. */
static void try_later(struct ctflows *f, int r)
{
	if (!f->failed)
		LOG(LOG_ERR, FIREWALL_FAILED, FIELDS(.errnum = -r),
			"flows that the rules no longer allow could not be cut yet: %s",
			strerror(-r));
	f->failed = true;
	f->sock = nfsock_close(f->sock); /* with answers that nobody waits for any more */
	(void)sd_event_source_set_time(f->again, clock_us(CLOCK_MONOTONIC) + RETRY_US);
	(void)sd_event_source_set_enabled(f->again, SD_EVENT_ONESHOT);
}

static int on_again(sd_event_source *s, uint64_t usec, void *userdata)
{
	run(userdata);
	return 0;
}

/* Which flows it has left isn't known; of addresses that nobody has, a launch cuts them. */
static int on_child(sd_event_source *s, const siginfo_t *si, void *userdata)
{
	struct ctflows *f = userdata;
	const bool failed = si->si_code != CLD_EXITED || si->si_status != 0;

	f->child = sd_event_source_disable_unref(f->child);
	if (failed) {
		f->judge = true;
		f->judged = CTFLOWS_ALL;
		f->diverted = f->diverted || f->diverting;
		try_later(f, -EIO);
		return 0;
	}
	f->failed = false;
	run(f);
	return 0;
}

static int spawn(struct ctflows *f)
{
	pid_t pid;
	int r = f->sock ? 0 : nfsock_open(&f->sock);

	if (r < 0)
		return r;
	pid = fork();
	if (pid == 0)
		be_child(f);
	return pid < 0 ? -errno
		       : sd_event_add_child(f->event, &f->child, pid, WEXITED, on_child, f);
}

static void run(struct ctflows *f)
{
	int r;

	if (f->child || (!f->judge && f->n == 0))
		return;
	r = spawn(f);
	if (r < 0) {
		try_later(f, r);
		return;
	}
	f->diverting = f->diverted;
	f->judge = f->diverted = false;
	f->n = 0;
}

int ctflows_new(sd_event *event, const struct fwtable *table, struct ctflows **ret)
{
	struct ctflows *f = xcalloc(1, sizeof(*f));
	int r;

	f->event = event;
	f->table = table;
	*ret = f;
	r = sd_event_add_time(event, &f->again, CLOCK_MONOTONIC, 0, 1, on_again, f);
	return r < 0 ? r : sd_event_source_set_enabled(f->again, SD_EVENT_OFF);
}

struct ctflows *ctflows_free(struct ctflows *f)
{
	if (f) {
		f->child = sd_event_source_disable_unref(f->child);
		f->again = sd_event_source_disable_unref(f->again);
		nfsock_close(f->sock);
		free(f->ended);
		free(f);
	}
	return NULL;
}

/* Two of them are a walk of all. */
void ctflows_judge(struct ctflows *f, uint32_t address)
{
	f->judged = f->judge && f->judged != address ? CTFLOWS_ALL : address;
	f->judge = true;
	run(f);
}

void ctflows_judge_diverted(struct ctflows *f, uint32_t address)
{
	f->diverted = true;
	ctflows_judge(f, address);
}

void ctflows_end(struct ctflows *f, const struct fwport *port)
{
	struct address a = { .four = port->address };

	memcpy(a.six, port->address6, sizeof(a.six));
	if (f->n == f->allocated) {
		f->allocated = f->allocated ? 2 * f->allocated : 16;
		f->ended = xrealloc(f->ended, f->allocated, sizeof(*f->ended));
	}
	f->ended[f->n++] = a;
	run(f);
}

void ctflows_begin(struct ctflows *f, const struct fwport *port)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++)
		if (f->ended[i].four != port->address)
			f->ended[n++] = f->ended[i];
	f->n = n;
}
