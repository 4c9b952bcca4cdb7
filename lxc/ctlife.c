/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The life of one container, by liblxc where it must be (start) and by the kernel where it can
 * be (all else). Whether it runs is what lxc/ctprobe.h finds in the cgroup, never what liblxc
 * believes.
 *
 * A launch: lock the groups, make its user and network namespaces, clear what is left of the last
 * run, write the directory anew, enter the group as its worker, let liblxc start it (its
 * monitor is forked from here and stays: hence ctlife_reset() and the care for what this process
 * has), look for init, hold its filter and the limits against what the kernel gives back, write
 * the mark. No mark: the launch died half-way, and the next one clears it away.
 *
 * A stop asks init in the ways of lxc/ctsignal.h and waits. One that hears and doesn't end in time
 * goes on running, and that is the answer; one that can't hear is cleared away by force, as
 * ctlife_kill() does at once. */
#include "lxc/ctlife.h"

#include <fcntl.h>
#include <malloc.h>
#include <lxc/lxccontainer.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "lxc/ctexit.h"
#include "lxc/ctfilter.h"
#include "lxc/ctmonitor.h"
#include "lxc/ctprobe.h"
#include "lxc/ctsignal.h"
#include "proto/clock.h"

#define MONITOR_SPARE   (32 * 1024)
#define KILL_WAIT_MS    5000
#define MONITOR_WAIT_MS 3000 /* the monitor clears away namespaces and groups: some 30 ms */
#define POLL_MS         2
#define HEARS_NOTHING   1
#define LOG_TAIL        4096

/* --- a clean slate --- */

/* By the system call: glibc hides its own two signals (32 and 33), which posix_spawn(3) has left
 * ignored. */
static void reset_signals(void)
{
	static const uint64_t
		default_action[8]; /* struct sigaction of the kernel: SIG_DFL, no flags, no mask */
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)syscall(SYS_rt_sigaction, sig, default_action, NULL,
			sizeof(uint64_t)); /* KILL and STOP refuse */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Without CAP_SYS_RESOURCE a hard limit can't be raised: then the soft one alone, as far as it
 * goes. */
static void set_limit(int resource, rlim_t soft, rlim_t hard)
{
	struct rlimit now;

	if (setrlimit((__rlimit_resource_t)resource, &(struct rlimit){ soft, hard }) == 0 ||
		getrlimit((__rlimit_resource_t)resource, &now) < 0)
		return;
	now.rlim_cur = MIN_OF(soft, now.rlim_max);
	(void)setrlimit((__rlimit_resource_t)resource, &now);
}

/* What login gives a fresh process (systemd.exec(5)); the agent's own limits are not a container's
 * business. */
static void reset_limits(void)
{
	static const struct {
		int resource;
		rlim_t soft, hard;
	} wanted[] = {
		{ RLIMIT_NOFILE, 1024, 524288 },
		{ RLIMIT_CORE, 0, RLIM_INFINITY },
		{ RLIMIT_STACK, 8 * 1024 * 1024, RLIM_INFINITY },
		{ RLIMIT_AS, RLIM_INFINITY, RLIM_INFINITY },
		{ RLIMIT_DATA, RLIM_INFINITY, RLIM_INFINITY },
		{ RLIMIT_CPU, RLIM_INFINITY, RLIM_INFINITY },
		{ RLIMIT_FSIZE, RLIM_INFINITY, RLIM_INFINITY },
		{ RLIMIT_MEMLOCK, 8 * 1024 * 1024, 8 * 1024 * 1024 },
	};

	for (size_t i = 0; i < countof(wanted); i++)
		set_limit(wanted[i].resource, wanted[i].soft, wanted[i].hard);
}

/* When it can't be told it is taken for there: a start then fails rather than be unconfined. */
static bool has_apparmor(void)
{
	return access("/sys/kernel/security/apparmor/profiles", F_OK) == 0 ||
	       (errno != ENOENT && errno != ENOTDIR);
}

static void write_self(const char *path, const char *text)
{
	_cleanup_(closep) int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, text, strlen(text)) < 0)
		return; /* a lower score than root may set: stays */
}

