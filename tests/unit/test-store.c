/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The database on a real file: what is durable when the process dies, what happens to a damaged
 * file, and the statement interface.
 *
 * Deaths are real: a child writes and is killed, and its file is opened again. Damage is done
 * to bytes of the file, each kind from a good one that was filled before; then the file must be
 * set aside whole, under a name that says so. A full disk is played by a limit on the size of
 * files. */
#include "agent/state/store.h"

#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "agent/state/journal.h"
#include "agent/state/snaplist.h"
#include "agent/state/store_schema.h"
#include "proto/jsonx.h"
#include "tests/unit/tap.h"

static char dir[] = "/tmp/test-store-XXXXXX";
static char path[64];

static void run(const char *fmt, ...) _printf_(1, 2);
static void run(const char *fmt, ...)
{
	char command[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	if (system(command) != 0)
		TAP_BAIL("failed: %s", command);
}

static void afresh(void)
{
	run("rm -rf %s/*", dir);
}

static struct store *open_good(const char *why)
{
	struct store *s = NULL;
	struct err err = { 0 };

	if (!TAP_EQ(store_open(path, &s, &err), 0, "open: %s", why))
		TAP_BAIL("%s", err.message);
	return s;
}

static int add(struct store *s, const char *body)
{
	return store_exec(s, "INSERT INTO outbox(body) VALUES(?1)", "t", body);
}

static int64_t count(struct store *s)
{
	return store_scalar(s, "SELECT count(*) FROM outbox", -1);
}

static void test_create(void)
{
	struct store *s, *second = NULL;
	struct err err = { 0 };
	struct stat st;
	pid_t pid;
	int status;

	afresh();
	s = open_good("a new file");
	TAP_OK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600, "mode 0600");
	TAP_EQ(store_scalar(s,
		       "SELECT count(*) FROM sqlite_schema WHERE type='table' AND name IN "
		       "('meta', 'orders', 'containers', 'outbox', 'status_log')",
		       -1),
		5, "tables");
	TAP_EQ(add(s, "x"), 0, "insert");
	TAP_EQ(store_commit(s), 0, "commit");
	run("test ! -e %s-shm && test -e %s-wal && test ! -e %s.new", path, path, path);
	pid = fork(); /* locks are the process's: only another one can be refused */
	if (pid == 0)
		_exit(store_open(path, &second, &err) == -EBUSY &&
					strstr(err.message, "another agent")
				? 0
				: 1);
	TAP_OK(waitpid(pid, &status, 0) == pid && status == 0, "a second agent is refused");
	s = store_close(s);
	s = open_good("an old file");
	TAP_EQ(count(s), 1, "holds what was written");
	store_close(s);
}

static void test_transactions(void)
{
	struct store *s;

	afresh();
	s = open_good("transactions");
	TAP_OK(!store_is_dirty(s), "clean");
	TAP_EQ(store_commit(s), 0, "nothing to commit");
	TAP_EQ((int64_t)store_times(s).commits, 0, "nothing was committed");
	TAP_EQ(count(s), 0, "a read");
	TAP_OK(!store_is_dirty(s), "opens nothing");
	TAP_EQ(add(s, "a"), 0, "a write");
	TAP_OK(store_is_dirty(s), "opens a transaction");
	TAP_EQ(store_begin(s), 0, "begin joins it");
	store_rollback(s);
	TAP_OK(!store_is_dirty(s) && count(s) == 0, "rolled back");
	TAP_EQ(add(s, "b"), 0, "a write");
	TAP_EQ(store_commit(s), 0, "commit");
	TAP_OK(store_times(s).commits == 1 && store_times(s).commit_last_us > 0 &&
			store_times(s).commit_max_us >= store_times(s).commit_last_us,
		"was measured: %lld us", (long long)store_times(s).commit_last_us);
	TAP_EQ(add(s, "c"), 0, "uncommitted");
	store_close(s);
	s = open_good("again");
	TAP_EQ(count(s), 1, "closing commits nothing");
	store_close(s);
}

