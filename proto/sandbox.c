/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a process that deals with strangers gives up what it has, step by step, each while what it
 * needs is still there: look up the user (the host's /etc), change to a root that is empty but
 * for the name service's files, become that user without capabilities, limit itself, forbid new
 * privileges and tracing, and last load the filter, which forbids most of the steps before.
 *
 * The filter is what all roles may, plus the role's own; the default answer is ENOSYS. The
 * unpacker has got its root and its user elsewhere (storage/unpack_cell.h) and takes the last
 * two steps alone; what is started without root takes them and the limits. Builds with
 * sanitizers load no filter. There is no way back from any step, also when a later one fails. */
#include "proto/sandbox.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "proto/chanio.h"

#define LAST_CAP    63
#define THREADS_MAX 64 /* of all processes of an id, which are one */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
/* Its leak check wants /proc and ptrace, which are gone by then. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

static int failed(struct err *err, const char *what)
{
	int r = -errno;

	return err_set(err, r, ERR_INTERNAL, NULL, "can't %s: %s", what, strerror(-r));
}

/* --- the view of the file system --- */

#define AS_LEAVES_MOUNT (MS_NOSUID | MS_NODEV | MS_NOEXEC)

/* The directory itself and not what it holds: what its owner writes there later is seen. */
static int mount_etc(const char *etc, const char *at, struct err *err)
{
	if (mount(etc, at, NULL, MS_BIND, NULL) < 0 ||
		mount(NULL, at, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | AS_LEAVES_MOUNT, NULL) < 0)
		return failed(err, "mount the name service's files");
	return 0;
}

/* A new root of one directory, mounted over what it replaces, which is then let go of. It is read
 * by another user than us, whatever our umask. */
static int empty_root(const char *etc, struct err *err)
{
	/* any directory that is always there */
	static const char place[] = "/proc", etc_place[] = "/proc/etc";
	int r;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return failed(err, "leave the host's mounts");
	if (mount("hoody-empty", place, "tmpfs", AS_LEAVES_MOUNT,
		    "size=1m,nr_inodes=64,mode=0755") < 0 ||
		mkdir(etc_place, 0755) < 0 || chmod(etc_place, 0755) < 0)
		return failed(err, "make an empty root");
	r = etc ? mount_etc(etc, etc_place, err) : 0;
	if (r < 0)
		return r;
	if (chdir(place) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
		umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return failed(err, "change to the empty root");
	if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | AS_LEAVES_MOUNT, NULL) < 0)
		return failed(err, "make the empty root read-only");
	return 0;
}

/* --- who we are --- */

static int become(uint32_t id, struct err *err)
{
	for (int cap = 0; cap <= LAST_CAP; cap++)
		(void)prctl(PR_CAPBSET_DROP, cap, 0, 0,
			0); /* those that this kernel doesn't know fail */
	if (setgroups(0, NULL) < 0 || setresgid(id, id, id) < 0 || setresuid(id, id, id) < 0)
		return failed(err, "become a leaf's user");
	if (getuid() == 0 || setuid(0) == 0)
		return err_set(err, -EPERM, ERR_INTERNAL, NULL, "the leaves must not be root");
	return 0;
}

static void limit(enum sandbox_role role)
{
	static const rlim_t of_role[] = {
		[SANDBOX_CLIENT] = 256, [SANDBOX_SERVER] = 1024, [SANDBOX_PROXY] = 16384
	};
	const rlim_t files = of_role[role];

	(void)setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	(void)setrlimit(RLIMIT_NPROC, &(struct rlimit){ THREADS_MAX, THREADS_MAX });
	(void)setrlimit(RLIMIT_NOFILE, &(struct rlimit){ files, files });
	(void)setrlimit(
		RLIMIT_FSIZE, &(struct rlimit){ 32 << 20,
				      32 << 20 }); /* memfds count as files: reports are below it */
}

/* --- system calls --- */

/* glibc, libcurl's threaded resolver, OpenSSL, sd-event, and our own channel. */
static const int allowed[] = {
	SCMP_SYS(brk),
	SCMP_SYS(clock_getres),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(close),
	SCMP_SYS(dup),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_pwait2),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(eventfd2),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(fstat),
	SCMP_SYS(ftruncate),
	SCMP_SYS(futex),
	SCMP_SYS(getpeername),
	SCMP_SYS(getpid),
	SCMP_SYS(getrandom),
	SCMP_SYS(getsockname),
	SCMP_SYS(getsockopt),
	SCMP_SYS(gettid),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(lseek),
	SCMP_SYS(madvise),
	SCMP_SYS(membarrier),
	SCMP_SYS(memfd_create),
	SCMP_SYS(mmap),
	SCMP_SYS(mremap),
	SCMP_SYS(munlock),
	SCMP_SYS(munmap),
	SCMP_SYS(nanosleep),
	SCMP_SYS(newfstatat),
	SCMP_SYS(openat),
	SCMP_SYS(open),
	SCMP_SYS(pipe2),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(pread64),
	SCMP_SYS(read),
	SCMP_SYS(readv),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(rseq),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sendmmsg),
	SCMP_SYS(sendmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(shutdown),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(socketpair),
	SCMP_SYS(stat),
	SCMP_SYS(statx),
	SCMP_SYS(sysinfo),
	SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_settime),
	SCMP_SYS(timerfd_gettime),
	SCMP_SYS(uname),
	SCMP_SYS(write),
	SCMP_SYS(writev),
};

