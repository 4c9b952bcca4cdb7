/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoody-groups PREFIX ID [--limits FILE] [-- PROGRAM …]: lxc.hook.start-host
 * (lxc.container.conf(5)) of a container, before its init runs. liblxc has just given it its
 * groups: it takes those of v1 back to root's, for there nothing bounds how many a container makes,
 * and what the kernel has of some is limited; and gives its payload's the limits that stand in
 * FILE, if there is one (lxc/ctlimits.h). Then it becomes PROGRAM, the hook that is next, and tells
 * it the link's (HOODY_LIMIT_BPS). What it fails of is its exit status, an errno, and a line on the
 * standard error; then there is no start.
 *
 * hoody-groups PREFIX ID --ended: lxc.hook.stop, after its end and before liblxc removes the
 * groups: what v1 counts in one of them alone is kept for who looks into the end.
 *
 * liblxc puts words of its own behind. */
#include "lxc/ctlimits.h"

enum { PREFIX = 1, ID, ARGUMENTS };

static int set_limits(struct ctgroup *g, const char *id, const char *file, struct err *err)
{
	int64_t net_bps;
	char text[32];
	int r = ctlimits_apply_kept(g, id, file, &net_bps, err);

	if (r < 0 || net_bps < 0)
		return r;
	(void)snprintf(text, sizeof(text), "%lld", (long long)net_bps);
	return setenv("HOODY_LIMIT_BPS", text, 1) < 0 ? -errno : 0;
}

/* @words: those behind the id, up to a NULL; one that was launched by an older agent has no limits
 * among them. */
static int begin(struct ctgroup *g, const char *id, char **words, struct err *err)
{
	int r = ctgroup_withdraw(g, id, err);

	if (r >= 0 && words[0] && words[1] && strcmp(words[0], "--limits") == 0) {
		r = set_limits(g, id, words[1], err);
		words += 2;
	}
	if (r < 0 || !words[0] || !words[1] || strcmp(words[0], "--") != 0)
		return r;
	(void)execv(words[1], words + 1);
	return err_set(
		err, -errno, ERR_INTERNAL, NULL, "can't become %s: %s", words[1], strerror(errno));
}

int main(int argc, char **argv)
{
	struct ctgroup *groups = NULL;
	struct err err = {};
	int r;

	if (argc < ARGUMENTS) {
		(void)fputs("hoody-groups is run by liblxc\n", stderr);
		return EINVAL;
	}
	r = ctgroup_open(argv[PREFIX], &groups, &err);
	if (r >= 0 && argc > ARGUMENTS && strcmp(argv[ARGUMENTS], "--ended") == 0)
		r = ctgroup_keep_oom_kills(groups, argv[ID]);
	else if (r >= 0)
		r = begin(groups, argv[ID], argv + ARGUMENTS, &err);
	groups = ctgroup_close(groups);
	if (r < 0 && *err.message)
		(void)fprintf(stderr, "hoody-groups: %s\n", err.message);
	return -r & 0xff;
}
