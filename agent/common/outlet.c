/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/common/outlet.h"

#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* Others have standard error open, too, and O_NONBLOCK would be theirs as well: so a pipe or a
 * terminal is opened once more, and of a socket each call says that it won't wait. */
static struct {
	int fd;
	bool is_socket;
	dev_t dev;
	ino_t ino;
} out = { .fd = -1 };

static void look_again(void)
{
	struct stat st;

	if (fstat(STDERR_FILENO, &st) < 0 ||
		(out.ino == st.st_ino && out.dev == st.st_dev && out.ino != 0))
		return;
	out.fd = closefd(out.fd);
	out.ino = st.st_ino;
	out.dev = st.st_dev;
	out.is_socket = S_ISSOCK(st.st_mode);
	if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))
		out.fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static ssize_t put(const char *line, size_t size)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

	if (out.is_socket)
		return send(STDERR_FILENO, line, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (out.fd >= 0)
		return write(out.fd, line, size);
	if (poll(&p, 1, 0) == 0) { /* where /proc isn't there to open it */
		errno = EAGAIN;
		return -1;
	}
	return write(STDERR_FILENO, line, size);
}

int outlet_line(const char *line, size_t size)
{
	look_again();
	return put(line, size) < 0 ? -errno : 0;
}

int outlet_datagram(const char *path, const struct iovec *parts, size_t n)
{
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	const size_t length = strlen(path);
	struct msghdr m = {
		.msg_name = &to, .msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = n
	};

	if (fd < 0)
		return -errno;
	if (length == 0 || length >= sizeof(to.sun_path))
		return -ENAMETOOLONG;
	memcpy(to.sun_path, path, length);
	m.msg_namelen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
	if (*path == '@') {
		to.sun_path[0] = '\0';
		m.msg_namelen--;
	}
	return sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}