static void test_statements(void)
{
	static const uint8_t blob[] = { 1, 0, 2 };
	_cleanup_(store_closep) struct store *s = NULL;
	_cleanup_(freep) char *value = NULL;
	int64_t seq = 7;
	size_t size;

	TAP_EQ(store_open(":memory:", &s, NULL), 0, "in memory");
	for (int i = 0; i < 2; i++)
		TAP_EQ(store_exec(s,
			       "INSERT INTO orders(order_id, seq, op, origin, digest, received_ms, "
			       "state) "
			       "VALUES(?1, ?2, ?3, 'control', ?4, ?5, 'accepted')",
			       "totbi", i ? "b" : "a", i ? NULL : &seq, NULL, blob, sizeof(blob),
			       (int64_t)1 << 40),
			0, "insert %d", i);
	TAP_EQ(store_last_row(s), 2, "its row");
	TAP_EQ(store_exec(s,
		       "INSERT INTO orders(order_id, origin, digest, received_ms, state) "
		       "VALUES('a', '', x'00', 1, 'accepted')",
		       ""),
		-EEXIST, "a second one of a name");
	TAP_EQ(store_exec(s, "UPDATE orders SET state='odd' WHERE order_id='a'", ""), -EINVAL,
		"a CHECK");
	TAP_EQ(store_commit(s), 0, "neither broke the transaction");
	{
		_cleanup_stmt_ struct store_stmt *q = store_query(s,
			"SELECT seq, op, digest, received_ms, order_id FROM orders ORDER BY row",
			"");

		TAP_EQ(store_step(q), 1, "a row");
		TAP_EQ(store_int(q, 0), 7, "an integer");
		TAP_OK(!store_text(q, 1) && store_is_null(q, 1), "a NULL");
		TAP_OK(memcmp(store_blob(q, 2, &size), blob, 3) == 0 && size == 3, "a blob");
		TAP_EQ(store_int(q, 3), (int64_t)1 << 40, "a large integer");
		TAP_STREQ(store_text(q, 4), "a", "a text");
		TAP_EQ(store_step(q), 1, "another row");
		TAP_OK(store_is_null(q, 0) && store_int(q, 0) == 0, "an optional integer");
		TAP_EQ(store_step(q), 0, "the end");
	}
	TAP_EQ(store_exec(s, "UPDATE orders SET step=1", ""), 0, "update");
	TAP_EQ(store_changes(s), 2, "of two");
	TAP_EQ(store_scalar(s, "SELECT max(row) FROM orders WHERE state='failed'", -5), -5,
		"no value");

	TAP_EQ(store_meta_get(s, "k", &value, &size), 0, "meta");
	TAP_OK(!value && size == 0, "not there");
	TAP_EQ(store_meta_set(s, "k", "one", 3), 0, "set");
	TAP_EQ(store_meta_set(s, "k", "\0!", 2), 0, "set again");
	TAP_EQ(store_meta_get(s, "k", &value, &size), 0, "get");
	TAP_OK(size == 2 && memcmp(value, "\0!", 3) == 0, "the second");
	free(TAKE(value));
	TAP_EQ(store_meta_set(s, "k", NULL, 0), 0, "set to nothing");
	TAP_EQ(store_meta_get(s, "k", &value, &size), 0, "get");
	TAP_OK(value && size == 0, "is there, and empty");
}

/* What one loop iteration of a killed agent leaves: committed rows are there, others are not. */
static void test_kill(void)
{
	struct store *s;
	int pipe_fds[2], status;
	char byte;
	pid_t pid;

	afresh();
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		TAP_BAIL("pipe");
	pid = fork();
	if (pid == 0) {
		if (store_open(path, &s, NULL) < 0 || add(s, "kept") < 0 || store_commit(s) < 0 ||
			add(s, "lost") < 0)
			_exit(1);
		(void)!write(pipe_fds[1], "x", 1);
		for (;;)
			pause();
	}
	TAP_EQ(read(pipe_fds[0], &byte, 1), 1, "a process writes");
	(void)kill(pid, SIGKILL);
	TAP_OK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status), "and is killed");
	s = open_good("after that");
	TAP_EQ(count(s), 1, "what was committed is there, and only that");
	store_close(s);
	closefd(pipe_fds[0]);
	closefd(pipe_fds[1]);
}

