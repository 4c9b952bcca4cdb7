/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/common/cafile.h"

#include <fcntl.h>
#include <sys/stat.h>

#define SIZE_MAX_BYTES (1024 * 1024)

int cafile_read(const char *path, const char *setting, char **ret, struct err *err)
{
	_cleanup_(closep) int fd = -1;
	_cleanup_(freep) char *text = NULL;
	struct stat st;

	*ret = NULL;
	if (!path[0])
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(err, -errno, ERR_CONFIG, setting, "can't read %s: %s", path,
			strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_size > SIZE_MAX_BYTES)
		return err_set(
			err, -EINVAL, ERR_CONFIG, setting, "%s is no certificate file", path);
	text = xcalloc(1, (size_t)st.st_size + 1);
	if (read_all(fd, text, (size_t)st.st_size) != st.st_size)
		return err_set(err, -EIO, ERR_CONFIG, setting, "can't read %s whole", path);
	if (!strstr(text,
		    "CERTIFICATE-----")) /* an empty one would be nobody's fault but the API's */
		return err_set(
			err, -EINVAL, ERR_CONFIG, setting, "%s has no certificate in it", path);
	*ret = TAKE(text);
	return 0;
}
