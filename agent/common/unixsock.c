/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/common/unixsock.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static int give_to_group(const char *path, gid_t group, struct err *err)
{
	if (lchown(path, 0, group) < 0 && geteuid() == 0)
		return err_set(err, -errno, ERR_CONFIG, "Local.Group",
			"can't give %s to group %d: %s", path, (int)group, strerror(errno));
	if (chmod(path, group == UNIXSOCK_NO_GROUP ? 0600 : 0660) < 0)
		return err_set(err, -errno, ERR_INTERNAL, NULL, "can't set the mode of %s: %s",
			path, strerror(errno));
	return 0;
}

int unixsock_listen(const char *path, int type, int backlog, gid_t group, const char *setting,
	int *ret, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd = -1;
	mode_t before;
	int r;

	*ret = -1;
	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(err, -ENAMETOOLONG, ERR_CONFIG, setting,
			"%s is longer than the %zu bytes that a socket's path can have", path,
			sizeof(address.sun_path) - 1);
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	(void)unlink(path);
	before = umask(0777); /* nobody, until it has its group and mode */
	r = fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	(void)umask(before);
	if (r >= 0) {
		*ret = take_fd(&fd);
		r = give_to_group(path, group, err);
		if (r < 0)
			return r;
		r = listen(*ret, backlog) < 0 ? -errno : 0;
	}
	return r < 0 ? err_set(err, r, ERR_CONFIG, setting, "can't listen on %s: %s", path,
			       strerror(-r))
		     : 0;
}