/* --- damage --- */

static void expect_corrupt(const char *name, const char *part)
{
	struct store *s = NULL;
	struct err err = { 0 };

	TAP_EQ(store_open(path, &s, &err), -EUCLEAN, "%s: refused", name);
	TAP_EQ(err.code, ERR_STATE_CORRUPT, "%s: code", name);
	TAP_OK(strstr(err.message, part) != NULL, "%s: \"%s\"", name, err.message);
}

static void expect_aside(const char *name, off_t size)
{
	_cleanup_(freep) char *pattern = xasprintf("%s.corrupt-*Z", path);
	glob_t found = { 0 };
	struct stat st;

	expect_corrupt(name, "set aside as");
	TAP_OK(glob(pattern, 0, NULL, &found) == 0 && found.gl_pathc == 1,
		"%s: one file was set aside", name);
	TAP_OK(found.gl_pathc == 1 && stat(found.gl_pathv[0], &st) == 0 && st.st_size == size,
		"%s: whole", name);
	globfree(&found);
	expect_corrupt(name, "is missing, but");
	run("test ! -e %s", path);
}

static off_t filled(void)
{
	struct store *s;
	struct stat st = { 0 };

	afresh();
	s = open_good("to be damaged");
	for (int i = 0; i < 2000; i++)
		if (add(s, "a report of some length, so that the table has more than one page: "
			   "0123456789") < 0)
			TAP_BAIL("insert");
	TAP_EQ(store_commit(s), 0, "commit");
	store_close(s);
	(void)stat(path, &st);
	return st.st_size;
}

static void test_damage(void)
{
	off_t size = filled();
	struct err err = { 0 };
	struct store *s;

	run("dd if=/dev/urandom of=%s bs=4096 seek=8 count=20 conv=notrunc status=none", path);
	expect_aside("pages of noise", size);
	size = filled();
	run("dd if=/dev/urandom of=%s bs=100 count=1 conv=notrunc status=none", path);
	expect_aside("a header of noise", size);
	size = filled();
	TAP_EQ(truncate(path, size / 2), 0, "cut");
	expect_aside("half a file", size / 2);
	(void)filled();
	TAP_EQ(truncate(path, 0), 0, "cut");
	expect_aside("an empty file", 0);

	(void)filled();
	run("touch %s-wal && mv %s %s/elsewhere", path, path, dir);
	expect_corrupt("a WAL without its file", "-wal is there");

	afresh();
	run("mkdir %s", path);
	TAP_EQ(store_open(path, &s, &err), -EINVAL, "a directory");
	afresh();
	run("ln -s /etc/passwd %s", path);
	TAP_EQ(store_open(path, &s, &err), -EINVAL, "a symlink");
	run("test -e /etc/passwd");
	afresh();
	run("echo half > %s.new", path);
	s = open_good("beside a half-made one");
	store_close(s);
	TAP_EQ(store_open("/nonexistent/state.db", &s, &err), -ENOENT, "no directory: %s",
		err.message);
}

/* Of an older one, the columns go that are still to come. */
static void set_version(long version)
{
	static const char *const columns[] = { "ALTER TABLE snapshots DROP COLUMN brought",
		"ALTER TABLE snapshots DROP COLUMN used_turn" };
	static char sql[64];
	struct store *s = open_good("to set the version");

	for (size_t i = 0; version < 11 && i < countof(columns); i++)
		TAP_EQ(store_exec(s, columns[i], ""), 0, "a column is gone");
	(void)snprintf(sql, sizeof(sql), "PRAGMA user_version=%ld", version);
	TAP_EQ(store_exec(s, sql, ""), 0, "set");
	TAP_EQ(store_commit(s), 0, "commit");
	store_close(s);
}

