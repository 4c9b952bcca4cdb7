/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/state/store_schema.h"

/* Times are ms since the epoch. result, error and spec are JSON. digest is the SHA-256 of the
 * payload as it was signed. */
static const char version_1[] =
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value BLOB) STRICT;"

	"CREATE TABLE orders("
	"	row INTEGER PRIMARY KEY AUTOINCREMENT,"
	"	order_id TEXT UNIQUE NOT NULL,"
	"	seq INTEGER," /* NULL: of local origin */
	"	op TEXT,"
	"	operation_id TEXT,"
	"	project_id TEXT,"
	"	container_id TEXT,"
	"	origin TEXT NOT NULL,"
	"	digest BLOB NOT NULL,"
	"	payload BLOB,"
	"	received_ms INTEGER NOT NULL,"
	"	state TEXT NOT NULL"
	"		CHECK(state IN ('accepted', 'running', 'succeeded', 'failed', 'rejected')),"
	"	attempts INTEGER NOT NULL DEFAULT 0,"
	"	step INTEGER NOT NULL DEFAULT 0,"
	"	undoing INTEGER NOT NULL DEFAULT 0,"
	"	started_ms INTEGER,"
	"	finished_ms INTEGER,"
	"	result TEXT,"
	"	error TEXT,"
	"	prev_status TEXT) STRICT;"
	"CREATE INDEX orders_unfinished ON orders(row) WHERE state IN ('accepted', 'running');"
	"CREATE INDEX orders_container ON orders(container_id);"

	"CREATE TABLE containers("
	"	id TEXT PRIMARY KEY,"
	"	project_id TEXT NOT NULL,"
	"	id_slot INTEGER UNIQUE NOT NULL,"
	"	name TEXT,"
	"	image TEXT,"
	"	spec TEXT NOT NULL,"
	"	params_digest BLOB,"
	"	status TEXT NOT NULL,"
	"	created_ms INTEGER NOT NULL,"
	"	changed_ms INTEGER NOT NULL) STRICT;"

	"CREATE TABLE outbox("
	"	seq INTEGER PRIMARY KEY AUTOINCREMENT,"
	"	body TEXT NOT NULL) STRICT;"

	"CREATE TABLE status_log("
	"	row INTEGER PRIMARY KEY,"
	"	container_id TEXT NOT NULL,"
	"	from_status TEXT,"
	"	to_status TEXT NOT NULL,"
	"	at_ms INTEGER NOT NULL,"
	"	duration_ms INTEGER,"
	"	triggered_by TEXT,"
	"	metadata TEXT) STRICT;"
	"CREATE INDEX status_log_container ON status_log(container_id, at_ms);";

/* The local API: projects that were made here, and what happened. An event's row is its id. */
static const char version_2[] =
	"CREATE TABLE projects("
	"	id TEXT PRIMARY KEY,"
	"	alias TEXT NOT NULL,"
	"	color TEXT,"
	"	created_ms INTEGER NOT NULL,"
	"	changed_ms INTEGER NOT NULL) STRICT;"

	"CREATE TABLE events("
	"	row INTEGER PRIMARY KEY AUTOINCREMENT,"
	"	at_ms INTEGER NOT NULL,"
	"	event_type TEXT NOT NULL,"
	"	resource_type TEXT NOT NULL,"
	"	resource_id TEXT NOT NULL,"
	"	project_id TEXT,"
	"	payload TEXT NOT NULL) STRICT;"

	"CREATE INDEX orders_operation ON orders(operation_id) WHERE operation_id IS NOT NULL;"
	"DROP INDEX status_log_container;"
	"CREATE INDEX status_log_container ON status_log(container_id, row);";

/* Snapshots and images: what people call them; the trees lie in the pool. */
static const char version_3[] =
	"CREATE TABLE snapshots("
	"	container_id TEXT NOT NULL,"
	"	name TEXT NOT NULL,"
	"	alias TEXT,"
	"	created_ms INTEGER NOT NULL,"
	"	last_used_ms INTEGER,"
	"	expires_ms INTEGER,"
	"	size INTEGER NOT NULL,"
	"	PRIMARY KEY(container_id, name)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE images("
	"	name TEXT PRIMARY KEY,"
	"	digest TEXT NOT NULL,"
	"	url TEXT NOT NULL,"
	"	size INTEGER NOT NULL,"
	"	created_ms INTEGER NOT NULL) STRICT;"
	"CREATE INDEX snapshots_expiry ON snapshots(expires_ms) WHERE expires_ms IS NOT NULL;";

/* Firewall rules: a direction that has no row is detached. Network modes: none without a row, none
 * in force without active. */
static const char version_4[] =
	"CREATE TABLE firewall("
	"	container_id TEXT NOT NULL,"
	"	direction TEXT NOT NULL,"
	"	rules TEXT NOT NULL,"
	"	PRIMARY KEY(container_id, direction)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE network("
	"	container_id TEXT PRIMARY KEY,"
	"	config TEXT NOT NULL,"
	"	active TEXT,"
	"	status TEXT NOT NULL,"
	"	configured_ms INTEGER NOT NULL,"
	"	changed_ms INTEGER) STRICT;";

/* Environment and shares: what was wished before is kept while an order changes it. Keys that log
 * in. What the node's reverse proxy reads: a document that is NULL was deleted at its version.
 * Shares, and which container has refused which. */
