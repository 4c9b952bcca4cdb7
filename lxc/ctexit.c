/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lxc/ctexit.h"

#include <fcntl.h>
#include <sys/ioctl.h>

#include "proto/err.h"

#define WORDS_MAX 300

/* include/uapi/linux/pidfd.h; the headers of distributions are older than their kernels. */
struct info {
	uint64_t mask, cgroup;
	uint32_t ids[11];
	int32_t exit_code;
};
static_assert(sizeof(struct info) == 64, "PIDFD_INFO_SIZE_VER0");
#define GET_INFO  _IOWR(0xff, 11, struct info)
#define INFO_EXIT (1ULL << 3)

int ctexit_status(int pidfd, int *ret_status)
{
	struct info info = { .mask = INFO_EXIT };

	if (ioctl(pidfd, GET_INFO, &info) < 0 || !(info.mask & INFO_EXIT))
		return -ENODATA;
	*ret_status = info.exit_code;
	return 0;
}

static void clean_lines(char *text)
{
	for (char *line = text, *end; *line; line = end) {
		bool more;

		end = line + strcspn(line, "\n");
		more = *end;
		*end = '\0';
		err_clean(line);
		if (more)
			*end++ = '\n';
	}
}

char *ctexit_tail(const char *path)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END), from = MAX_OF(size - CTEXIT_TAIL, 0);
	char text[CTEXIT_TAIL + 1], *to = text;
	ssize_t n = size <= 0 ? 0 : pread(fd, text, CTEXIT_TAIL, from);
	const char *end = text + MAX_OF(n, 0),
		   *newline = from > 0 ? memchr(text, '\n', (size_t)(end - text)) : NULL;

	for (const char *c = newline ? newline + 1 : text; c < end; c++)
		if (*c == '\n' || ((unsigned char)*c >= ' ' && *c != '\x7f'))
			*to++ = *c;
	*to = '\0';
	clean_lines(text);
	return xstrdup(text);
}

char *ctexit_last_words(const char *path)
{
	_cleanup_(freep) char *text = ctexit_tail(path);
	size_t n = strlen(text);

	while (n > 0 && text[n - 1] == '\n')
		text[--n] = '\0';
	for (char *c = text; (c = strchr(c, '\n'));)
		*c = ' ';
	return xstrdup(n > WORDS_MAX ? text + n - WORDS_MAX : text);
}