static void test_schema(void)
{
	struct store *s = NULL;
	struct err err = { 0 };

	afresh();
	set_version((long)store_schema_version + 1);
	TAP_EQ(store_open(path, &s, &err), -ENOTSUP, "a newer schema is refused");
	TAP_EQ(err.code, ERR_STATE_SCHEMA, "with its code: %s", err.message);
	run("test -e %s", path);
}

/* As an agent before schema 10 has written them. */
static void test_paths(void)
{
	static const char *const all[][4] = { { "//etc/.", "/mnt//x/", "/etc", "/mnt/x" },
		{ "//", "/./a/././b", "/", "/a/b" },
		{ "/..a/.b/c.", "/a./b", "/..a/.b/c.", "/a./b" } };
	struct store *s;

	afresh();
	s = open_good("for shares");
	for (size_t i = 0; i < countof(all); i++)
		TAP_EQ(store_exec(s,
			       "INSERT INTO shares(id, source_id, path, mount_path, mode, enabled, "
			       "status, created_ms, changed_ms) "
			       "VALUES(?1, 'a', ?1, ?2, 'readonly', 1, 'active', 1, 1)",
			       "tt", all[i][0], all[i][1]),
			0, "a share");
	TAP_EQ(store_commit(s), 0, "commit");
	store_close(s);
	set_version(9);
	s = open_good("of an older agent");
	for (size_t i = 0; i < countof(all); i++) {
		_cleanup_stmt_ struct store_stmt *q = store_query(
			s, "SELECT path, mount_path FROM shares WHERE id=?1", "t", all[i][0]);

		TAP_EQ(store_step(q), 1, "the share");
		TAP_STREQ(store_text(q, 0), all[i][2], "its directory goes by one name");
		TAP_STREQ(store_text(q, 1), all[i][3], "and so does its place");
	}
	store_close(s);
}

/* As an agent before schema 11 has written them: times are all that it knew. */
static void test_snapshots(void)
{
	static const struct {
		const char *container, *name;
		int64_t created_ms, used_ms;
		int brought;
	} all[] = { { "copy", "old", 1, 9, 1 }, { "copy", "own", 3, 8, 0 },
		{ "made", "own", 1, 7, 0 } };
	struct store *s;

	afresh();
	s = open_good("for snapshots");
	TAP_EQ(store_exec(s,
		       "INSERT INTO containers(id, project_id, id_slot, spec, status, created_ms, "
		       "changed_ms) VALUES('copy', 'p', 1, '{\"source_container_id\":\"made\"}', "
		       "'running', 2, 2), ('made', 'p', 2, '{}', 'running', 2, 2)",
		       ""),
		0, "two containers");
	for (size_t i = 0; i < countof(all); i++)
		TAP_EQ(store_exec(s,
			       "INSERT INTO snapshots(container_id, name, created_ms, "
			       "last_used_ms, size) VALUES(?1, ?2, ?3, ?4, 0)",
			       "ttii", all[i].container, all[i].name, all[i].created_ms,
			       all[i].used_ms),
			0, "a snapshot");
	TAP_EQ(store_commit(s), 0, "commit");
	store_close(s);
	set_version(10);
	s = open_good("of an older agent");
	for (size_t i = 0; i < countof(all); i++)
		TAP_EQ(snaplist_is_brought(s, all[i].container, all[i].name), all[i].brought,
			"%s of %s has come along with a copy", all[i].name, all[i].container);
	snaplist_set_used(s, "copy", "own", 5);
	for (size_t i = 1; i < countof(all); i++) {
		_cleanup_json_ json_t *last = snaplist_last_used(s, all[i].container);

		TAP_STREQ(json_string_value(last), "own", "restored last");
	}
	store_close(s);
}

/* --- orders that have ended --- */

static int64_t said(struct store *s)
{
	return store_scalar(s, "SELECT total(length(payload)) > 0 FROM orders", -1);
}

