/* SPDX-License-Identifier: GPL-2.0-or-later */
/* failcall.so: let the N-th call of an unmodified program into liblxc or SQLite fail, hang, or do
 * half of it. Preloaded (ld.so(8), /etc/ld.so.preload), for a worker has no environment.
 *
 * The plan is the file PLAN beside this library, made by tests/lib/struck.py and mapped by every
 * process: what it says counts at once, also for processes that run already, and costs them no
 * system call. Without that file all calls go on untouched.
 *
 * A container's functions are pointers in the object that lxc_container_new() gives, which is
 * where they are exchanged; those that can't fail are left alone. SQLite is met twice: at
 * sqlite3_step() and sqlite3_exec(), where it knows of nothing and an order may have become durable
 * though it says that it failed; and below, at the file (sqlite.org/vfs.html), where it rolls back
 * as it does after a real error. What sqlite3_exec() steps through is one call. */
#include <dlfcn.h>
#include <fcntl.h>
#include <lxc/lxccontainer.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PLAN      "failcall.plan"
#define CALLS_MAX 32
#define NAME_SIZE 24
#define OPEN(c)   ((struct file *)(c))->real

enum how {         /* as tests/lib/struck.py numbers them */
	DONE,      /* as it is */
	REFUSED,   /* not done, and fails */
	LATE,      /* done, and fails */
	LIE,       /* not done, and succeeds */
	HANG,      /* not done, and never returns */
	HANG_LATE, /* done, and never returns */
	HALF,      /* the first half is written, and fails; or what is read is wrong from there */
};

struct plan {
	uint32_t how;
	int32_t code; /* of SQLite's */
	uint32_t nth, times;
	_Atomic uint32_t seen, hits, first; /* the call that was hit first */
	struct {
		char name[NAME_SIZE];
		uint32_t chosen;
		_Atomic uint32_t came;
	} calls[CALLS_MAX];
};

static struct plan *plan;

