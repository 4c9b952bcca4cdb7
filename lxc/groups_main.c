/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoody-groups PREFIX ID [-- PROGRAM …]: lxc.hook.start-host (lxc.container.conf(5)) of a container
 * on a host with cgroup v1 hierarchies, before its init runs: liblxc has just given it its groups
 * there, and it takes them back to root's. In v1 nothing bounds how many a container makes, and
 * what the kernel has of some is limited. Then it becomes PROGRAM, the hook that is next. What it
 * fails of is its exit status, an errno, and a line on the standard error; then there is no start.
 *
 * hoody-groups PREFIX ID --ended: lxc.hook.stop, after its end and before liblxc removes the
 * groups: what v1 counts in one of them alone is kept for who looks into the end, and that it has
 * asked to be started again, as liblxc says (LXC_TARGET).
 *
 * liblxc puts words of its own behind. */
#include "lxc/ctgroup.h"

enum { PREFIX = 1, ID, ARGUMENTS, THEN = ARGUMENTS, PROGRAM };

static int note_end(struct ctgroup *g, const char *id)
{
	const char *target = getenv("LXC_TARGET");
	int r = ctgroup_keep_oom_kills(g, id),
	    again = ctgroup_note_reboot(g, id, target && strcmp(target, "reboot") == 0);

	return r < 0 ? r : again;
}

int main(int argc, char **argv)
{
	struct ctgroup *groups = NULL;
	struct err err = {};
	bool ended;
	int r;

	if (argc < ARGUMENTS) {
		(void)fputs("hoody-groups is run by liblxc\n", stderr);
		return EINVAL;
	}
	ended = argc > THEN && strcmp(argv[THEN], "--ended") == 0;
	r = ctgroup_open(argv[PREFIX], &groups, &err);
	if (r >= 0)
		r = ended ? note_end(groups, argv[ID]) : ctgroup_withdraw(groups, argv[ID], &err);
	groups = ctgroup_close(groups);
	if (r >= 0 && argc > PROGRAM && strcmp(argv[THEN], "--") == 0) {
		(void)execv(argv[PROGRAM], argv + PROGRAM);
		r = err_set(&err, -errno, ERR_INTERNAL, NULL, "can't become %s: %s", argv[PROGRAM],
			strerror(errno));
	}
	if (r < 0 && *err.message)
		(void)fprintf(stderr, "hoody-groups: %s\n", err.message);
	return -r & 0xff;
}
