/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two processes, since who writes a namespace's maps is in the one above it (map_write in
 * kernel/user_namespace.c). The maker, a child of ours, owns and enters the lid, whose maps we
 * write; it sets the bounds, forks the holder below, writes that one's maps and ends. The holder
 * makes the network namespace and holds both. Each wakes another as seldom as can be: that takes
 * longer than all they do. */
#include "lxc/ctuserns.h"

#include <fcntl.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "lxc/ctspec.h"

#define HOLDER_STACK ((size_t)16 * 1024)

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
 * Its ids for files stay root's, whose the files in /proc of such a process are (task_dump_owner in
 * fs/proc/base.c). A namespace has its maker's limits for all in it: that of processes is none,
 * which the group's is for. */
static int become(uint32_t id)
{
	const struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };

	(void)setrlimit(RLIMIT_NPROC, &none); /* who may not raise it has it as it is */
	if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) < 0 ||
		syscall(SYS_setresgid, -1, id, -1) < 0 || syscall(SYS_setresuid, -1, id, -1) < 0)
		return -errno;
	(void)setfsuid(0);
	(void)setfsgid(0);
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

/* Its maker, which has the other end of @userdata, lets it go on once it has maps: /sys asks whose
 * a network namespace is when that is made. */
static int hold(void *userdata)
{
	int *ends = userdata;
	char on;

	closefd(ends[1]);
	if (read(ends[0], &on, 1) != 1)
		return EXIT_FAILURE;
	tell(unshare(CLONE_NEWNET) < 0 ? -errno : 0);
	/* Now that nobody waits: the last who closes that proc waits for its readers. */
	(void)syscall(SYS_close_range, KEPT_FD + 1, ~0u, 0);
	await_leave();
	return EXIT_SUCCESS;
}

/* The holder is our parent's child, as we are, and has our memory: to copy it takes longer than all
 * that is done. It has a stack of its own within ours, which stays since we don't return, and calls
 * nothing but system calls; while we write its maps it waits for the pipe. */
_Noreturn static void make_holder(uint32_t id_base)
{
	_Alignas(16) uint8_t stack[HOLDER_STACK];
	int ends[2], r = pipe2(ends, O_CLOEXEC) < 0 ? -errno : 0;
	pid_t pid;

	if (r < 0)
		tell(r);
	pid = clone(hold, stack + sizeof(stack), CLONE_VM | CLONE_NEWUSER | CLONE_PARENT | SIGCHLD,
		ends);
	r = pid < 0 ? -errno : write_maps(pid, 0, id_base);
	tell(r < 0 ? r : pid);
	_exit(write(ends[1], "", 1) == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
}

_Noreturn static void make(int fd, uint32_t id_base, const struct ctuserns_bounds *b, bool has_lid)
{
	int proc, r;

	keep_fd(fd);
	proc = b && has_lid ? own_proc() : 0;
	r = proc < 0 ? proc : become(id_base);
	if (has_lid) {
		tell(r < 0 || unshare(CLONE_NEWUSER) == 0 ? r : -errno);
		await_leave();
		r = b ? write_bounds(proc, b) : 0;
	}
	if (r < 0)
		tell(r);
	make_holder(id_base);
}

/* --- the one outside --- */

static int hear(int fd)
{
	int r;

	return read(fd, &r, sizeof(r)) == sizeof(r) ? r : -EPIPE;
}

static int fail(int r, struct err *err)
{
	return err_set(err, r, ERR_INTERNAL, NULL,
		"the container's user namespace can't be made: %s", strerror(-r));
}

static int go_on(int fd)
{
	return write(fd, "", 1) == 1 ? 0 : -EPIPE;
}

/* The maker goes on below, and nobody waits for it. */
static int make_lid(const struct ctuserns *u, uint32_t id_base)
{
	int r = hear(u->leave);

	if (r >= 0)
		r = write_maps(u->maker, id_base, id_base);
	return r < 0 ? r : go_on(u->leave);
}

int ctuserns_await(struct ctuserns *u, struct err *err)
{
	int r = u->holder > 0 ? u->holder : hear(u->leave);

	if (r < 0)
		return fail(r, err);
	u->holder = r;
	return 0;
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
	const pid_t all[] = { u->maker, u->holder };

	closefd(u->leave);
	for (size_t i = 0; i < countof(all); i++)
		if (all[i] > 0)
			(void)waitpid(all[i], NULL, 0);
	*u = (struct ctuserns){ .leave = -1 };
}

int ctuserns_make(
	uint32_t id_base, const struct ctuserns_bounds *b, struct ctuserns *ret, struct err *err)
{
	int ends[2], r = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0 ? -errno : 0;
	bool has_lid = can_have_lid();
	struct ctuserns u = { .maker = r < 0 ? -1 : fork(), .leave = r < 0 ? -1 : ends[0] };

	if (u.maker == 0)
		make(ends[1], id_base, b, has_lid);
	if (r >= 0) {
		r = u.maker < 0 ? -errno : 0;
		closefd(ends[1]);
		if (r >= 0 && has_lid)
			r = make_lid(&u, id_base);
	}
	if (r >= 0) {
		*ret = u;
		return 0;
	}
	ctuserns_let_go(&u);
	return fail(r, err);
}