void ctlife_reset(void)
{
	reset_signals();
	reset_limits();
	write_self("/proc/self/oom_score_adj", "0");
	(void)setpriority(PRIO_PROCESS, 0, 0);
	(void)umask(022);
	if (chdir("/") < 0)
		abort();
	(void)clearenv();
	/* No newuidmap to be found (it is in /usr/bin): liblxc then writes the id maps itself, as
	 * root may. What it does need is apparmor_parser, for the generated profile. */
	(void)setenv("PATH", has_apparmor() ? "/usr/sbin:/sbin" : "/nonexistent", 1);
}

/* --- configuration --- */

static int set_item(const char *key, const char *value, void *userdata)
{
	struct lxc_container *c = userdata;

	return c->set_config_item(c, key, value) ? 0 : -EINVAL;
}

static struct ctconf_host look_at_host(const struct ctgroup *g)
{
	return (struct ctconf_host){
		.hybrid = ctgroup_is_hybrid(g),
		.v1_memory = ctgroup_has_v1(g, "memory"),
		.v1_cpu = ctgroup_has_v1(g, "cpu"),
		.v1_pids = ctgroup_has_v1(g, "pids"),
		.v1_devices = ctgroup_has_v1(g, "devices"),
		.apparmor = has_apparmor(),
	};
}

/* It stands there from the last start: a file that is cut short and written anew waits for its
 * filesystem. */
static int write_policy(const char *dir)
{
	const size_t size = strlen(ctconf_seccomp_policy);
	_cleanup_(freep) char *path = xasprintf("%s/seccomp", dir), *old = xcalloc(1, size + 1);
	_cleanup_(closep) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -errno;
	if (read_all(fd, old, size + 1) == (ssize_t)size &&
		memcmp(old, ctconf_seccomp_policy, size) == 0)
		return 0;
	if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	return write_all(fd, ctconf_seccomp_policy, size);
}

static char *mark_of(const struct ctlife *l)
{
	return xasprintf("%s/%s/started", l->paths.lxc, l->spec.id);
}

static int mark_started(const struct ctlife *l, struct err *err)
{
	_cleanup_(freep) char *path = mark_of(l);
	_cleanup_(closep) int fd =
		open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd < 0 ? err_set(err, -errno, ERR_INTERNAL, "StateDirectory", "can't write %s: %s",
				path, strerror(errno))
		      : 0;
}

int ctlife_is_started(const struct ctlife *l, pid_t *ret_pid, int *ret_pidfd, struct err *err)
{
	_cleanup_(freep) char *path = mark_of(l);
	int r;

	if (access(path, F_OK) < 0)
		return errno == ENOENT ? 0
				       : err_set(err, -errno, ERR_INTERNAL, "StateDirectory",
						 "can't look for %s: %s", path, strerror(errno));
	r = ctprobe_find(l->groups, l->spec.id, ret_pid, ret_pidfd, err);
	return r < 0 ? r : r >= CTPROBE_RUNNING;
}

static int prepare_directory(struct ctlife *l, struct err *err)
{
	_cleanup_(freep) char *dir = xasprintf("%s/%s", l->paths.lxc, l->spec.id);
	_cleanup_(freep) char *log = xasprintf("%s/lxc.log", dir);
	_cleanup_(freep) char *console = xasprintf("%s/console.log", dir);
	_cleanup_(freep) char *mark = mark_of(l);
	int r = mkdir(dir, 0700) < 0 && errno != EEXIST ? -errno : write_policy(dir);

	if (r < 0)
		return err_set(err, r, ERR_INTERNAL, "StateDirectory", "can't write to %s: %s", dir,
			strerror(-r));
	(void)unlink(log); /* the last start's: its words must not explain this one */
	(void)unlink(console);
	(void)unlink(mark);
	return 0;
}

struct ctspec_limits ctlife_limits(const struct ctlife *l, const struct ctspec_limits *own)
{
	struct ctspec_limits all = *own;