static int64_t take_in(struct store *s, const char *id, enum journal_state state)
{
	static char text[300000];
	struct order o = {
		.op_name = "node.command", .payload = text, .payload_size = sizeof(text)
	};

	(void)snprintf(o.id, sizeof(o.id), "%s", id);
	return journal_add(s, &o, "control", 1, state, NULL);
}

static void check_counts(struct store *s, int accepted, int succeeded, int failed, int rejected)
{
	_cleanup_json_ json_t *have = journal_counts(s),
			      *want = json_pack("{s:i, s:i, s:i, s:i, s:i}", "accepted", accepted,
				      "running", 0, "succeeded", succeeded, "failed", failed,
				      "rejected", rejected);

	TAP_OK(json_equal(have, want), "the journal's counts");
}

/* Orders may be of a MiB, and 100,000 that have ended are kept. */
static void test_ended(void)
{
	struct store *s;
	int64_t row;

	afresh();
	s = open_good("for orders");
	(void)take_in(s, "refused", JOURNAL_REJECTED);
	TAP_EQ(said(s), 0, "nothing is kept of what a refused order said");
	row = take_in(s, "first", JOURNAL_ACCEPTED);
	TAP_EQ(said(s), 1, "what an order said is kept");
	check_counts(s, 1, 0, 0, 1);
	journal_finish(s, row, JOURNAL_SUCCEEDED, 1, 2, NULL, NULL);
	TAP_EQ(said(s), 0, "until it has ended");
	journal_finish(s, take_in(s, "second", JOURNAL_ACCEPTED), JOURNAL_FAILED, 1, 2, NULL, NULL);
	check_counts(s, 0, 1, 1, 1);
	/* As an agent before schema 9 has left it. */
	(void)take_in(s, "waits", JOURNAL_ACCEPTED);
	TAP_EQ(store_exec(s, "UPDATE orders SET payload=x'00' WHERE state<>'accepted'", ""), 0,
		"old rows");
	TAP_EQ(store_exec(s, "DROP INDEX orders_failed", ""), 0, "and no index");
	TAP_EQ(store_commit(s), 0, "commit");
	store_close(s);
	set_version(8);
	s = open_good("of an older agent");
	TAP_EQ(store_scalar(s, "SELECT count(*) FROM orders WHERE payload IS NOT NULL", -1), 1,
		"what orders have said goes from an older state, but of who waits");
	check_counts(s, 1, 1, 1, 1);
	store_close(s);
}

/* A full file system, as RLIMIT_FSIZE makes one: nothing half-committed, and no commit that says
 * yes to nothing. */
static void test_full(void)
{
	int status;
	pid_t pid;

	afresh();
	store_close(open_good("to be filled"));
	pid = fork();
	if (pid == 0) {
		struct store *s;
		int r = 0, c;

		(void)signal(SIGXFSZ, SIG_IGN);
		if (store_open(path, &s, NULL) < 0 || add(s, "first") < 0 || store_commit(s) < 0)
			_exit(1);
		(void)setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 1 << 20, 1 << 20 });
		for (int i = 0; i < 100000 && r == 0; i++)
			r = add(s, "a report of some length, so that the file grows: "
				   "01234567890123456789");
		c = store_commit(s);
		_exit(c < 0 && store_commit(s) == c && store_begin(s) == c ? 0 : 2);
	}
	TAP_OK(waitpid(pid, &status, 0) == pid && status == 0,
		"a full disk fails the commit, and every later one (%x)", status);
	{
		struct store *s = open_good("after that");

		TAP_EQ(count(s), 1, "nothing of it is there");
		store_close(s);
	}
}

int main(void)
{
	if (!mkdtemp(dir))
		TAP_BAIL("no directory");
	(void)snprintf(path, sizeof(path), "%s/state.db", dir);
	test_create();
	test_transactions();
	test_statements();
	test_kill();
	test_damage();
	test_schema();
	test_paths();
	test_snapshots();
	test_ended();
	test_full();
	run("rm -rf %s", dir);
	return tap_done();
}
