/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lxc/ctenter.h"

#include <fcntl.h>
#include <linux/keyctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

#ifndef MFD_EXEC
/* since Linux 6.3 (memfd_create(2)), and needed where vm.memfd_noexec is set */
#define MFD_EXEC 0x0010U
#endif

static int make_memfd(const char *name, unsigned flags)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd < 0 ? -errno : fd;
}

static int copy_program(int to)
{
	_cleanup_(closep) int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	if (from < 0 || fstat(from, &st) < 0)
		return -errno;
	for (off_t done = 0; done < st.st_size; done += n) {
		n = sendfile(to, from, NULL, (size_t)(st.st_size - done));
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
	}
	return 0;
}

static int seal(int fd)
{
	return fcntl(fd, F_ADD_SEALS, SEALS) < 0 ? -errno : 0;
}

static int sealed_program(int *ret)
{
	_cleanup_(closep) int fd = make_memfd(program_invocation_short_name, MFD_EXEC);
	int r = fd < 0 ? fd : copy_program(fd);

	if (r >= 0)
		r = seal(fd);
	if (r >= 0)
		*ret = take_fd(&fd);
	return r;
}

static int sealed_text(const char *text, int *ret)
{
	_cleanup_(closep) int fd = make_memfd("text", 0);
	int r = fd < 0 ? fd : write_all(fd, text, strlen(text));

	if (r < 0)
		return r;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	*ret = take_fd(&fd);
	return seal(*ret);
}

/* Away from the numbers that are to be taken. */
static int move_up(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, CTENTER_FD + 1);
}

static int arrange(int text, int fd)
{
	_cleanup_(closep) int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	_cleanup_(closep) int high_text = move_up(text), high_fd = move_up(fd);

	if (nothing < 0 || high_text < 0 || high_fd < 0)
		return -errno;
	for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
		if (dup2(nothing, i) < 0)
			return -errno;
	if (dup2(high_text, CTENTER_TEXT_FD) < 0 || dup2(high_fd, CTENTER_FD) < 0 ||
		close_range(CTENTER_FD + 1, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return -errno;
	return 0;
}

int ctenter_exec(const char *argument, const char *text, int fd)
{
	char *const argv[] = { program_invocation_name, (char *)(uintptr_t)argument, NULL };
	_cleanup_(closep) int program = -1, carried = -1, high = -1;
	int r = sealed_program(&program);

	if (r >= 0)
		r = sealed_text(text, &carried);
	if (r >= 0 && (high = move_up(program)) < 0)
		r = -errno;
	if (r >= 0)
		r = arrange(carried, fd);
	if (r < 0)
		return r;
	(void)syscall(SYS_execveat, high, "", argv, environ, AT_EMPTY_PATH);
	return -errno;
}

static bool is_sealed(void)
{
	_cleanup_(closep) int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int seals = fd < 0 ? -1 : fcntl(fd, F_GET_SEALS);

	return seals >= 0 && (seals & SEALS) == SEALS;
}

int ctenter_begin(void)
{
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	if (!is_sealed())
		return -EPERM;
	(void)prctl(PR_SET_NAME, program_invocation_short_name); /* it has the memfd's number */
	/* A kernel without keys has none to hide (ENOSYS). */
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS)
		return -errno;
	return 0;
}