	if (all.pids == 0)
		all.pids = l->bounds.tasks;
	if (all.memory_bytes == 0)
		all.memory_bytes = l->bounds.memory;
	return all;
}

/* With a limit whose controller is missing liblxc starts nothing. Who asked for one is told so by
 * verify_limits(); what is our bound alone holds nobody back. */
static struct ctspec_limits enforced(const struct ctlife *l)
{
	struct ctspec_limits all = ctlife_limits(l, &l->spec.limits);

	if (!ctgroup_has(l->groups, "memory"))
		all.memory_bytes = 0;
	if (!ctgroup_has(l->groups, "pids"))
		all.pids = 0;
	if (!ctgroup_has(l->groups, "cpu"))
		all.cpu_cores = 0;
	return all;
}

static int make_container(struct ctlife *l, struct lxc_container **ret, struct err *err)
{
	struct ctconf_host host = look_at_host(l->groups);
	struct lxc_container *c = lxc_container_new(l->spec.id, l->paths.lxc);
	struct ctspec bounded = l->spec;
	int r;

	if (!c)
		return err_set(
			err, -ENOMEM, ERR_INTERNAL, NULL, "liblxc gives no container object");
	bounded.limits = enforced(l);
	c->clear_config(c);
	/* Loading, though of nothing, is what gives the configuration its name, by which the
	 * AppArmor profile goes (load_config_locked in liblxc's lxccontainer.c). */
	r = c->load_config(c, "/dev/null") ? ctconf_each(&bounded, &l->paths, &host, set_item, c)
					   : -EINVAL;
	if (r < 0) {
		lxc_container_put(c);
		return err_set(
			err, r, ERR_INTERNAL, NULL, "liblxc refuses the generated configuration");
	}
	*ret = c;
	return 0;
}

/* --- launch --- */

/* An ERROR line of liblxc's log says what went wrong better than any code. */
static void read_log(const struct ctlife *l, char *ret, size_t size)
{
	_cleanup_(freep) char *path = xasprintf("%s/%s/lxc.log", l->paths.lxc, l->spec.id);
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char text[LOG_TAIL + 1];
	off_t end = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	ssize_t n = end <= 0 ? 0 : pread(fd, text, LOG_TAIL, end > LOG_TAIL ? end - LOG_TAIL : 0);
	char *line, *first, *said;

	(void)snprintf(ret, size, "liblxc said nothing");
	if (n <= 0)
		return;
	text[n] = '\0';
	/* The first error of the tail is the cause, those after it follow from it. */
	first = strstr(text, " ERROR ");
	if (!first)
		return;
	line = strstr(first, " - ");
	line = line ? line + 3 : first;
	/* Where in its source that stands is for those who read the log. */
	said = strstr(line, " - ");
	if (said && strcspn(line, "\n") > (size_t)(said - line))
		line = said + 3;
	(void)snprintf(ret, size, "%.*s", (int)strcspn(line, "\n"), line);
}

static int64_t read_limit(struct ctlife *l, const char *controller, const char *v1, const char *v2)
{
	char text[128];

	if (ctgroup_read(l->groups, controller, l->spec.id,
		    ctgroup_has_v1(l->groups, controller) ? v1 : v2, text, sizeof(text)) < 0)
		return -1;
	return strtoll(text, NULL, 10);
}

/* liblxc accepts keys of controllers that aren't there: only what the kernel gives back is in
 * force. Memory is kept in whole pages. */
static int verify_limits(struct ctlife *l, struct err *err)
{
	const struct ctspec_limits *want = &l->spec.limits;
	int64_t page = sysconf(_SC_PAGESIZE);

	if (want->memory_bytes > 0 && read_limit(l, "memory", "memory.limit_in_bytes",
					      "memory.max") != want->memory_bytes / page * page)
		return err_set(err, -ENOTSUP, ERR_LIMIT_NOT_SUPPORTED, "limits.memory_bytes",
			"this host does not enforce the memory limit");
	if (want->pids > 0 && read_limit(l, "pids", "pids.max", "pids.max") != want->pids)
		return err_set(err, -ENOTSUP, ERR_LIMIT_NOT_SUPPORTED, "limits.pids",
			"this host does not enforce the pids limit");
	if (want->cpu_cores > 0 && read_limit(l, "cpu", "cpu.cfs_quota_us", "cpu.max") <= 0)
		return err_set(err, -ENOTSUP, ERR_LIMIT_NOT_SUPPORTED, "limits.cpu_cores",
			"this host does not enforce the cpu limit");
	return 0;
}