/* Asked by libraries as a matter of course, and well with the answer that they may not. What stands
 * in no list doesn't exist for us (ENOSYS): a newer C library or libcurl that begins to ask for
 * more falls back, as on an older kernel, where a kill would take the node from the network. */
static const int refused[] = {
	SCMP_SYS(access),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	SCMP_SYS(ioctl),
	SCMP_SYS(prctl),
	SCMP_SYS(readlink),
	SCMP_SYS(getdents64),
	SCMP_SYS(getcwd),
	SCMP_SYS(bind),
	SCMP_SYS(getppid),
	SCMP_SYS(kill),
	SCMP_SYS(name_to_handle_at),
};

/* What no library falls back from: only a process that isn't ours any more asks for these, and
 * ends. */
static const int fatal[] = {
	SCMP_SYS(bpf),
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(fork),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(kexec_load),
	SCMP_SYS(mount),
	SCMP_SYS(move_mount),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(pivot_root),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(ptrace),
	SCMP_SYS(setns),
	SCMP_SYS(unshare),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(vfork),
};

/* What makes files, and gives them owners, modes, times and attributes. */
static const int allowed_unpack[] = {
	SCMP_SYS(chdir),
	SCMP_SYS(chmod),
	SCMP_SYS(chown),
	SCMP_SYS(fchdir),
	SCMP_SYS(fchmod),
	SCMP_SYS(fchmodat),
	SCMP_SYS(fchown),
	SCMP_SYS(fchownat),
	SCMP_SYS(fgetxattr),
	SCMP_SYS(flistxattr),
	SCMP_SYS(fremovexattr),
	SCMP_SYS(fsetxattr),
	SCMP_SYS(fstatfs),
	SCMP_SYS(futimesat),
	SCMP_SYS(getdents64),
	SCMP_SYS(lchown),
	SCMP_SYS(lgetxattr),
	SCMP_SYS(link),
	SCMP_SYS(linkat),
	SCMP_SYS(listxattr),
	SCMP_SYS(llistxattr),
	SCMP_SYS(lremovexattr),
	SCMP_SYS(lsetxattr),
	SCMP_SYS(lstat),
	SCMP_SYS(mkdir),
	SCMP_SYS(mkdirat),
	SCMP_SYS(mknod),
	SCMP_SYS(mknodat),
	SCMP_SYS(openat2),
	SCMP_SYS(pwrite64),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(rename),
	SCMP_SYS(renameat),
	SCMP_SYS(renameat2),
	SCMP_SYS(rmdir),
	SCMP_SYS(setxattr),
	SCMP_SYS(statfs),
	SCMP_SYS(symlink),
	SCMP_SYS(symlinkat),
	SCMP_SYS(umask),
	SCMP_SYS(unlink),
	SCMP_SYS(unlinkat),
	SCMP_SYS(utime),
	SCMP_SYS(utimensat),
	SCMP_SYS(utimes),
};

static int filter_unpack(scmp_filter_ctx ctx)
{
	int r = 0;

	for (size_t i = 0; i < countof(allowed_unpack) && r >= 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed_unpack[i], 0);
	return r;
}

static int filter_server(scmp_filter_ctx ctx)
{
	int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(accept4), 0);

	if (r >= 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(accept), 0);
	return r;
}

/* All but SO_LINGER: a close(2) that waits for a peer is that of whoever closes last, and a
 * descriptor can be sent to the agent (unix(7)). Bit by bit: the kernel looks at 32 of a register's
 * 64, and a filter can't compare just those for being different. */
static int filter_setsockopt(scmp_filter_ctx ctx)
{
	const scmp_datum_t level = SOL_SOCKET, option = SO_LINGER, all = UINT32_MAX;
	int r = 0;

	for (unsigned bit = 0; bit < 32 && r >= 0; bit++) {
		const scmp_datum_t mask = 1ULL << bit;

		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), 1,
			SCMP_A1(SCMP_CMP_MASKED_EQ, mask, ~level & mask));
		if (r >= 0)
			r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), 2,
				SCMP_A1(SCMP_CMP_MASKED_EQ, all, level),
				SCMP_A2(SCMP_CMP_MASKED_EQ, mask, ~option & mask));
	}
	return r;
}

