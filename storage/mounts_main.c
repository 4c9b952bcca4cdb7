/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoody-mounts FILE: lxc.hook.start-host (lxc.container.conf(5)) of a container that shares or a
 * project's ramdisk are to be mounted in before its init runs. FILE is
 * {"id","pool","run","wanted":[…]} (storage/mounts.h); liblxc puts words of its own behind it. What
 * can't be mounted is no failure of the start: the worker that has started it looks again, and
 * tells. */
#include "proto/jsonx.h"
#include "storage/mounts.h"

static const char *text(const json_t *v, const char *key)
{
	const char *s = json_string_value(json_object_get(v, key));

	return s ? s : "";
}

int main(int argc, char **argv)
{
	_cleanup_json_ json_t *v = NULL, *result = NULL;
	const char *pid = getenv("LXC_PID");
	struct err err = {};

	jsonx_init();
	v = argc >= 2 ? json_load_file(argv[1], 0, NULL) : NULL;
	if (!v || !pid) {
		(void)fputs("hoody-mounts is a hook of LXC's: FILE, and LXC_PID in the "
			    "environment\n",
			stderr);
		return EXIT_FAILURE;
	}
	if (mounts_reconcile(&(struct mounts_target){ .id = text(v, "id"),
				     .init = (pid_t)strtol(pid, NULL, 10),
				     .pool = text(v, "pool"),
				     .run = text(v, "run") },
		    json_object_get(v, "wanted"), &result, &err) < 0)
		(void)fprintf(stderr, "hoody-mounts: %s\n", err.message);
	return EXIT_SUCCESS;
}
