/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Replays the kept corpus of a fuzz target: tests/fuzz/corpus/<stem> for a program fuzz-<stem>.
 * Each input is given whole and cut at every length (a long one at some), in a block of exactly its
 * size. */
#include <dirent.h>
#include <fcntl.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/tap.h"

#define INPUT_MAX 65536
#define CUTS_MAX  256

static void run(const uint8_t *bytes, size_t size)
{
	_cleanup_(freep) uint8_t *exact = malloc(size ? size : 1);

	memcpy(exact, bytes, size);
	(void)LLVMFuzzerTestOneInput(exact, size);
}

static void replay(int dir, const char *name)
{
	_cleanup_(freep) uint8_t *bytes = xcalloc(INPUT_MAX, 1);
	_cleanup_(closep) int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, bytes, INPUT_MAX);

	if (n < 0)
		TAP_BAIL("%s: %s", name, strerror(errno));
	for (size_t size = 0; size < (size_t)n; size += 1 + (size_t)n / CUTS_MAX)
		run(bytes, size);
	run(bytes, (size_t)n);
	TAP_OK(n < INPUT_MAX, "%s: %zd bytes", name, n);
}

int main(int argc, char **argv)
{
	const char *top = getenv("top_srcdir"), *stem = strrchr(argv[0], '-');
	char path[4096];
	struct dirent *e;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/%s", top ? top : ".",
		stem ? stem + 1 : "");
	dir = opendir(path);
	if (!dir)
		TAP_BAIL("%s: %s", path, strerror(errno));
	while ((e = readdir(dir)))
		if (e->d_name[0] != '.')
			replay(dirfd(dir), e->d_name);
	(void)closedir(dir);
	return tap_done();
}