static int filter_client(scmp_filter_ctx ctx)
{
	int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(connect), 0);

	if (r >= 0)
		r = seccomp_rule_add(
			ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_INET));
	if (r >= 0)
		r = seccomp_rule_add(
			ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_INET6));
	/* getaddrinfo asks netlink for our addresses, and the name cache by a Unix socket; both get
	 * along with a no. */
	if (r >= 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
			SCMP_A0(SCMP_CMP_EQ, AF_NETLINK));
	if (r >= 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
			SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
	return r;
}

static int filter_proxy(scmp_filter_ctx ctx)
{
	int r = filter_client(ctx);

	if (r >= 0)
		r = filter_server(ctx);
	return r < 0 ? r : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(splice), 0);
}

/* Each leaf is another user; were two of them the same, each could end the other by a signal, or by
 * limits below what it uses. fcntl(2) sends signals, too (F_SETOWN, F_SETSIG): it does what stands
 * here. All three take 32 bits of a register. */
static int filter_others(scmp_filter_ctx ctx)
{
	static const int commands[] = { F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL,
		F_SETFL, F_ADD_SEALS, F_GET_SEALS, F_GETPIPE_SZ, F_SETPIPE_SZ };
	const scmp_datum_t all = UINT32_MAX, self = (scmp_datum_t)getpid();
	int r = seccomp_rule_add(
		ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, all, self));

	if (r >= 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1,
			SCMP_A0(SCMP_CMP_MASKED_EQ, all, 0));
	for (size_t i = 0; i < countof(commands) && r >= 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
			SCMP_A1(SCMP_CMP_MASKED_EQ, all, (scmp_datum_t)commands[i]));
	return r;
}

static int filter(enum sandbox_role role, scmp_filter_ctx ctx)
{
	static int (*const own[])(scmp_filter_ctx ctx) = {
		[SANDBOX_CLIENT] = filter_client,
		[SANDBOX_SERVER] = filter_server,
		[SANDBOX_PROXY] = filter_proxy,
		[SANDBOX_UNPACK] = filter_unpack,
	};
	int r = own[role](ctx);

	if (r >= 0 && role != SANDBOX_UNPACK)
		r = filter_setsockopt(ctx);
	if (r >= 0)
		r = filter_others(ctx);
	for (size_t i = 0; i < countof(allowed) && r >= 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; i < countof(refused) && r >= 0; i++) {
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), refused[i], 0);
		r = r == -EEXIST ? 0 : r; /* allowed to this role */
	}
	for (size_t i = 0; i < countof(fatal) && r >= 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, fatal[i], 0);
	/* Threads, for the resolver; never a process. */
	if (r >= 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, SCMP_SYS(clone), 1,
			SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
	if (r >= 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
			SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
	/* No memory that is both written and executed. */
	if (r >= 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
			SCMP_A2(SCMP_CMP_MASKED_EQ, 4 /* PROT_EXEC */, 0));
	return r < 0 ? r : seccomp_load(ctx);
}

static int filter_system_calls(enum sandbox_role role, struct err *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int r = ctx ? filter(role, ctx) : -ENOMEM;

	seccomp_release(ctx);
	return r < 0 ? err_set(err, r, ERR_INTERNAL, NULL, "can't load the system call filter: %s",
			       strerror(-r))
		     : 0;
}

int sandbox_read_arguments(const char *name, int argc, char **argv, struct sandbox_who *ret)
{
	*ret = (struct sandbox_who){};
	if (argc == 5 && strcmp(argv[1], "--id") == 0 && strcmp(argv[3], "--etc") == 0)
		*ret = (struct sandbox_who){ .id = (uint32_t)strtoul(argv[2], NULL, 10),
			.etc = argv[4] };
	if (ret->id || (argc == 1 && geteuid() != 0 && fcntl(CHANNEL_FD, F_GETFD) >= 0))
		return 0;
	return (void)fprintf(stderr, "%s is started by hoody-agent\n", name), -EINVAL;
}

int sandbox_enter(enum sandbox_role role, const struct sandbox_who *who, struct err *err)
{
	int r = 0;

	if (role != SANDBOX_UNPACK) {
		if (geteuid() == 0)
			r = empty_root(who->etc, err);
		if (r >= 0 && geteuid() == 0)
			r = become(who->id, err);
		if (r < 0)
			return r;
		limit(role);
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return failed(err, "give up privileges for good");
	return SANDBOX_SANITIZED ? 0 : filter_system_calls(role, err);
}