/* Who has too little memory is killed before it can say anything, and liblxc only sees it gone. */
static int killed_for_memory(struct ctlife *l, struct err *err)
{
	long long limit = (long long)l->spec.limits.memory_bytes;

	if (limit == 0 || ctgroup_oom_kills(l->groups, l->spec.id) <= 0)
		return 0;
	return err_set(err, -ENOMEM, ERR_LIMIT_NOT_SUPPORTED, "limits.memory_bytes",
		"limits.memory_bytes is too small: the container does not start in %lld bytes",
		limit);
}

/* Its monitor opens both when it begins (lxc_inherit_namespaces in liblxc's start.c). */
static int share_spaces(const struct ctuserns *u, struct lxc_container *c, struct err *err)
{
	_cleanup_(freep) char *user = xasprintf("/proc/%d/ns/user", (int)u->holder),
			      *net = xasprintf("/proc/%d/ns/net", (int)u->holder);

	return c->set_config_item(c, "lxc.namespace.share.user", user) &&
			       c->set_config_item(c, "lxc.namespace.share.net", net)
		       ? 0
		       : err_set(err, -EIO, ERR_INTERNAL, NULL,
				 "the container's namespaces can't be handed to liblxc");
}

static int enter_groups(struct ctlife *l, struct err *err)
{
	int r = ctgroup_enter_worker(l->groups, l->spec.id);

	if (r >= 0 && l->bounds.wanted)
		r = ctgroup_bound(l->groups, l->spec.id, l->bounds.cgroups, l->bounds.cgroup_depth);
	return r < 0 ? err_set(err, r, ERR_INTERNAL, "Containers.CgroupPrefix",
			       "the container's cgroup can't be made: %s", strerror(-r))
		     : 0;
}

/* Is its monitor there for it? Else it ends with that, if it has not ended before. */
static int start(struct ctlife *l, struct lxc_container *c, bool *ret_watched, struct err *err)
{
	const char *state;
	bool ok;

	/* Without the one it would never return, without the other the monitor would keep what
	 * this process has open. */
	if (!c->want_daemonize(c, true) || !c->want_close_all_fds(c, true))
		return err_set(err, -EIO, ERR_INTERNAL, NULL,
			"liblxc refuses to start a container in the background");
	/* The monitor keeps what this process has touched, for each container: what the filter's
	 * making takes goes back at once (128 KiB). */
	(void)mallopt(M_TRIM_THRESHOLD, MONITOR_SPARE);
	(void)mallopt(M_TOP_PAD, 0);
	(void)malloc_trim(0);
	/* What is forked now stays: in ps and in the kernel's messages it goes by its own name. */
	(void)prctl(PR_SET_NAME, "lxc-monitor");
	ok = c->start(c, 0, NULL);
	/* The monitor says that init runs before it has made its own loop, and kills init when it
	 * can't, or when it fails of a first question. It answers from that loop (__lxc_start in
	 * liblxc's start.c). */
	state = ok ? c->state(c) : NULL;
	*ret_watched = state && strcmp(state, "RUNNING") == 0;
	(void)prctl(PR_SET_NAME, program_invocation_short_name);
	if (!ok) {
		char why[300];
		int r = killed_for_memory(l, err);

		if (r < 0)
			return r;
		read_log(l, why, sizeof(why));
		/* start_start in liblxc's start.c: the container's fault, not ours. */
		if (strstr(why, "Failed to exec \""))
			return err_set(err, -ENOEXEC, ERR_INIT_FAILED, "/sbin/init",
				"the container does not start: %s", why);
		return err_set(
			err, -EIO, ERR_INTERNAL, NULL, "the container does not start: %s", why);
	}
	return 0;
}

