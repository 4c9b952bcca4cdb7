/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A child makes the namespaces from inside and holds them; its parent writes their maps, which is
 * for who is outside. Each waits for the other's word on one pair of sockets. */
#include "lxc/ctuserns.h"

#include <fcntl.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "lxc/ctspec.h"

#define BELOW_STACK ((size_t)32 * 1024)

/* --- the one inside --- */

static int write_text_at(int dir, const char *path, const char *text)
{
	_cleanup_(closep) int fd = openat(dir, path, O_WRONLY | O_CLOEXEC);

	return fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static int write_text(const char *path, const char *text)
{
	return write_text_at(AT_FDCWD, path, text);
}

/* Each user namespace that ever looked has names of its own below /proc/sys/user, and the kernel
 * finds one among those of all by going through them (proc_sys_compare): half a millisecond each
 * beside a thousand containers. A proc of our own (since Linux 5.8 each mount is one) has none. */
static int own_proc(void)
{
	_cleanup_(closep) int fs = fsopen("proc", FSOPEN_CLOEXEC);
	int fd = fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0
			 ? -1
			 : fsmount(fs, FSMOUNT_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

/* user_table in kernel/ucount.c. What this kernel doesn't know it doesn't count. */
static int write_bounds(int proc, const struct ctuserns_bounds *b)
{
	const struct {
		const char *name;
		int64_t max;
	} all[] = {
		{ "user_namespaces", b->namespaces },
		{ "pid_namespaces", b->namespaces },
		{ "uts_namespaces", b->namespaces },
		{ "ipc_namespaces", b->namespaces },
		{ "net_namespaces", MIN_OF(b->namespaces, b->net_namespaces) },
		{ "mnt_namespaces", b->namespaces },
		{ "cgroup_namespaces", b->namespaces },
		{ "time_namespaces", b->namespaces },
		{ "inotify_instances", b->inotify },
		{ "inotify_watches", b->watches },
		{ "fanotify_groups", b->inotify },
		{ "fanotify_marks", b->watches },
	};

	for (size_t i = 0; i < countof(all); i++) {
		_cleanup_(freep) char *path = xasprintf("sys/user/max_%s", all[i].name);
		char text[32];
		int r;

		(void)snprintf(text, sizeof(text), "%lld", (long long)all[i].max);
		r = write_text_at(proc, path, text);
		if (r < 0 && r != -ENOENT)
			return r;
	}
	return 0;
}

/* Debian's kernels may want a capability of the host's for each (kernel.unprivileged_userns_clone
 * is 0), which nobody has below another: not in a lid either. */
static bool can_have_lid(void)
{
	_cleanup_(closep) int fd =
		open("/proc/sys/kernel/unprivileged_userns_clone", O_RDONLY | O_CLOEXEC);
	char now = '1';

	return fd < 0 || read(fd, &now, 1) != 1 || now != '0';
}

/* Who makes a namespace owns it, by its effective ids. Capabilities are kept: see can_have_lid().
 * A namespace has its maker's limits for all in it: that of processes is none, which the group's is
 * for. */
static int become(uint32_t id)
{
	const struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };

	(void)setrlimit(RLIMIT_NPROC, &none); /* who may not raise it has it as it is */
	if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) < 0 ||
		syscall(SYS_setresgid, -1, id, -1) < 0 || syscall(SYS_setresuid, -1, id, -1) < 0)
		return -errno;
	return 0;
}

static void tell(int r)
{
	if (write(KEPT_FD, &r, sizeof(r)) != sizeof(r) || r < 0)
		_exit(EXIT_FAILURE);
}

static void await_leave(void)
{
	char leave;

	if (read(KEPT_FD, &leave, 1) != 1)
		_exit(EXIT_SUCCESS);
}

_Noreturn static void inside(
	int fd, uint32_t id_base, const struct ctuserns_bounds *b, bool has_lid)
{
	int proc, r;

	keep_fd(fd);
	proc = own_proc();
	r = proc < 0 ? proc : become(id_base);
	tell(r < 0 || unshare(CLONE_NEWUSER) == 0 ? r : -errno);
	await_leave();
	if (has_lid) {
		r = b ? write_bounds(proc, b) : 0;
		tell(r < 0 || unshare(CLONE_NEWUSER) == 0 ? r : -errno);
		await_leave();
	}
	tell(unshare(CLONE_NEWNET) < 0 ? -errno : 0);
	(void)closefd(proc); /* now that nobody waits: the kernel waits for its readers */
	await_leave();
	_exit(EXIT_SUCCESS);
}