static __attribute__((constructor)) void find_plan(void)
{
	Dl_info self;
	char path[4096];
	char *slash;
	void *map;
	int fd;

	if (!dladdr(&plan, &self))
		return;
	(void)snprintf(path, sizeof(path), "%s", self.dli_fname);
	slash = strrchr(path, '/');
	if (!slash)
		return;
	(void)snprintf(slash + 1, sizeof(path) - (size_t)(slash + 1 - path), PLAN);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	map = mmap(NULL, sizeof(*plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	plan = map == MAP_FAILED ? NULL : map;
}

static void *next(const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);

	if (!found)
		abort();
	return found;
}

static void hang(void)
{
	for (;;)
		(void)pause();
}

static enum how planned(const char *name)
{
	uint32_t n, i = 0;

	while (plan && i < CALLS_MAX && strcmp(plan->calls[i].name, name) != 0)
		i++;
	if (!plan || i == CALLS_MAX)
		return DONE;
	plan->calls[i].came++;
	if (!plan->calls[i].chosen)
		return DONE;
	n = ++plan->seen;
	if (plan->nth == 0 || n < plan->nth || n - plan->nth >= plan->times)
		return DONE;
	if (plan->hits++ == 0)
		plan->first = i;
	return (enum how)plan->how;
}

static enum how before(const char *name)
{
	enum how how = planned(name);

	if (how == HANG)
		hang();
	return how;
}

static bool is_done(enum how how)
{
	return how == DONE || how == LATE || how == HANG_LATE;
}

/* What comes of a call that was done, or of one that lies. */
static bool succeeds(enum how how)
{
	if (how == HANG_LATE)
		hang();
	return how == DONE || how == LIE;
}

/* --- liblxc --- */

static struct {
	bool (*load_config)(struct lxc_container *c, const char *path);
	bool (*set_config_item)(struct lxc_container *c, const char *key, const char *value);
	bool (*want_daemonize)(struct lxc_container *c, bool state);
	bool (*want_close_all_fds)(struct lxc_container *c, bool state);
	bool (*start)(struct lxc_container *c, int use_init, char *const argv[]);
	const char *(*state)(struct lxc_container *c);
	int (*attach)(struct lxc_container *c, lxc_attach_exec_t exec, void *payload,
		lxc_attach_options_t *options, pid_t *pid);
	int (*console_getfd)(struct lxc_container *c, int *number, int *master);
} real;

static bool load_config(struct lxc_container *c, const char *path)
{
	enum how how = before("lxc_load");
	bool ok = !is_done(how) || real.load_config(c, path);

	return succeeds(how) && ok;
}

static bool set_config_item(struct lxc_container *c, const char *key, const char *value)
{
	enum how how = before("lxc_set");
	bool ok = !is_done(how) || real.set_config_item(c, key, value);

	return succeeds(how) && ok;
}

static bool want_daemonize(struct lxc_container *c, bool state)
{
	enum how how = before("lxc_daemonize");
	bool ok = !is_done(how) || real.want_daemonize(c, state);

	return succeeds(how) && ok;
}

static bool want_close_all_fds(struct lxc_container *c, bool state)
{
	enum how how = before("lxc_close_fds");
	bool ok = !is_done(how) || real.want_close_all_fds(c, state);

	return succeeds(how) && ok;
}

static bool start(struct lxc_container *c, int use_init, char *const argv[])
{
	enum how how = before("lxc_start");
	bool ok = !is_done(how) || real.start(c, use_init, argv);

	return succeeds(how) && ok;
}

static const char *state(struct lxc_container *c)
{
	enum how how = before("lxc_state");
	const char *found = is_done(how) ? real.state(c) : "STOPPED";

	return succeeds(how) ? found : NULL;
}

static int attach(struct lxc_container *c, lxc_attach_exec_t exec, void *payload,
	lxc_attach_options_t *options, pid_t *pid)
{
	enum how how = before("lxc_attach");
	int r = is_done(how) ? real.attach(c, exec, payload, options, pid) : 0;

	return succeeds(how) ? r : -1;
}

static int console_getfd(struct lxc_container *c, int *number, int *master)
{
	enum how how = before("lxc_console");
	int r = is_done(how) ? real.console_getfd(c, number, master) : -1;

	if (!succeeds(how) && r >= 0) {
		(void)close(*master);
		(void)close(r);
		r = -1;
	}
	return r;
}

#define EXCHANGE(c, name)              \
	do {                           \
		real.name = (c)->name; \
		(c)->name = name;      \
	} while (0)

struct lxc_container *lxc_container_new(const char *name, const char *path)
{
	static struct lxc_container *(*make)(const char *name, const char *path);
	enum how how = before("lxc_new");
	struct lxc_container *c;

	if (!make)
		*(void **)&make = next("lxc_container_new");
	c = is_done(how) ? make(name, path) : NULL;
	if (!succeeds(how) && c) {
		(void)lxc_container_put(c);
		c = NULL;
	}
	if (!c)
		return NULL;
	EXCHANGE(c, load_config);
	EXCHANGE(c, set_config_item);
	EXCHANGE(c, want_daemonize);
	EXCHANGE(c, want_close_all_fds);
	EXCHANGE(c, start);
	EXCHANGE(c, state);
	EXCHANGE(c, attach);
	EXCHANGE(c, console_getfd);
	return c;
}

/* --- SQLite, from above --- */

static int within; /* sqlite3_exec(), which is of one thread */

int sqlite3_step(sqlite3_stmt *stmt)
{
	static int (*step)(sqlite3_stmt * stmt);
	enum how how = within ? DONE : before("sql_step");
	int rc;

	if (!step)
		*(void **)&step = next("sqlite3_step");
	rc = is_done(how) ? step(stmt) : SQLITE_DONE;
	return succeeds(how) ? rc : plan->code;
}

int sqlite3_exec(sqlite3 *db, const char *sql, int (*callback)(void *, int, char **, char **),
	void *userdata, char **errmsg)
{
	static int (*exec)(sqlite3 * db, const char *sql,
		int (*callback)(void *, int, char **, char **), void *userdata, char **errmsg);
	enum how how = within ? DONE : before("sql_exec");
	int rc = SQLITE_OK;

	if (!exec)
		*(void **)&exec = next("sqlite3_exec");
	within++;
	if (is_done(how))
		rc = exec(db, sql, callback, userdata, errmsg);
	within--;
	return succeeds(how) ? rc : plan->code;
}

/* --- SQLite, from below --- */

struct file {
	sqlite3_file base;
	sqlite3_file *real; /* behind this */
};

static int f_close(sqlite3_file *f)
{
	return OPEN(f)->pMethods ? OPEN(f)->pMethods->xClose(OPEN(f)) : SQLITE_OK;
}

static int f_read(sqlite3_file *f, void *buffer, int n, sqlite3_int64 at)
{
	enum how how = before("sql_read");
	int rc = how == REFUSED ? SQLITE_OK : OPEN(f)->pMethods->xRead(OPEN(f), buffer, n, at);

	if (how == HALF)
		memset((char *)buffer + n / 2, 0xa5, (size_t)(n - n / 2));
	return how == HALF || succeeds(how) ? rc : plan->code;
}

static int f_write(sqlite3_file *f, const void *buffer, int n, sqlite3_int64 at)
{
	enum how how = before("sql_write");
	int rc = SQLITE_OK, size = how == HALF ? n / 2 : n;

	if (how == HALF || is_done(how))
		rc = OPEN(f)->pMethods->xWrite(OPEN(f), buffer, size, at);
	return succeeds(how) ? rc : plan->code;
}

static int f_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	enum how how = before("sql_truncate");
	int rc = is_done(how) ? OPEN(f)->pMethods->xTruncate(OPEN(f), size) : SQLITE_OK;

	return succeeds(how) ? rc : plan->code;
}