/* Its monitor is forked, and asked, where nobody of the host is. */
static int start_away(struct ctlife *l, struct lxc_container *c, bool *ret_watched, struct err *err)
{
	_cleanup_(closep) int back = -1;
	int r = ctmonitor_enter(l->monitors, &back, err);

	if (r < 0)
		return r;
	r = start(l, c, ret_watched, err);
	ctmonitor_leave(back);
	return r;
}

int ctlife_prepare(struct ctlife *l, struct err *err)
{
	const struct ctuserns_bounds *b = l->bounds.wanted ? &l->bounds.user : NULL;

	return l->spaces.maker > 0 ? 0 : ctuserns_make(l->spec.id_base, b, &l->spaces, err);
}

void ctlife_let_go(struct ctlife *l)
{
	if (l->spaces.maker > 0)
		ctuserns_let_go(&l->spaces);
}

/* What was begun ahead may have failed of what has passed since. */
static int have_spaces(struct ctlife *l, struct err *err)
{
	int r = ctuserns_await(&l->spaces, err);

	if (r >= 0)
		return r;
	ctlife_let_go(l);
	r = ctlife_prepare(l, err);
	return r < 0 ? r : ctuserns_await(&l->spaces, err);
}

/* The link takes longest, and is begun first. The group is entered last: who waits for that
 * (agent/worker/worker_ahead.c) has done all else by then. */
static int make_ready_and_start(struct ctlife *l, bool *ret_watched, struct err *err)
{
	struct lxc_container *c = NULL;
	int r = have_spaces(l, err);

	if (r >= 0)
		r = l->begin_link ? l->begin_link(l->userdata, &l->spaces, err)
				  : ctuserns_await_net(&l->spaces, err);
	if (r >= 0 && l->make_ready)
		r = l->make_ready(l->userdata, err);
	if (r >= 0)
		r = prepare_directory(l, err);
	if (r >= 0)
		r = make_container(l, &c, err);
	if (r >= 0)
		r = share_spaces(&l->spaces, c, err);
	if (r >= 0)
		r = enter_groups(l, err);
	if (r >= 0 && l->end_link)
		r = l->end_link(l->userdata, err);
	if (r >= 0)
		r = start_away(l, c, ret_watched, err);
	if (c)
		lxc_container_put(c);
	return r;
}

/* A session that was on its way may come in between the two, and goes with the next. */
static int clear_leftovers(struct ctlife *l, struct err *err)
{
	int64_t end_ms = clock_ms(CLOCK_MONOTONIC) + KILL_WAIT_MS;
	int r;

	for (;;) {
		r = ctgroup_kill(l->groups, l->spec.id, KILL_WAIT_MS);
		if (r >= 0)
			r = ctgroup_remove(l->groups, l->spec.id);
		if (r != -EBUSY || clock_ms(CLOCK_MONOTONIC) >= end_ms)
			break;
		(void)poll(NULL, 0, POLL_MS);
	}
	if (r < 0)
		return err_set(err, r, ERR_INTERNAL, NULL,
			"what is left of the container's cgroups can't be removed: %s",
			strerror(-r));
	return 0;
}

static int ended_at_once(struct ctlife *l, struct err *err)
{
	_cleanup_(freep) char *path = xasprintf("%s/%s/console.log", l->paths.lxc, l->spec.id);
	_cleanup_(freep) char *text = ctexit_last_words(path);
	int r = killed_for_memory(l, err);

	return r < 0 ? r
		     : err_set(err, -ESRCH, ERR_INTERNAL, NULL,
			       "the container's init ended at once%s%s",
			       *text ? "; its console says: " : "", text);
}

/* Held by a launch, and by who clears away what is left (ctlife_look_after): a group that one has
 * just made is empty, and the other would remove it. Not inherited by what a worker forks, and gone
 * with the worker (F_SETLK in fcntl(2)). Who clears away makes nothing (@flags): the container may
 * have been deleted meanwhile. Its descriptor, or negative. */
