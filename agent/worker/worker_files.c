/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The job on what the platform has to say in files of a container's root. They are written where
 * the root lies in the pool, never through the container's own mounts. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>

#include "agent/worker/worker_act.h"
#include "lxc/ctprobe.h"
#include "proto/jsonx.h"
#include "storage/envfile.h"
#include "storage/hostfile.h"
#include "storage/keyfile.h"
#include "storage/kittree.h"
#include "storage/path.h"

#define WHY_MAX 300
#define UTS     "/proc/self/ns/uts"

/* What /etc/environment can't have is no failure: it is told, and tried again. */
static void write_env(struct job *j, int root)
{
	const json_t *vars = json_object_get(j->files, "env");
	char why[WHY_MAX];
	enum envfile_error e;

	if (!vars)
		return;
	e = envfile_write(root, vars, why, sizeof(why));
	worker_job_set_result(
		j, "env", jsonx_pack("{s:s?, s:s}", "error", envfile_code(e), "message", why));
}

/* --- sessions that a key has opened --- */

/* As sshd(8) and dropbear(8) name what serves a login of root. The words are the container's: what
 * lies about them is a process of its own, which it could as well have ended itself. */
static bool is_root_session(const char *title)
{
	static const char *const begins[] = { "sshd: root@", "sshd: root [", "sshd-session: root@",
		"sshd-session: root [" };

	for (size_t i = 0; i < countof(begins); i++)
		if (strncmp(title, begins[i], strlen(begins[i])) == 0)
			return true;
	return false;
}

static int end_session(pid_t pid, void *userdata)
{
	_cleanup_(freep) char *path = xasprintf("/proc/%d/cmdline", (int)pid);
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char title[64] = "";

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (read(fd, title, sizeof(title) - 1) > 0 && is_root_session(title))
		(void)kill(pid, SIGKILL);
	return 0;
}

static int end_sessions(struct job *j, struct err *err)
{
	int r = ctgroup_each_pid(j->life.groups, j->life.spec.id, "payload", end_session, NULL);

	return r < 0 ? err_set(err, r, ERR_INTERNAL, NULL,
			       "the container's processes can't be listed: %s", strerror(-r))
		     : 0;
}

/* --- the host name --- */

/* Of its init: services may have names of their own (ProtectHostname= in systemd.exec(5)). One that
 * has just ended has none. */
static int name_init(struct job *j, const char *name, struct err *err)
{
	_cleanup_(closep) int pidfd = -1;
	struct stat own, its;
	int r = ctprobe_find(j->life.groups, j->life.spec.id, NULL, &pidfd, err);

	if (r >= CTPROBE_RUNNING && stat(UTS, &own) == 0 && setns(pidfd, CLONE_NEWUTS) == 0 &&
		stat(UTS, &its) == 0 && its.st_ino != own.st_ino)
		(void)!sethostname(name, strlen(name));
	return MIN_OF(r, 0);
}

static int set_hostname(struct job *j, int root, struct err *err)
{
	const json_t *names = json_object_get(j->files, "hostname");
	const char *from = json_string_value(json_object_get(names, "from")),
		   *to = json_string_value(json_object_get(names, "to"));
	int r;

	if (!from || !to)
		return 0;
	r = hostfile_rename(root, from, to, err);
	if (r >= 0)
		r = worker_net_write_files(j, root, to, false, err);
	if (r >= 0)
		r = name_init(j, to, err);
	return r;
}

/* Neither keeps the other out: with the key its owner comes in, and mends what is in the way. */
static int write_identity(struct job *j, int root, struct err *err)
{
	const json_t *key = json_object_get(j->files, "key");
	bool kit = json_is_true(json_object_get(j->files, "kit"));
	int r = kit ? kittree_make(root, err) : 0;
	struct err keys_err = {};
	int k = key ? keyfile_write(root, json_string_value(key), &keys_err) : 0;

	if (json_is_string(key))
		worker_job_set_result(j, "key_installed", json_boolean(k >= 0));
	if (r >= 0 && k < 0) {
		*err = keys_err;
		r = k;
	}
	return r < 0 ? r : set_hostname(j, root, err);
}

static int open_root(struct job *j, int *ret, struct err *err)
{
	int r;

	j->mount = closefd(j->mount);
	r = path_open_tree(j->rootfs, ret, &j->mount);
	return r < 0 ? err_set(err, r, ERR_INTERNAL, "Storage.Pool",
			       "the container's root can't be opened: %s", strerror(-r))
		     : 0;
}

/* A root whose owner has made it unfit for them (a link for a directory …) starts all the same. */
static int write_in(struct job *j, int root, struct err *err)
{
	int r;

	write_env(j, root);
	r = write_identity(j, root, err);
	if (r < 0 && json_is_true(json_object_get(j->files, "lenient"))) {
		worker_job_set_result(j, "left_out", json_string(err->message));
		return 0;
	}
	if (r >= 0 && json_is_true(json_object_get(j->files, "end_sessions")))
		r = end_sessions(j, err);
	return r;
}

int worker_files_write(struct job *j, struct err *err)
{
	_cleanup_(closep) int root = -1;
	int r = j->files ? open_root(j, &root, err) : 0;

	return r < 0 || !j->files ? r : write_in(j, root, err);
}

/* Likewise; and who has a full disk makes room in there alone. */
static int write_network(struct job *j, int root, bool fresh, struct err *err)
{
	int r = worker_net_write_files(j, root, NULL, fresh, err);

	if (r >= 0 || fresh)
		return r;
	worker_job_set_result(j, "left_out", json_string(err->message));
	return 0;
}

/* Opened once: the kernel waits for all its readers to end such a mount. */
int worker_files_write_all(struct job *j, bool fresh, struct err *err)
{
	_cleanup_(closep) int root = -1;
	int r = open_root(j, &root, err);

	if (r >= 0)
		r = write_network(j, root, fresh, err);
	return r < 0 || !j->files ? r : write_in(j, root, err);
}
