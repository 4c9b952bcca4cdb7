/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lxc/ctmeter.h"

#include <fcntl.h>

#define TEXT_MAX 4096

/* --- forms of files --- */

static void read_number(const char *text, int64_t *ret)
{
	ret[0] = strncmp(text, "max", 3) == 0 ? INT64_MAX : strtoll(text, NULL, 10);
}

/* The number behind a word and a blank at the beginning of a line. */
static int64_t behind(const char *text, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = text; (p = strstr(p, word)); p += len)
		if ((p == text || p[-1] == '\n') && p[len] == ' ')
			return strtoll(p + len, NULL, 10);
	return -1;
}

static void read_cpu_stat(const char *text, int64_t *ret)
{
	int64_t us = behind(text, "usage_usec");

	ret[0] = us < 0 ? -1 : us * 1000;
}

static void read_oom(const char *text, int64_t *ret)
{
	ret[0] = behind(text, "oom_kill");
}

/* Every device's, added up. */
static int64_t add_up(const char *text, const char *word)
{
	int64_t sum = 0;

	for (const char *p = text; (p = strstr(p, word));) {
		p += strlen(word);
		sum += strtoll(p, NULL, 10);
	}
	return sum;
}

static void read_io_stat(const char *text, int64_t *ret)
{
	ret[0] = add_up(text, "rbytes=");
	ret[1] = add_up(text, "wbytes=");
}

static void read_blkio(const char *text, int64_t *ret)
{
	ret[0] = add_up(text, " Read ");
	ret[1] = add_up(text, " Write ");
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=1234" */
static void read_pressure(const char *text, int64_t *ret)
{
	const char *total = strstr(text, "total=");

	ret[0] = total ? strtoll(total + strlen("total="), NULL, 10) : -1;
}

/* --- which there are --- */

struct form {
	const char *file; /* NULL: this kind of hierarchy has none */
	void (*read)(const char *text, int64_t *ret);
};

static const struct {
	const char *controller; /* as v1 calls it */
	struct form v1, v2;
	enum ctmeter_value first; /* of what it tells */
} files[] = {
	{ "cpuacct", { "cpuacct.usage", read_number }, { "cpu.stat", read_cpu_stat },
		CTMETER_CPU_NS },
	{ "memory", { "memory.usage_in_bytes", read_number }, { "memory.current", read_number },
		CTMETER_MEMORY_BYTES },
	{ "memory", { "memory.max_usage_in_bytes", read_number }, { "memory.peak", read_number },
		CTMETER_MEMORY_PEAK_BYTES },
	{ "memory", { "memory.limit_in_bytes", read_number }, { "memory.max", read_number },
		CTMETER_MEMORY_LIMIT_BYTES },
	{ "memory", { NULL, NULL }, { "memory.swap.current", read_number }, CTMETER_SWAP_BYTES },
	{ "memory", { NULL, NULL }, { "memory.swap.peak", read_number }, CTMETER_SWAP_PEAK_BYTES },
	{ "memory", { "memory.oom_control", read_oom }, { "memory.events", read_oom },
		CTMETER_OOM_KILLS },
	{ "pids", { "pids.current", read_number }, { "pids.current", read_number }, CTMETER_PIDS },
	{ "blkio", { "blkio.throttle.io_service_bytes", read_blkio }, { "io.stat", read_io_stat },
		CTMETER_IO_READ_BYTES },
	{ "cpu", { NULL, NULL }, { "cpu.pressure", read_pressure }, CTMETER_CPU_PRESSURE_US },
	{ "memory", { NULL, NULL }, { "memory.pressure", read_pressure },
		CTMETER_MEMORY_PRESSURE_US },
	{ "io", { NULL, NULL }, { "io.pressure", read_pressure }, CTMETER_IO_PRESSURE_US },
};

struct ctmeter {
	struct {
		int fd;
		void (*read)(const char *text, int64_t *ret);
	} at[countof(files)];
};

int ctmeter_open(const struct ctgroup *g, const char *id, struct ctmeter **ret)
{
	struct ctmeter *m = xcalloc(1, sizeof(*m));
	unsigned n = 0;

	for (size_t i = 0; i < countof(files); i++) {
		bool unified = false;
		_cleanup_(closep) int dir =
			ctgroup_dir(g, files[i].controller, id, "payload", &unified);
		const struct form *f = unified ? &files[i].v2 : &files[i].v1;

		m->at[i].read = f->read;
		m->at[i].fd = dir < 0 || !f->file ? -1 : openat(dir, f->file, O_RDONLY | O_CLOEXEC);
		n += m->at[i].fd >= 0;
	}
	if (n == 0) {
		ctmeter_close(m);
		return -ENOENT;
	}
	*ret = m;
	return 0;
}

struct ctmeter *ctmeter_close(struct ctmeter *m)
{
	if (m) {
		for (size_t i = 0; i < countof(files); i++)
			closefd(m->at[i].fd);
		free(m);
	}
	return NULL;
}

int ctmeter_read(const struct ctmeter *m, int64_t ret[static CTMETER_VALUES])
{
	char text[TEXT_MAX];

	for (size_t v = 0; v < CTMETER_VALUES; v++)
		ret[v] = -1;
	for (size_t i = 0; i < countof(files); i++) {
		ssize_t n = m->at[i].fd < 0 ? 0 : pread(m->at[i].fd, text, sizeof(text) - 1, 0);

		if (n < 0 && errno == ENODEV)
			return -ENODEV;
		if (n <= 0)
			continue;
		text[n] = '\0';
		m->at[i].read(text, &ret[files[i].first]);
	}
	/* v1 has no "max": its none is the highest number of pages. */
	if (ret[CTMETER_MEMORY_LIMIT_BYTES] > INT64_MAX / 4)
		ret[CTMETER_MEMORY_LIMIT_BYTES] = INT64_MAX;
	return 0;
}
