/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /proc/PID/mountinfo, whose paths a container chooses: every line is read by itself, and a path
 * that is written as the kernel does is read as it was. */
#include <sys/stat.h>

#include "storage/mountinfo.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/scratch.h"

/* As show_mountinfo in the kernel's fs/proc_namespace.c does it. */
static char *escaped(const char *path)
{
	char *text = xcalloc(4 * strlen(path) + 1, 1), *to = text;

	for (const char *c = path; *c; c++)
		to += strchr(" \t\n\\#", *c) ? sprintf(to, "\\%03o", (unsigned)(unsigned char)*c)
					     : sprintf(to, "%c", *c);
	return text;
}

static void read_back(struct mountinfo *m, const char *text, size_t size)
{
	if (mkdirat(scratch_open(), "1", 0755) < 0 && errno != EEXIST)
		abort();
	scratch_write("1/mountinfo", text, size);
	if (mountinfo_read(scratch_open(), "1", m) < 0)
		abort();
}

static void check_lines(const char *text, size_t size)
{
	_cleanup_mountinfo_ struct mountinfo m = {};
	size_t lines = 1;

	for (size_t i = 0; i < size; i++)
		lines += text[i] == '\n';
	read_back(&m, text, size);
	assert(m.n <= lines);
	for (size_t i = 0; i < m.n; i++) {
		struct mountinfo_place trees = { .root = (char[]){ "/pool/containers" } },
				       nowhere = {};
		const struct mountinfo_rule none = { .trees = &trees,
			.ramdisks = &nowhere,
			.n_ramdisks = 1,
			.self = "x" },
					    all = { .trees = &trees,
						    .ramdisks = &nowhere,
						    .n_ramdisks = 1,
						    .self = "x",
						    .allowed = &m.at[i],
						    .n = 1 };

		assert(strlen(m.at[i].root) <= size && strlen(m.at[i].point) <= size);
		assert(!mountinfo_may_stay(&m.at[i], &none) && mountinfo_may_stay(&m.at[i], &all));
		(void)snprintf(trees.device, sizeof(trees.device), "%s", m.at[i].device);
		if (mountinfo_is_ours(&m.at[i], &none))
			assert(strncmp(m.at[i].root, trees.root, strlen(trees.root)) == 0);
		(void)mountinfo_find(&m, m.at[i].id);
	}
}

/* A path of the container's own, whatever is in it, is one path. */
static void check_path(const char *path)
{
	_cleanup_(freep) char *as_written = escaped(path);
	_cleanup_(freep) char *line =
		xasprintf("36 35 98:0 %s %s ro,noatime master:1 - ext4 /dev/root rw\n", as_written,
			as_written);
	_cleanup_mountinfo_ struct mountinfo m = {};

	read_back(&m, line, strlen(line));
	assert(m.n == 1 && m.at[0].id == 36 && strcmp(m.at[0].device, "98:0") == 0);
	assert(strcmp(m.at[0].root, path) == 0 && strcmp(m.at[0].point, path) == 0);
	assert(m.at[0].readonly && !m.at[0].overlay);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *text = fuzz_text(data, size);

	check_lines(text, size);
	if (*text)
		check_path(text);
	return 0;
}
