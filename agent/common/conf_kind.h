/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kinds of values of the configuration's keys (agent/common/conf_table). */
#pragma once

#include "agent/common/conf.h"

struct conf_key;

enum conf_storage { CONF_STORAGE_TEXT, CONF_STORAGE_INT, CONF_STORAGE_ENUM, CONF_STORAGE_BOOL };

struct conf_kind {
	const char *words; /* "an absolute path" */
	enum conf_storage storage;
	bool list; /* further lines of one file add */
	/* Read the text (never empty). Returns 0; or -EINVAL, and then *ret_why may say what is
	 * wrong in particular. Texts leave @key alone and say in *ret, when it is not as written,
	 * what to store (the caller's). */
	int (*text)(const char *value, char **ret, const char **ret_why);
	int (*number)(
		const struct conf_key *key, const char *value, int64_t *ret, const char **ret_why);
};

extern const struct conf_kind conf_kind_node_id, conf_kind_label, conf_kind_user, conf_kind_word,
	conf_kind_cgroup, conf_kind_prefix, conf_kind_signal_name, conf_kind_path,
	conf_kind_socket_path, conf_kind_api_url, conf_kind_subnet4, conf_kind_subnet6,
	conf_kind_hosts, conf_kind_networks, conf_kind_proxy, conf_kind_listen_address,
	conf_kind_number, conf_kind_seconds, conf_kind_bytes, conf_kind_boolean, conf_kind_choice;
