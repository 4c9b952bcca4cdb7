/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration: an INI file and the drop-ins FILE.d/(*).conf, read in the order of their
 * names, the last word on a key winning. One table (conf_table.c) says what exists: section, key,
 * type, bounds, default, help; the parser, the example file, the manual page's list and its check
 * all come from it. What the table does not know is an error, as is a value out of bounds: @err
 * then names the file and the line in its message, and "Section.Key" as its field. Nothing is
 * guessed and nothing half-read is returned.
 *
 * A line is `[Section]`, `Key=Value`, or a comment that begins with # or ;, which may also stand
 * behind a value (" ;"). An empty Value means the default. A key stands once in a file, but for
 * lists, where each line adds. There are no continuation lines and no quotes. Keys and sections are
 * case-sensitive. */
#pragma once

#include "proto/base.h"
#include "proto/err.h"

#define CONF_PATH_DEFAULT "/etc/hoody-agent/agent.conf"
#define CONF_FILE_MAX     262144L /* bytes of one file */
#define CONF_DROPINS_MAX  128
#define CONF_LINE_MAX     198 /* bytes of one line: inih's INI_MAX_LINE as distributions build it */
#define CONF_SOCKET_MAX   107 /* bytes of a socket's path: unix(7) */

#define CONF_HOST_NAME_SIZE 65 /* with the NUL: gethostname(2) */

/* The host's name with a dash for what is no printable ASCII, as Node.Name may be; "": it has none.
 * Whoever sets a host's name may give it any bytes, which JSON has no words for. */
void conf_host_name(char ret[static CONF_HOST_NAME_SIZE]);

enum conf_driver { CONF_DRIVER_AUTO, CONF_DRIVER_BTRFS, CONF_DRIVER_DIR, CONF_DRIVER_COUNT };

/* AUTO is what an unset key holds while reading; conf_load() resolves it: REQUIRED for an https
 * ApiUrl, else OPTIONAL. */
enum conf_signature {
	CONF_SIGNATURE_AUTO,
	CONF_SIGNATURE_REQUIRED,
	CONF_SIGNATURE_OPTIONAL,
	CONF_SIGNATURE_COUNT
};

/* Strings are never NULL: "" is unset. Paths are absolute, normalised enough to append "/name" to.
 * All of it is conf_done()'s. */
struct conf {
	struct {
		char *node_id; /* 24 lowercase hex characters, or "" (standalone only) */
		char *name;    /* the host's name when the key is unset */
		char *state_directory;
		char *runtime_directory;
		int64_t max_workers;
	} node;
	struct {
		char *api_url; /* without a trailing slash; "": standalone */
		char *token_file;
		char *trusted_keys;
		char *ca_file;          /* "": the system's */
		int response_signature; /* enum conf_signature */
		int64_t poll_wait_s;
		int64_t reconnect_spread_s;
		int64_t stats_interval_s;      /* 0: off */
		int64_t stats_idle_interval_s; /* 0: none while nobody looks */
		int64_t outbox_max_bytes;
	} control;
	struct {
		char *user;
	} courier;
	struct {
		int64_t id_base; /* container n has the ids id_base + n * 65536 … */
		char *cgroup_prefix;
		char *stop_signal; /* or "" */
		/* of a container's own */
		int64_t cgroups_max, cgroup_depth_max, namespaces_max, net_namespaces_max;
		int64_t inotify_max, watches_max;
		int64_t tasks_max, memory_max; /* of one without a limit; 0: by what the host has */
		bool favor_dynmods;
	} containers;
	struct {
		char *table;
		char *interface_prefix;
		char *subnet4; /* CIDR */
		char *subnet6; /* CIDR or "" */
		bool masquerade;
		int64_t flows_max; /* of a container; 0: by what the kernel tracks */
		bool cloud_metadata;
		char *dns;             /* addresses with one space between them, or "" */
		char *proxy_addresses; /* the same; each may be a CIDR */
		char *proxy_ca_file;   /* or "" */
		char *default_proxy;   /* socks5:// or http(s):// URL, or "" */
	} network;
	struct {
		char *pool;
		int driver;         /* enum conf_driver */
		char *image_server; /* a URL, or "" */
		int64_t image_max_bytes, image_max_files;
		int64_t count_interval_s; /* 0: only for whoever asks */
	} storage;
	struct {
		char *directory;
	} proxy;
	struct {
		char *socket;
		char *group;
	} local;
	struct {
		char *listen; /* address:port, or "" */
	} metrics;
};

void conf_done(struct conf *c);
#define _cleanup_conf_ _cleanup_(conf_done)

/* The token's name where systemd keeps it (systemd.exec(5), LoadCredential=). */
#define CONF_CREDENTIAL "hoody-agent.node-token"

/* Read @path and its drop-ins. A missing main file is an error, a missing drop-in directory is not.
 *
 * conf_load() also takes systemd's credential hoody-agent.node-token for an unset TokenFile, if
 * there is one, and checks the keys against each other: an ApiUrl needs NodeId and TokenFile;
 * conf_read() leaves that out, which is what `hoodyctl enroll` needs before there is a node id.
 *
 * Returns 0; -ENOENT, -EACCES … when a file can't be read; -EINVAL (ERR_CONFIG) for what stands in
 * it. */
_must_check_ int conf_load(const char *path, struct conf *ret, struct err *err);
_must_check_ int conf_read(const char *path, struct conf *ret, struct err *err);

/* The same of one text without drop-ins; @name stands for its path in messages. */
_must_check_ int conf_parse(const char *name, const char *text, struct conf *ret, struct err *err);

/* Every key at its default, as if the file were empty (tests, hoodyctl without a file). */
void conf_defaults(struct conf *ret);

/* SIGHUP: load @path again. *ret is a whole new configuration in which keys that can't change while
 * running hold their values of
 * @running; @ret_kept (optional) receives the "Section.Key" names of those that the file has
 * changed all the same, with ", " between them and cut off at its end, or "". On failure @running
 * stays in force and *ret is untouched. Errors as conf_load(). */
#define CONF_KEPT_MAX 512
_must_check_ int conf_reload(const struct conf *running, const char *path, struct conf *ret,
	char ret_kept[static CONF_KEPT_MAX], struct err *err);
