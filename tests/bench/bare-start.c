/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bare-start LXCPATH ROOTFS PREFIX ID IDBASE [veth]: what a start costs without us. Starts the
 * container by a bare c->start of the very configuration that the agent generates, with no network
 * or with a link of liblxc's own making, from a forked starter as LXD has it, prints the
 * milliseconds, and clears all away. */
#include <lxc/lxccontainer.h>
#include <sys/wait.h>
#include <time.h>

#include "lxc/ctconf.h"
#include "lxc/ctgroup.h"

static double now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static int set_item(const char *key, const char *value, void *userdata)
{
	struct lxc_container *c = userdata;

	return c->set_config_item(c, key, value) ? 0 : -EINVAL;
}

/* As nobody set it before: keys are added in the order in which liblxc wants them. */
static int add_veth(struct lxc_container *c)
{
	static const char *const items[][2] = { { "lxc.net.0.type", "veth" },
		{ "lxc.net.0.name", "eth0" }, { "lxc.net.0.flags", "up" },
		{ "lxc.net.0.ipv4.address", "10.99.0.2/32" } };

	c->clear_config_item(c, "lxc.net");
	for (size_t i = 0; i < countof(items); i++)
		if (!c->set_config_item(c, items[i][0], items[i][1]))
			return -EINVAL;
	return 0;
}

static int start(
	const struct ctspec *s, const struct ctconf_paths *p, const struct ctgroup *g, bool veth)
{
	struct ctconf_host host = { .v1_memory = ctgroup_has_v1(g, "memory"),
		.v1_cpu = ctgroup_has_v1(g, "cpu"),
		.v1_pids = ctgroup_has_v1(g, "pids"),
		.v1_devices = ctgroup_has_v1(g, "devices") };
	struct lxc_container *c = lxc_container_new(s->id, p->lxc);

	c->clear_config(c);
	if (ctconf_each(s, p, &host, set_item, c) < 0 || (veth && add_veth(c) < 0))
		return EXIT_FAILURE;
	c->want_daemonize(c, true);
	return c->start(c, 0, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct ctspec s = { .image = "builtin:busybox" };
	struct ctconf_paths p;
	struct ctgroup *g;
	struct err err;
	double begin;
	int status;
	pid_t pid;

	if (argc != 6 && argc != 7)
		return EXIT_FAILURE;
	p = (struct ctconf_paths){ argv[1], argv[2], "/run", argv[3] };
	(void)snprintf(s.id, sizeof(s.id), "%s", argv[4]);
	s.id_base = (uint32_t)strtoul(argv[5], NULL, 10);
	(void)setenv("PATH", "/nonexistent", 1);
	if (ctgroup_open(argv[3], &g, &err) < 0)
		return EXIT_FAILURE;
	if (ctgroup_has(g, "cpu") && ctgroup_has(g, "memory") && ctgroup_has(g, "pids"))
		s.limits = (struct ctspec_limits){ 0.5, 64 << 20, 64 };
	begin = now_ms();
	pid = fork();
	if (pid == 0)
		_exit(start(&s, &p, g, argc == 7));
	if (waitpid(pid, &status, 0) < 0 || status != 0)
		return EXIT_FAILURE;
	(void)printf("%.2f\n", now_ms() - begin);
	if (ctgroup_kill(g, s.id, 5000) < 0 || ctgroup_remove(g, s.id) < 0)
		return EXIT_FAILURE;
	ctgroup_close(g);
	return EXIT_SUCCESS;
}
