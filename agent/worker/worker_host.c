/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Jobs that concern many containers, and the host itself. */
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <systemd/sd-bus.h>

#include "agent/worker/worker_act.h"
#include "proto/clock.h"
#include "proto/jsonx.h"
#include "storage/ramdisk.h"

#define SHUTDOWN_MS 30000
#define LEFT_MIN_MS 10
#define CMDLINE_MAX 4096

/* --- many containers --- */

/* The job as if it were for this one of params.containers. */
static void become(struct job *j, const json_t *brief)
{
	struct ctspec *s = &j->life.spec;

	*s = (struct ctspec){};
	(void)snprintf(s->id, sizeof(s->id), "%s", json_string_value(json_object_get(brief, "id")));
	(void)snprintf(s->image, sizeof(s->image), "%s",
		json_string_value(json_object_get(brief, "image")));
	s->stop_signal = (int)json_integer_value(json_object_get(brief, "stop_signal"));
	s->id_base = (uint32_t)json_integer_value(json_object_get(brief, "id_base"));
	free(j->rootfs);
	j->rootfs = xasprintf("%s/containers/%s/rootfs", j->pool, s->id);
	j->life.paths.rootfs = j->rootfs;
}

static int shut_down(struct job *j, bool asked, int64_t end_ms, struct err *err)
{
	int64_t left_ms = MAX_OF(end_ms - clock_ms(CLOCK_MONOTONIC), LEFT_MIN_MS);
	struct err ignored = {};

	return ctlife_shutdown(&j->life, asked, left_ms, &ignored) < 0 ? ctlife_kill(&j->life, err)
								       : 0;
}

/* All are asked at once, waited for together, and those that don't end in time are killed. One that
 * can't be keeps nobody else from that. */
int worker_host_shutdown_all(struct job *j, struct err *err)
{
	const json_t *all = json_object_get(j->params, "containers"), *brief;
	_cleanup_(freep) bool *asked = xcalloc(json_array_size(all) + 1, sizeof(*asked));
	int64_t end_ms = clock_ms(CLOCK_MONOTONIC) + SHUTDOWN_MS;
	size_t i;
	int r = 0;

	json_array_foreach(all, i, brief) {
		become(j, brief);
		(void)!ctgroup_set_frozen(j->life.groups, j->life.spec.id, false, 0);
		asked[i] = ctlife_ask(&j->life);
	}
	json_array_foreach(all, i, brief) {
		struct err why = {};
		int failed;

		become(j, brief);
		failed = shut_down(j, asked[i], end_ms, &why);
		if (failed < 0 && r >= 0) {
			*err = why;
			r = failed;
		}
	}
	return r;
}

/* The project's ramdisk is in use while one of them is left, and may have outlived them all. */
int worker_host_remove_all(struct job *j, struct err *err)
{
	const json_t *all = json_object_get(j->params, "containers"), *brief;
	const char *project = json_string_value(json_object_get(j->params, "project"));
	size_t i;
	int r;

	json_array_foreach(all, i, brief) {
		become(j, brief);
		r = ctlife_kill(&j->life, err);
		if (r >= 0)
			r = worker_tree_remove(j, err);
		if (r < 0)
			return err_add(err, r, "container %s", j->life.spec.id);
	}
	return ramdisk_remove(j->run, i > 0 ? j->life.spec.id : NULL, project, err);
}

/* --- the host --- */

static int kexec_refused(struct err *err, int r, const char *what)
{
	return err_set(err, r, ERR_INTERNAL, "command",
		"the kernel can't be loaded for kexec: %s: %s", what, strerror(-r));
}

/* The kernel that runs, with its own command line (kexec_file_load(2)). */
int worker_host_load_kernel(struct job *j, struct err *err)
{
	_cleanup_(closep) int kernel = -1, initrd = -1, cmdline = -1;
	char text[CMDLINE_MAX] = "", path[128];
	struct utsname uts;
	ssize_t n;

	if (uname(&uts) < 0)
		return kexec_refused(err, -errno, "uname");
	(void)snprintf(path, sizeof(path), "/boot/vmlinuz-%s", uts.release);
	kernel = open(path, O_RDONLY | O_CLOEXEC);
	if (kernel < 0)
		return kexec_refused(err, -errno, path);
	(void)snprintf(path, sizeof(path), "/boot/initrd.img-%s", uts.release);
	initrd = open(path, O_RDONLY | O_CLOEXEC);
	if (initrd < 0) {
		(void)snprintf(path, sizeof(path), "/boot/initramfs-%s.img", uts.release);
		initrd = open(path, O_RDONLY | O_CLOEXEC);
	}
	cmdline = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	n = cmdline < 0 ? -1 : read(cmdline, text, sizeof(text) - 1);
	if (n <= 0)
		return kexec_refused(err, -EIO, "/proc/cmdline");
	text[strcspn(text, "\n")] = '\0';
	if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(text) + 1, text,
		    initrd < 0 ? KEXEC_FILE_NO_INITRAMFS : 0) < 0)
		return kexec_refused(err, -errno, "kexec_file_load");
	return 0;
}

int worker_host_unload_kernel(struct job *j, struct err *err)
{
	if (syscall(SYS_kexec_file_load, -1, -1, 0, NULL, KEXEC_FILE_UNLOAD) < 0 && errno != ENOENT)
		return kexec_refused(err, -errno, "unloading it");
	return 0;
}

/* Of libsystemd, which every worker, and each container's monitor that is forked from one, would
 * have in its memory for this alone, with the five libraries that it needs: the agent has it
 * loaded, so it is there. */
struct bus {
	typeof(sd_bus_open_system) *open_system;
	typeof(sd_bus_call_method) *call_method;
	typeof(sd_bus_error_free) *error_free;
	typeof(sd_bus_unref) *unref;
};

static int load_bus(struct bus *ret, struct err *err)
{
	void *lib = dlopen("libsystemd.so.0", RTLD_NOW);
	const struct {
		const char *name;
		void *to;
	} all[] = {
		{ "sd_bus_open_system", &ret->open_system },
		{ "sd_bus_call_method", &ret->call_method },
		{ "sd_bus_error_free", &ret->error_free },
		{ "sd_bus_unref", &ret->unref },
	};

	for (size_t i = 0; i < countof(all); i++) {
		void *found = lib ? dlsym(lib, all[i].name) : NULL;

		if (!found)
			return err_set(err, -ELIBACC, ERR_INTERNAL, "command",
				"systemd can't be asked: %s", dlerror());
		memcpy(all[i].to, &found, sizeof(found));
	}
	return 0;
}

/* systemd ends all units in order, us among them: what comes back is a failure. */
int worker_host_reboot(struct job *j, struct err *err)
{
	const char *method = json_is_true(json_object_get(j->params, "kexec")) ? "KExec" : "Reboot";
	sd_bus_error why = SD_BUS_ERROR_NULL;
	sd_bus *on = NULL;
	struct bus bus;
	int r = load_bus(&bus, err);

	if (r < 0)
		return r;
	r = bus.open_system(&on);
	if (r >= 0)
		r = bus.call_method(on, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
			"org.freedesktop.systemd1.Manager", method, &why, NULL, NULL);
	if (r < 0)
		(void)err_set(err, r, ERR_INTERNAL, "command", "systemd refuses %s: %s", method,
			why.message ? why.message : strerror(-r));
	bus.error_free(&why);
	bus.unref(on);
	if (r < 0)
		return r;
	for (;;)
		(void)pause();
}