static int lock_groups(const struct ctlife *l, int flags, struct err *err)
{
	_cleanup_(freep) char *dir = xasprintf("%s/%s", l->paths.lxc, l->spec.id);
	_cleanup_(freep) char *path = xasprintf("%s/lock", dir);
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	_cleanup_(closep) int fd = -1;

	if (!(flags & O_CREAT) || mkdir(dir, 0700) == 0 || errno == EEXIST)
		fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
	if (fd < 0 || fcntl(fd, F_SETLKW, &whole) < 0)
		return err_set(err, -errno, ERR_INTERNAL, "StateDirectory", "can't lock %s: %s",
			path, strerror(errno));
	return take_fd(&fd);
}

int ctlife_look_after(struct ctlife *l, bool over, struct err *err)
{
	_cleanup_(closep) int lock = lock_groups(l, 0, err);
	int r = lock < 0 ? lock : ctprobe_find(l->groups, l->spec.id, NULL, NULL, err);

	if (r < 0 || r >= CTPROBE_RUNNING || !over)
		return MIN_OF(r, 0);
	return clear_leftovers(l, err);
}

int ctlife_launch(struct ctlife *l, pid_t *ret_pid, int *ret_pidfd, struct err *err)
{
	_cleanup_(closep) int lock = -1;
	bool is_watched = false;
	int r = ctlife_is_started(l, ret_pid, ret_pidfd, err);

	if (r != 0)
		return MIN_OF(r, 0);
	r = lock = lock_groups(l, O_CREAT, err);
	if (r >= 0)
		r = ctlife_prepare(l, err);
	if (r >= 0)
		r = clear_leftovers(l, err);
	if (r >= 0)
		r = make_ready_and_start(l, &is_watched, err);
	if (r < 0)
		return r;
	r = ctprobe_find(l->groups, l->spec.id, ret_pid, ret_pidfd, err);
	if (r < CTPROBE_RUNNING)
		return r < 0 ? r : ended_at_once(l, err);
	r = is_watched ? ctfilter_await(*ret_pid, *ret_pidfd, "the container's init", err)
		       : err_set(err, -EIO, ERR_INTERNAL, NULL,
				 "liblxc's monitor has failed, and ends the container");
	if (r >= 0)
		r = verify_limits(l, err);
	if (r >= 0)
		r = mark_started(l, err);
	if (r < 0)
		*ret_pidfd = closefd(*ret_pidfd);
	return r;
}

/* --- the end --- */

int ctlife_kill(struct ctlife *l, struct err *err)
{
	return clear_leftovers(l, err);
}

/* The monitor notices by itself and clears away; what it has not done in time we do. */
static void let_monitor_finish(struct ctlife *l)
{
	int64_t end_ms = clock_ms(CLOCK_MONOTONIC) + MONITOR_WAIT_MS;

	while (ctgroup_is_populated(l->groups, l->spec.id) > 0 &&
		clock_ms(CLOCK_MONOTONIC) < end_ms)
		(void)poll(NULL, 0, POLL_MS);
}

int ctlife_ended(struct ctlife *l, struct err *err)
{
	_cleanup_(closep) int pidfd = -1;
	int r = ctprobe_find(l->groups, l->spec.id, NULL, &pidfd, err);
	struct pollfd init = { .fd = pidfd, .events = POLLIN };

	if (r < 0)
		return r;
	/* One that goes on heard nothing: there is nothing to wait for. One that has ended may be
	 * found still, until its monitor has looked (pidfd_open(2)). */
	if (r < CTPROBE_RUNNING || poll(&init, 1, 0) > 0)
		let_monitor_finish(l);
	return clear_leftovers(l, err);
}

