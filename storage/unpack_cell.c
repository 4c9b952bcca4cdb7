/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/unpack_cell.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "proto/sandbox.h"
#include "storage/unpack.h"

#define LAST_CAP 63
#define HOLD_S   10      /* it takes some milliseconds */
#define PLACE    "/proc" /* any directory that is always there */

/* What a process needs to make any file. */
static const unsigned kept[] = { CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_SETFCAP };

struct cell {
	pid_t parent;
	int users, tree; /* the namespace of its ids, and the mount by them */
};

/* --- its ids --- */

/* In a process of its own: a namespace's ids are written from outside of it. Never returns. Its end
 * is its own, too, if the parent can't bring it about: one with other credentials sends none when
 * it dies, since the kernel asks for the right to. */
static void hold_users(pid_t parent, int tell)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)alarm(HOLD_S);
	if (getppid() != parent || unshare(CLONE_NEWUSER) < 0 || write(tell, "", 1) != 1)
		_exit(1);
	for (;;)
		(void)pause();
}

static int write_map(pid_t holder, const char *name)
{
	_cleanup_(freep) char *path = xasprintf("/proc/%d/%s", (int)holder, name),
			      *map = xasprintf("0 %u %u", UNPACK_ID_BASE, UNPACK_ID_RANGE);
	_cleanup_(closep) int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 || write(fd, map, strlen(map)) < 0 ? -errno : 0;
}

static int take_users(pid_t holder)
{
	_cleanup_(freep) char *path = xasprintf("/proc/%d/ns/user", (int)holder);
	int fd, r = write_map(holder, "uid_map");

	if (r >= 0)
		r = write_map(holder, "gid_map");
	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int make_users(struct cell *c)
{
	pid_t parent = getpid(), holder;
	int ends[2];
	char ready;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	holder = fork();
	if (holder == 0)
		hold_users(parent, ends[1]);
	closefd(ends[1]);
	c->users = holder < 0                      ? -EAGAIN
		   : read(ends[0], &ready, 1) != 1 ? -EPERM
						   : take_users(holder);
	closefd(ends[0]);
	if (holder > 0 && kill(holder, SIGKILL) == 0)
		(void)waitpid(holder, NULL, 0);
	return c->users < 0 ? c->users : 0;
}

/* --- what it sees --- */

static int mount_tree(struct cell *c)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_NOSUID |
					       MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
		.userns_fd = (uint64_t)c->users };

	c->tree = open_tree(UNPACK_TREE, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (c->tree < 0 || mount_setattr(c->tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return -errno;
	return 0;
}

/* The spool is open for writing, too. */
static int take_archive(struct cell *c)
{
	_cleanup_(freep) char *path = xasprintf("/proc/self/fd/%d", UNPACK_ARCHIVE);
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t here = lseek(UNPACK_ARCHIVE, 0, SEEK_CUR);

	return fd < 0 || here < 0 || lseek(fd, here, SEEK_SET) < 0 || dup2(fd, UNPACK_ARCHIVE) < 0
		       ? -errno
		       : 0;
}

static int take_nothing(struct cell *c)
{
	_cleanup_(closep) int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	for (int i = STDIN_FILENO; i <= (SANDBOX_SANITIZED ? STDOUT_FILENO : STDERR_FILENO); i++)
		if (dup2(fd, i) < 0)
			return -errno;
	return 0;
}

/* These namespaces are the host's users': capabilities among its own ids are none in them. */
static int leave_host(struct cell *c)
{
	return unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0 ||
			       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0
		       ? -errno
		       : 0;
}

/* Not chroot(2): what it has left is not there any more, by whatever descriptor. */
static int enter_tree(struct cell *c)
{
	return move_mount(c->tree, "", AT_FDCWD, PLACE, MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
			       fchdir(c->tree) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
			       umount2(".", MNT_DETACH) < 0 || chdir("/") < 0
		       ? -errno
		       : 0;
}

/* --- who it is --- */

static int become(struct cell *c)
{
	return setns(c->users, CLONE_NEWUSER) < 0 || setgroups(0, NULL) < 0 ||
			       setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0
		       ? -errno
		       : 0;
}

static int let_go(struct cell *c)
{
	c->users = c->tree = -1;
	return close_range(UNPACK_ARCHIVE + 1, ~0u, 0) < 0 ? -errno : 0;
}

/* A kernel without keys has none to hide (ENOSYS). */
static int forget_keys(struct cell *c)
{
	return syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS
		       ? -errno
		       : 0;
}

static int drop_capabilities(struct cell *c)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {};

	for (size_t i = 0; i < countof(kept); i++)
		data[kept[i] / 32].effective |= 1u << (kept[i] % 32);
	for (size_t i = 0; i < countof(data); i++)
		data[i].permitted = data[i].effective;
	for (unsigned cap = 0; cap <= LAST_CAP; cap++)
		if (!(data[cap / 32].effective & (1u << (cap % 32))))
			(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); /* unknown ones fail */
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

/* Other credentials have taken it off. */
static int end_with_parent(struct cell *c)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	return getppid() == c->parent ? 0 : -ECHILD;
}

int unpack_cell_enter(struct err *err)
{
	static const struct {
		const char *what;
		int (*act)(struct cell *c);
	} steps[] = {
		{ "make ids", make_users },
		{ "mount the tree by them", mount_tree },
		{ "open the archive", take_archive },
		{ "open /dev/null", take_nothing },
		{ "leave the host's namespaces", leave_host },
		{ "enter the tree", enter_tree },
		{ "become another user", become },
		{ "close what is open", let_go },
		{ "make a keyring", forget_keys },
		{ "drop capabilities", drop_capabilities },
		{ "end with its parent", end_with_parent },
	};
	struct cell c = { .parent = getppid(), .users = -1, .tree = -1 };

	for (size_t i = 0; i < countof(steps); i++) {
		int r = steps[i].act(&c);

		if (r < 0)
			return err_set(err, r, ERR_INTERNAL, NULL,
				"can't confine the unpacking: can't %s: %s", steps[i].what,
				strerror(-r));
	}
	return sandbox_enter(SANDBOX_UNPACK, NULL, err);
}