/* --- the one outside --- */

static int hear(int fd)
{
	int r;

	return read(fd, &r, sizeof(r)) == sizeof(r) ? r : -EPIPE;
}

/* @first: what the first of the ids is called inside. */
static int write_maps(pid_t pid, uint32_t first, uint32_t id_base)
{
	_cleanup_(freep) char *uids = xasprintf("/proc/%d/uid_map", pid),
			      *gids = xasprintf("/proc/%d/gid_map", pid),
			      *text = xasprintf(
				      "%u %u %u", first, id_base, (unsigned)CTSPEC_ID_RANGE);
	int r = write_text(uids, text);

	return r < 0 ? r : write_text(gids, text);
}

struct below {
	int lid;
	pid_t pid;
	uint32_t id_base;
};

static int be_below(void *userdata)
{
	const struct below *b = userdata;
	int r = setns(b->lid, CLONE_NEWUSER) < 0 ? -errno : write_maps(b->pid, 0, b->id_base);

	return -r & 0xff;
}

/* Only who is in a namespace, or in the one above, may write its map: map_write in
 * kernel/user_namespace.c. The child has our memory, while we wait: to copy it takes longer than
 * all that it does. By its other credentials the kernel takes that for something to be hidden
 * (commit_creds in kernel/cred.c). */
static int write_maps_below(int lid, pid_t pid, uint32_t id_base)
{
	_Alignas(16) uint8_t stack[BELOW_STACK];
	struct below b = { lid, pid, id_base };
	const int dumpable = prctl(PR_GET_DUMPABLE);
	const pid_t child =
		clone(be_below, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, &b);
	int status, r = child < 0 || waitpid(child, &status, 0) < 0 ? -errno : 0;

	if (dumpable == 1)
		(void)prctl(PR_SET_DUMPABLE, 1);
	if (r < 0)
		return r;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EPIPE;
}

static int open_space(pid_t pid)
{
	_cleanup_(freep) char *path = xasprintf("/proc/%d/ns/user", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int go_on(int fd)
{
	return write(fd, "", 1) == 1 ? 0 : -EPIPE;
}

static int make_lid(pid_t pid, int fd, uint32_t id_base, int *ret)
{
	int r = hear(fd);

	if (r >= 0)
		r = *ret = open_space(pid);
	if (r >= 0)
		r = write_maps(pid, id_base, id_base);
	return r < 0 ? r : go_on(fd);
}

static int make(pid_t pid, int fd, uint32_t id_base, bool has_lid)
{
	_cleanup_(closep) int lid = -1;
	int r = has_lid ? make_lid(pid, fd, id_base, &lid) : 0;

	if (r >= 0)
		r = hear(fd);
	if (r >= 0)
		r = has_lid ? write_maps_below(lid, pid, id_base) : write_maps(pid, 0, id_base);
	return r < 0 ? r : go_on(fd);
}

int ctuserns_await_net(const struct ctuserns *u, struct err *err)
{
	int r = hear(u->leave);

	return r < 0 ? err_set(err, r, ERR_INTERNAL, NULL,
			       "the container's network namespace can't be made: %s", strerror(-r))
		     : 0;
}

void ctuserns_let_go(struct ctuserns *u)
{
	pid_t holder = u->holder;

	ctuserns_leave(u);
	if (holder > 0)
		(void)waitpid(holder, NULL, 0);
}

void ctuserns_leave(struct ctuserns *u)
{
	u->leave = closefd(u->leave);
	u->holder = 0;
}

int ctuserns_make(
	uint32_t id_base, const struct ctuserns_bounds *b, struct ctuserns *ret, struct err *err)
{
	int ends[2], r = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0 ? -errno : 0;
	bool has_lid = can_have_lid();
	struct ctuserns u = { .holder = r < 0 ? -1 : fork(), .leave = r < 0 ? -1 : ends[0] };

	if (u.holder == 0)
		inside(ends[1], id_base, b, has_lid);
	if (r >= 0) {
		r = u.holder < 0 ? -errno : 0;
		closefd(ends[1]);
		if (r >= 0)
			r = make(u.holder, u.leave, id_base, has_lid);
	}
	if (r >= 0) {
		*ret = u;
		return 0;
	}
	ctuserns_let_go(&u);
	return err_set(err, r, ERR_INTERNAL, NULL,
		"the container's user namespace can't be made: %s", strerror(-r));
}
