/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One scrape of N containers' cgroups, beside the reading of the same files with kept descriptors
 * and nothing else, and beside opening them each time. Makes the groups, with a process in each,
 * and removes them. Prints JSON with the medians in microseconds.
 *
 *   scrape PREFIX N ROUNDS */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "lxc/ctgroup.h"
#include "lxc/ctmeter.h"
#include "netns/ifstats.h"

#define FILES_MAX 16

static double now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), compare);
	return v[n / 2];
}

/* The descriptors that the meters have open: all that are a cgroup file's. */
static size_t raw_files(int *ret, size_t max)
{
	size_t n = 0;

	for (int fd = 3; n < max && fd < 65536; fd++) {
		char link[64], path[256];
		ssize_t len;

		(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		len = readlink(link, path, sizeof(path) - 1);
		if (len <= 0)
			continue;
		path[len] = '\0';
		if (strstr(path, "/payload/"))
			ret[n++] = fd;
	}
	return n;
}

static void on_link(const char *name, const struct rtnl_link_stats64 *s, void *userdata)
{
	*(size_t *)userdata += name[0] == 'h';
}

int main(int argc, char **argv)
{
	size_t n = argc == 4 ? strtoul(argv[2], NULL, 10) : 0,
	       rounds = argc == 4 ? strtoul(argv[3], NULL, 10) : 0, n_raw, links = 0;
	struct ctmeter **meters = xcalloc(n + 1, sizeof(struct ctmeter *));
	double *scrape = xcalloc(rounds + 1, sizeof(double)),
	       *raw = xcalloc(rounds + 1, sizeof(double)),
	       *looked = xcalloc(rounds + 1, sizeof(double)),
	       *opened = xcalloc(rounds + 1, sizeof(double));
	int *files = xcalloc(n * FILES_MAX + 1, sizeof(int));
	int64_t value[CTMETER_VALUES];
	struct ctgroup *g;
	struct err err = {};
	char id[32], text[4096];
	int bad = 0;

	if (n == 0 || rounds == 0 || ctgroup_open(argv[1], &g, &err) < 0)
		return 2;
	for (size_t i = 0; i < n; i++) {
		(void)snprintf(id, sizeof(id), "%024zx", i);
		bad |= ctmeter_open(g, id, &meters[i]);
	}
	if (bad < 0)
		return 3;
	n_raw = raw_files(files, n * FILES_MAX);
	for (size_t r = 0; r < rounds; r++) {
		double begin = now_us();

		for (size_t i = 0; i < n; i++)
			bad |= ctmeter_read(meters[i], value);
		scrape[r] = now_us() - begin;
		begin = now_us();
		for (size_t i = 0; i < n_raw; i++)
			bad |= (int)MIN_OF(pread(files[i], text, sizeof(text), 0), 0);
		raw[r] = now_us() - begin;
		begin = now_us();
		bad |= ifstats_read(on_link, &links);
		looked[r] = now_us() - begin;
		begin = now_us();
		for (size_t i = 0; i < n; i++) {
			struct ctmeter *m = NULL;

			(void)snprintf(id, sizeof(id), "%024zx", i);
			bad |= ctmeter_open(g, id, &m);
			if (m)
				bad |= ctmeter_read(m, value);
			(void)ctmeter_close(m);
		}
		opened[r] = now_us() - begin;
	}
	(void)printf(
		"{\"files\":%zu,\"links\":%zu,\"scrape_us\":%.0f,\"raw_us\":%.0f,\"links_us\":%.0f,"
		"\"opened_us\":%.0f,\"bad\":%d}\n",
		n_raw, links / rounds, median(scrape, rounds), median(raw, rounds),
		median(looked, rounds), median(opened, rounds), bad);
	return 0;
}
