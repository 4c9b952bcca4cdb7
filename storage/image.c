/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/image.h"

#include <elf.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "storage/diskerr.h"
#include "storage/filecopy.h"

#define APPLETS_MAX_BYTES 65536

static const char *const busybox_places[] = { "/bin/busybox", "/usr/bin/busybox", "/sbin/busybox" };

static const struct {
	const char *path;
	mode_t mode;
} directories[] = {
	{ "bin", 0755 },
	{ "dev", 0755 },
	{ "etc", 0755 },
	{ "home", 0755 },
	{ "proc", 0555 },
	{ "root", 0700 },
	{ "run", 0755 },
	{ "sbin", 0755 },
	{ "sys", 0555 },
	{ "tmp", 01777 },
	{ "usr", 0755 },
	{ "usr/bin", 0755 },
	{ "usr/sbin", 0755 },
	{ "var", 0755 },
	{ "var/log", 0755 },
	{ "var/tmp", 01777 },
};

/* Busybox' own way down sleeps two seconds; this one waits for the processes to be gone, one second
 * at most. Nor does it wait for sync(2), which writes what the whole host has not written yet: on
 * one with busy disks that takes as long as a stop may. What the container has written stays the
 * host's to write. */
static const char rc_shutdown[] = "#!/bin/sh\n"
				  "trap '' TERM\n"
				  "kill -TERM -1 2>/dev/null\n"
				  "n=0\n"
				  "set -- /proc/[0-9]*\n"
				  "while [ $n -lt 50 ] && [ $# -gt 2 ]; do usleep 20000; n=$((n + "
				  "1)); set -- /proc/[0-9]*; done\n"
				  "exec poweroff -nf\n";

static const struct {
	const char *path;
	mode_t mode;
	const char *text;
} files[] = {
	{ "etc/passwd", 0644,
		"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/"
		"false\n" },
	{ "etc/group", 0644, "root:x:0:\nnogroup:x:65534:\n" },
	{ "etc/shadow", 0600, "root:*:::::::\nnobody:*:::::::\n" },
	{ "etc/hosts", 0644, "127.0.0.1\tlocalhost\n::1\tlocalhost\n" },
	{ "etc/environment", 0644, "" },
	{ "etc/inittab", 0644,
		"::sysinit:/bin/hostname -F /etc/hostname\n::shutdown:/etc/rc.shutdown\n" },
	{ "etc/rc.shutdown", 0755, rc_shutdown },
};

static int failed(struct err *err, int r, const char *what)
{
	return diskerr_set(err, r, "can't make %s", what);
}

static int write_text(int root, const char *path, mode_t mode, const char *text)
{
	_cleanup_(closep) int fd =
		openat(root, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 || fchmod(fd, mode) < 0)
		return -errno;
	return write_all(fd, text, strlen(text));
}

/* A program header of type INTERP asks for a loader, which the image doesn't have (elf(5)). */
static bool is_static(int fd)
{
	Elf64_Ehdr e;
	Elf64_Phdr p;

	if (pread(fd, &e, sizeof(e), 0) != sizeof(e) || memcmp(e.e_ident, ELFMAG, SELFMAG) != 0 ||
		e.e_ident[EI_CLASS] != ELFCLASS64)
		return false;
	for (unsigned i = 0; i < e.e_phnum; i++) {
		if (pread(fd, &p, sizeof(p), (off_t)(e.e_phoff + i * sizeof(p))) != sizeof(p) ||
			p.p_type == PT_INTERP)
			return false;
	}
	return true;
}

static int open_busybox(int *ret, const char **ret_path, struct err *err)
{
	for (size_t i = 0; i < countof(busybox_places); i++) {
		_cleanup_(closep) int fd = open(busybox_places[i], O_RDONLY | O_CLOEXEC);

		if (fd >= 0 && is_static(fd)) {
			*ret = take_fd(&fd);
			*ret_path = busybox_places[i];
			return 0;
		}
	}
	return err_set(err, -ENOENT, ERR_IMAGE_NOT_FOUND, "image",
		"builtin:busybox needs a static busybox on this host (Debian: busybox-static)");
}