bool ctlife_ask(const struct ctlife *l)
{
	_cleanup_(closep) int pidfd = -1;
	struct err ignored = {}; /* who is not asked is killed in the end */
	/* One look, since many others wait for theirs. */
	struct ctsignal init = { .named = l->spec.stop_signal, .unheard = CTSIGNAL_LOOKS };

	if (ctprobe_find(l->groups, l->spec.id, &init.pid, &pidfd, &ignored) < CTPROBE_RUNNING)
		return false;
	init.pidfd = pidfd;
	return ctsignal_ask(&init) > 0 && init.asked;
}

static int ask_until_ended(struct ctsignal *init, int64_t timeout_ms)
{
	struct pollfd p = { .fd = init->pidfd, .events = POLLIN };
	int64_t end_ms = clock_ms(CLOCK_MONOTONIC) + timeout_ms;

	for (;;) {
		int64_t left_ms = end_ms - clock_ms(CLOCK_MONOTONIC);
		int again_ms = ctsignal_ask(init);

		if (again_ms < 0)
			return again_ms == -ESRCH ? 0 : again_ms;
		if (again_ms == 0)
			return HEARS_NOTHING;
		if (poll(&p, 1, (int)MAX_OF(MIN_OF(left_ms, (int64_t)again_ms), (int64_t)0)) > 0)
			return 0;
		if (left_ms <= 0)
			return init->deaf ? HEARS_NOTHING : -ETIMEDOUT;
	}
}

int ctlife_shutdown(struct ctlife *l, bool asked, int64_t timeout_ms, struct err *err)
{
	_cleanup_(closep) int pidfd = -1;
	struct ctsignal init = { .named = l->spec.stop_signal, .asked = asked };
	int r = ctprobe_find(l->groups, l->spec.id, &init.pid, &pidfd, err);

	if (r < 0)
		return r;
	switch ((enum ctprobe_state)r) {
	case CTPROBE_ABSENT:
	case CTPROBE_PARTIAL:
		return clear_leftovers(l, err);
	case CTPROBE_PAUSED:
		return err_set(err, -EPERM, ERR_OPERATION_STATE_CONFLICT, NULL,
			"a paused container can't be stopped: resume it or force-stop it");
	case CTPROBE_RUNNING:
		break;
	}
	init.pidfd = pidfd;
	r = ask_until_ended(&init, timeout_ms);
	if (r == -ETIMEDOUT)
		return err_set(err, r, ERR_TIMEOUT, NULL,
			"the container did not end within %lld ms of being asked; it goes on "
			"running",
			(long long)timeout_ms);
	if (r < 0)
		return err_set(
			err, r, ERR_INTERNAL, NULL, "init can't be signalled: %s", strerror(-r));
	if (r != HEARS_NOTHING)
		let_monitor_finish(l);
	return clear_leftovers(l, err);
}

/* --- pause --- */

/* Straight to the freezer: liblxc's own way does the same after a talk with the monitor, which may
 * be stopped. Ends by the agent's deadline at the latest. */
static int set_frozen(struct ctlife *l, bool frozen, struct err *err)
{
	int r = ctgroup_set_frozen(l->groups, l->spec.id, frozen, -1);

	return r < 0 ? err_set(err, r, ERR_INTERNAL, NULL,
			       "the container's freezer can't be written: %s", strerror(-r))
		     : 0;
}

int ctlife_freeze(struct ctlife *l, struct err *err)
{
	int state = ctprobe_find(l->groups, l->spec.id, NULL, NULL, err);

	if (state < 0 || state == CTPROBE_PAUSED)
		return MIN_OF(state, 0);
	if (state != CTPROBE_RUNNING)
		return err_set(err, -ESRCH, ERR_OPERATION_STATE_CONFLICT, NULL,
			"the container does not run");
	return set_frozen(l, true, err);
}

int ctlife_thaw(struct ctlife *l, struct err *err)
{
	int state = ctprobe_find(l->groups, l->spec.id, NULL, NULL, err);

	if (state < 0)
		return state;
	if (state != CTPROBE_PAUSED && state != CTPROBE_RUNNING)
		return err_set(err, -ESRCH, ERR_OPERATION_STATE_CONFLICT, NULL,
			"the container does not run");
	return set_frozen(l, false, err); /* one that runs may be half frozen */
}