static const char version_5[] =
	"CREATE TABLE env("
	"	container_id TEXT PRIMARY KEY,"
	"	vars TEXT NOT NULL,"
	"	before TEXT,"
	"	revision INTEGER NOT NULL,"
	"	applied_revision INTEGER NOT NULL DEFAULT 0,"
	"	verified_ms INTEGER,"
	"	attempted_ms INTEGER,"
	"	attempts INTEGER NOT NULL DEFAULT 0,"
	"	last_error TEXT,"
	"	retry_ms INTEGER) STRICT;"
	"CREATE INDEX env_retry ON env(retry_ms) WHERE retry_ms IS NOT NULL;"
	"CREATE TABLE ssh_keys("
	"	container_id TEXT PRIMARY KEY,"
	"	key TEXT NOT NULL,"
	"	fingerprint TEXT NOT NULL,"
	"	installed_ms INTEGER NOT NULL) STRICT;"
	"CREATE TABLE documents("
	"	scope TEXT NOT NULL,"
	"	id TEXT NOT NULL,"
	"	file_version INTEGER NOT NULL,"
	"	document TEXT,"
	"	changed_ms INTEGER NOT NULL,"
	"	PRIMARY KEY(scope, id)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE aliases("
	"	id TEXT PRIMARY KEY,"
	"	alias TEXT UNIQUE NOT NULL,"
	"	enabled INTEGER NOT NULL,"
	"	target TEXT NOT NULL,"
	"	expires_ms INTEGER,"
	"	created_ms INTEGER NOT NULL,"
	"	changed_ms INTEGER NOT NULL) STRICT;"
	"CREATE INDEX aliases_expiry ON aliases(expires_ms) WHERE expires_ms IS NOT NULL;"
	"CREATE TABLE shares("
	"	id TEXT PRIMARY KEY,"
	"	source_id TEXT NOT NULL,"
	"	path TEXT NOT NULL,"
	"	target_id TEXT,"
	"	project_id TEXT,"
	"	mode TEXT NOT NULL,"
	"	mount_path TEXT,"
	"	alias TEXT,"
	"	enabled INTEGER NOT NULL,"
	"	expires_ms INTEGER,"
	"	status TEXT NOT NULL,"
	"	message TEXT,"
	"	created_ms INTEGER NOT NULL,"
	"	changed_ms INTEGER NOT NULL,"
	"	before TEXT) STRICT;"
	"CREATE INDEX shares_expiry ON shares(expires_ms) WHERE expires_ms IS NOT NULL;"
	"CREATE TABLE share_overrides("
	"	share_id TEXT NOT NULL,"
	"	container_id TEXT NOT NULL,"
	"	id TEXT NOT NULL,"
	"	mount INTEGER NOT NULL,"
	"	created_ms INTEGER NOT NULL,"
	"	changed_ms INTEGER NOT NULL,"
	"	before INTEGER,"
	"	PRIMARY KEY(share_id, container_id)) STRICT, WITHOUT ROWID;";

/* What people write at things, which nobody but them reads, and how many containers a project may
 * have. */
static const char version_6[] =
	"ALTER TABLE projects ADD COLUMN max_containers INTEGER;"
	"ALTER TABLE shares ADD COLUMN label TEXT;"
	"ALTER TABLE shares ADD COLUMN description TEXT;"
	"CREATE TABLE notes(container_id TEXT PRIMARY KEY, members TEXT NOT NULL) STRICT;"
	"CREATE INDEX ssh_keys_fingerprint ON ssh_keys(fingerprint);";

/* By which signal an image's process asks to be ended, in its own words. */
static const char version_7[] = "ALTER TABLE images ADD COLUMN stop_signal TEXT;";

/* The realms that a project is in. */
static const char version_8[] = "ALTER TABLE projects ADD COLUMN realm_ids TEXT;";

/* What orders said that have ended goes, and those that did not succeed are few to count. */
static const char version_9[] =
	"UPDATE orders SET payload=NULL WHERE state NOT IN ('accepted', 'running');"
	"CREATE INDEX orders_failed ON orders(state) WHERE state IN ('failed', 'rejected');";

/* Paths of shares as opfield_fold_path() has them since: each goes by one name. */
#define FOLD(column)                                                                       \
	"WITH RECURSIVE folded(id, path) AS (SELECT id, " column "||'/' FROM shares "      \
	"WHERE " column " IS NOT NULL UNION ALL "                                          \
	"SELECT id, replace(replace(path, '//', '/'), '/./', '/') FROM folded "            \
	"WHERE instr(path, '//') OR instr(path, '/./')) "                                  \
	"UPDATE shares SET " column "=coalesce(nullif(rtrim(folded.path, '/'), ''), '/') " \
	"FROM folded WHERE folded.id=shares.id AND NOT instr(folded.path, '//') "          \
	"AND NOT instr(folded.path, '/./');"
static const char version_10[] = FOLD("path") FOLD("mount_path");

/* Which snapshots a copy has brought along, and in which turn they were restored: times say neither
 * where the clock was set between. Of older agents' we know no more than the times. */
static const char version_11[] =
	"ALTER TABLE snapshots ADD COLUMN brought INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE snapshots ADD COLUMN used_turn INTEGER;"
	"UPDATE snapshots SET used_turn=last_used_ms;"
	"UPDATE snapshots SET brought=1 WHERE created_ms <= (SELECT created_ms FROM containers "
	"WHERE id=container_id AND json_extract(spec, '$.source_container_id') IS NOT NULL);";

const char *const store_schema[] = { version_1, version_2, version_3, version_4, version_5,
	version_6, version_7, version_8, version_9, version_10, version_11 };
const size_t store_schema_version = countof(store_schema);