static int copy_file(int from, int root, const char *path)
{
	_cleanup_(closep) int to =
		openat(root, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat st;
	int r;

	if (to < 0 || fstat(from, &st) < 0)
		return -errno;
	r = filecopy_data(from, to, st.st_size, NULL, NULL);
	if (r < 0)
		return r;
	return fchmod(to, 0755) < 0 ? -errno : 0;
}

/* `busybox --list`: the applets that this build has. */
static int read_applets(const char *busybox, char *ret, size_t size)
{
	char *argv[] = { (char[]){ "busybox" }, (char[]){ "--list" }, NULL }, *envp[] = { NULL };
	posix_spawn_file_actions_t actions;
	int fds[2], status, r;
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
	r = -posix_spawn(&pid, busybox, &actions, NULL, argv, envp);
	posix_spawn_file_actions_destroy(&actions);
	closefd(fds[1]);
	while (r == 0 && n < size - 1 && (got = read(fds[0], ret + n, size - 1 - n)) > 0)
		n += (size_t)got;
	closefd(fds[0]);
	ret[n] = '\0';
	if (r == 0 && (waitpid(pid, &status, 0) < 0 || status != 0 || n == 0))
		r = -EIO;
	return r;
}

static int link_applets(const char *busybox, int root)
{
	_cleanup_(freep) char *list = xcalloc(1, APPLETS_MAX_BYTES);
	char *name, *rest = list;
	int r = read_applets(busybox, list, APPLETS_MAX_BYTES);

	while (r == 0 && (name = strsep(&rest, "\n"))) {
		char path[80];

		if (!name[0] || strchr(name, '/') || strcmp(name, "busybox") == 0 ||
			strcmp(name, "init") == 0)
			continue;
		(void)snprintf(path, sizeof(path), "bin/%s", name);
		if (symlinkat("busybox", root, path) < 0 && errno != EEXIST)
			r = -errno;
	}
	if (r == 0 && symlinkat("../bin/busybox", root, "sbin/init") < 0)
		r = -errno;
	return r;
}

static int unpack_busybox(int root, const char *hostname, struct err *err)
{
	_cleanup_(closep) int busybox = -1;
	_cleanup_(freep) char *hostname_line = xasprintf("%s\n", hostname);
	const char *place = NULL;
	int r = open_busybox(&busybox, &place, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < countof(directories); i++)
		if (mkdirat(root, directories[i].path, 0755) < 0 ||
			fchmodat(root, directories[i].path, directories[i].mode, 0) < 0)
			return failed(err, -errno, directories[i].path);
	for (size_t i = 0; i < countof(files); i++) {
		r = write_text(root, files[i].path, files[i].mode, files[i].text);
		if (r < 0)
			return failed(err, r, files[i].path);
	}
	r = write_text(root, "etc/hostname", 0644, hostname_line);
	if (r >= 0)
		r = copy_file(busybox, root, "bin/busybox");
	if (r >= 0)
		r = link_applets(place, root);
	return r < 0 ? failed(err, r, "the busybox root") : 0;
}

/* The images that are made rather than fetched. */
static const struct {
	const char *name;
	int (*unpack)(int root, const char *hostname, struct err *err);
} builtins[] = {
	{ "builtin:busybox", unpack_busybox },
};

int image_unpack(const char *image, int root, const char *hostname, struct err *err)
{
	for (size_t i = 0; i < countof(builtins); i++)
		if (strcmp(builtins[i].name, image) == 0)
			return builtins[i].unpack(root, hostname, err);
	return err_set(
		err, -ENOENT, ERR_IMAGE_NOT_FOUND, "image", "image %s is not on this node", image);
}