static int f_sync(sqlite3_file *f, int flags)
{
	enum how how = before("sql_sync");
	int rc = is_done(how) ? OPEN(f)->pMethods->xSync(OPEN(f), flags) : SQLITE_OK;

	return succeeds(how) ? rc : plan->code;
}

static int f_size(sqlite3_file *f, sqlite3_int64 *ret)
{
	enum how how = before("sql_size");
	int rc = is_done(how) ? OPEN(f)->pMethods->xFileSize(OPEN(f), ret) : SQLITE_OK;

	return succeeds(how) ? rc : plan->code;
}

static int f_lock(sqlite3_file *f, int level)
{
	enum how how = before("sql_lock");
	int rc = is_done(how) ? OPEN(f)->pMethods->xLock(OPEN(f), level) : SQLITE_OK;

	return succeeds(how) ? rc : plan->code;
}

static int f_unlock(sqlite3_file *f, int level)
{
	return OPEN(f)->pMethods->xUnlock(OPEN(f), level);
}

static int f_is_reserved(sqlite3_file *f, int *ret)
{
	return OPEN(f)->pMethods->xCheckReservedLock(OPEN(f), ret);
}

static int f_control(sqlite3_file *f, int op, void *arg)
{
	return OPEN(f)->pMethods->xFileControl(OPEN(f), op, arg);
}

static int f_sector_size(sqlite3_file *f)
{
	return OPEN(f)->pMethods->xSectorSize(OPEN(f));
}

static int f_device(sqlite3_file *f)
{
	return OPEN(f)->pMethods->xDeviceCharacteristics(OPEN(f));
}

/* Version 1: without shared memory, which who locks for itself alone has no use for (wal.html,
 * section 8), and without xFetch, which PRAGMA mmap_size=0 leaves unused. */
static const sqlite3_io_methods methods = {
	.iVersion = 1,
	.xClose = f_close,
	.xRead = f_read,
	.xWrite = f_write,
	.xTruncate = f_truncate,
	.xSync = f_sync,
	.xFileSize = f_size,
	.xLock = f_lock,
	.xUnlock = f_unlock,
	.xCheckReservedLock = f_is_reserved,
	.xFileControl = f_control,
	.xSectorSize = f_sector_size,
	.xDeviceCharacteristics = f_device,
};

static sqlite3_vfs *below;

static int v_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
	enum how how = before("sql_open");
	struct file *self = (struct file *)f;
	int rc = SQLITE_OK;

	(void)v;
	self->base.pMethods = NULL;
	self->real = (sqlite3_file *)(self + 1);
	if (how == REFUSED)
		return plan->code;
	rc = below->xOpen(below, name, self->real, flags, ret_flags);
	if (rc == SQLITE_OK)
		self->base.pMethods = &methods;
	return rc;
}

static int v_delete(sqlite3_vfs *v, const char *name, int sync)
{
	enum how how = before("sql_delete");
	int rc = is_done(how) ? below->xDelete(below, name, sync) : SQLITE_OK;

	(void)v;
	return succeeds(how) ? rc : plan->code;
}

static int v_access(sqlite3_vfs *v, const char *name, int flags, int *ret)
{
	enum how how = before("sql_access");
	int rc = is_done(how) ? below->xAccess(below, name, flags, ret) : SQLITE_OK;

	(void)v;
	return succeeds(how) ? rc : plan->code;
}

int sqlite3_open_v2(const char *filename, sqlite3 **ppDb, int flags, const char *zVfs)
{
	static int (*open_real)(const char *path, sqlite3 **ret, int flags, const char *vfs);
	static sqlite3_vfs above;

	if (!open_real)
		*(void **)&open_real = next("sqlite3_open_v2");
	if (!plan || zVfs)
		return open_real(filename, ppDb, flags, zVfs);
	if (!below) {
		below = sqlite3_vfs_find(NULL);
		above = *below;
		above.zName = "failcall";
		above.szOsFile += (int)sizeof(struct file);
		above.xOpen = v_open;
		above.xDelete = v_delete;
		above.xAccess = v_access;
		if (sqlite3_vfs_register(&above, 0) != SQLITE_OK)
			abort();
	}
	return open_real(filename, ppDb, flags, "failcall");
}
