/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mounts and unmounts one share again and again while somebody else fights over its path, for
 * tests:
 *
 *   mountdrive POOL RUN TARGET-ID INIT-PID SOURCE-ID PATH AT TIMES
 *   mountdrive POOL RUN TARGET-ID INIT-PID HOST-DIRECTORY none AT 0
 *       mount it once, without mapped ids, and leave it
 *
 * After each mount the directory must have a file INSIDE and none of the name OUTSIDE. Prints
 * {"mounted":n,"refused":n,"outside":n,"left":n}: "left" counts times that it stayed mounted, seen
 * by its path or told by the sweep. */
#include <fcntl.h>
#include <sys/stat.h>

#include "proto/jsonx.h"
#include "storage/mounts.h"

static int has(const char *root, const char *at, const char *name)
{
	_cleanup_(freep) char *path = xasprintf("%s%s/%s", root, at, name);

	return access(path, F_OK) == 0;
}

static bool is_mounted(const struct mounts_target *t, const json_t *wanted)
{
	_cleanup_json_ json_t *result = NULL;
	struct err err = {};

	return mounts_reconcile(t, wanted, &result, &err) == 0 &&
	       json_is_true(json_object_get(json_object_get(result, "s"), "mounted"));
}

static bool is_left(const struct mounts_target *t)
{
	_cleanup_json_ json_t *none = json_array(), *result = NULL;
	struct err err = {};

	return mounts_reconcile(t, none, &result, &err) < 0 ||
	       json_integer_value(json_object_get(json_object_get(result, ""), "busy")) > 0;
}

int main(int argc, char **argv)
{
	_cleanup_json_ json_t *wanted = NULL;
	_cleanup_(freep) char *root = NULL;
	long mounted = 0, refused = 0, outside = 0, left = 0;
	struct mounts_target t;

	if (argc != 9)
		return 2;
	t = (struct mounts_target){ .pool = argv[1],
		.run = argv[2],
		.id = argv[3],
		.init = (pid_t)strtol(argv[4], NULL, 10) };
	root = xasprintf("/proc/%s/root", argv[4]);
	wanted = json_pack("[{s:s, s:s, s:s, s:s, s:b}]", "key", "s", "source_id", argv[5], "path",
		argv[6], "at", argv[7], "readonly", 1);
	if (strcmp(argv[8], "0") == 0) {
		json_decref(wanted);
		wanted = json_pack("[{s:s, s:s, s:s, s:s, s:b}]", "key", "s", "host", argv[5],
			"map", argv[6], "at", argv[7], "readonly", 1);
		return !is_mounted(&t, wanted);
	}
	for (long i = strtol(argv[8], NULL, 10); i > 0; i--) {
		if (is_mounted(&t, wanted)) {
			mounted++;
			outside += has(root, argv[7], "OUTSIDE") || !has(root, argv[7], "INSIDE");
		} else {
			refused++;
		}
		left += is_left(&t) || has(root, argv[7], "OUTSIDE") ||
			has(root, argv[7], "INSIDE");
	}
	return printf("{\"mounted\":%ld,\"refused\":%ld,\"outside\":%ld,\"left\":%ld}\n", mounted,
		       refused, outside, left) < 0;
}
