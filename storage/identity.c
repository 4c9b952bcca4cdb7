/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/identity.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "storage/diskerr.h"
#include "storage/hostkey.h"
#include "storage/path.h"
#include "storage/rootfile.h"

#define HOST_KEYS  "ssh_host_"
#define SSH_FOLDER "etc/ssh"

static const struct {
	const char *folder, *name;
} own_files[] = {
	{ "etc", "machine-id" },
	{ "etc", "hostname" },
	{ "var/lib/dbus", "machine-id" },
};

static int fail(struct err *err, int r, const char *name)
{
	return diskerr_set(err, r, "can't renew the container's %s", name);
}

static int remove_name(int folder, const char *name)
{
	return unlinkat(folder, name, 0) < 0 && errno != ENOENT && errno != EISDIR ? -errno : 0;
}

static int each_host_key(
	int folder, int (*act)(int folder, const char *name, void *userdata), void *userdata)
{
	int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;

	if (!d) {
		closefd(copy);
		return -errno;
	}
	while (r >= 0 && (errno = 0, e = readdir(d)))
		if (strncmp(e->d_name, HOST_KEYS, strlen(HOST_KEYS)) == 0)
			r = act(folder, e->d_name, userdata);
	if (r >= 0)
		r = -errno; /* readdir(3): its end, or an error */
	(void)closedir(d);
	return r;
}

static int remove_key(int folder, const char *name, void *userdata)
{
	++*(unsigned *)userdata;
	return remove_name(folder, name);
}

/* They go; where there were any one is made for @hostname, unless that is NULL: most systems make
 * theirs once, as sshd is installed, and without one it does not start. */
static int replace_host_keys(int root, const char *hostname)
{
	_cleanup_(closep) int folder = -1;
	int r = rootfile_open_folder(root, SSH_FOLDER, &folder);
	unsigned n = 0;

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = each_host_key(folder, remove_key, &n);
	return r < 0 || n == 0 || !hostname ? r : hostkey_make(folder, hostname);
}

/* A machine-id that is a link (to /etc/machine-id, most often) is not ours to change. */
static int empty_machine_id(int root)
{
	_cleanup_(closep) int folder = -1;
	struct stat st;
	int r = rootfile_open_folder(root, "etc", &folder);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (fstatat(folder, "machine-id", &st, AT_SYMLINK_NOFOLLOW) == 0)
		r = rootfile_replace(folder, "machine-id", "", 0, 0444);
	closep(&folder);
	if (r >= 0 && rootfile_open_folder(root, "var/lib/dbus", &folder) == 0 &&
		fstatat(folder, "machine-id", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
		r = remove_name(folder, "machine-id");
	return r;
}

static int set_hostname(int root, const char *hostname)
{
	_cleanup_(freep) char *line = xasprintf("%s\n", hostname);
	_cleanup_(closep) int folder = -1;
	int r = rootfile_open_folder(root, "etc", &folder);

	return r == -ENOENT ? 0
	       : r < 0      ? r
			    : rootfile_replace(folder, "hostname", line, strlen(line), 0644);
}

int identity_refresh(int root, const char *hostname, struct err *err)
{
	int r = empty_machine_id(root);

	if (r < 0)
		return fail(err, r, "machine-id");
	r = replace_host_keys(root, hostname);
	if (r < 0)
		return fail(err, r, "ssh host keys");
	r = set_hostname(root, hostname);
	return r < 0 ? fail(err, r, "host name") : 0;
}

/* --- carrying it over --- */

/* A regular file of @from's, or no such file. */
static int carry_file(int from, int to, const char *name)
{
	_cleanup_(closep) int fd = -1;
	_cleanup_(freep) char *data = xcalloc(1, ROOTFILE_MAX);
	struct stat st;
	ssize_t n;
	int r = path_open_file(from, name, &fd);

	if (r == -ENOENT || r == -ELOOP)
		return remove_name(to, name);
	if (r < 0)
		return r == -EINVAL ? 0 : r;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size > ROOTFILE_MAX)
		return 0;
	n = read_all(fd, data, ROOTFILE_MAX);
	return n < 0 ? (int)n : rootfile_replace(to, name, data, (size_t)n, st.st_mode & 0777);
}

static int carry_key(int folder, const char *name, void *userdata)
{
	return carry_file(folder, *(int *)userdata, name);
}

static int carry_host_keys(int from, int root)
{
	_cleanup_(closep) int a = -1, b = -1;
	int r = replace_host_keys(root, NULL);

	if (r < 0 || rootfile_open_folder(from, SSH_FOLDER, &a) < 0 ||
		rootfile_open_folder(root, SSH_FOLDER, &b) < 0)
		return r;
	return each_host_key(a, carry_key, &b);
}

int identity_carry(int from, int root, struct err *err)
{
	int r;

	for (size_t i = 0; i < countof(own_files); i++) {
		_cleanup_(closep) int a = -1, b = -1;

		if (rootfile_open_folder(root, own_files[i].folder, &b) < 0)
			continue;
		r = rootfile_open_folder(from, own_files[i].folder, &a) < 0
			    ? remove_name(b, own_files[i].name)
			    : carry_file(a, b, own_files[i].name);
		if (r < 0)
			return fail(err, r, own_files[i].name);
	}
	r = carry_host_keys(from, root);
	return r < 0 ? fail(err, r, "ssh host keys") : 0;
}
