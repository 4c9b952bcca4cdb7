/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one table of the configuration: what keys exist, of which kind, within which bounds, and what
 * they mean. conf.c reads files by it, conf_doc.c prints it, tests/unit/test-conf.c holds the
 * manual page and the example file against it. */
#pragma once

#include "agent/common/conf.h"

struct conf_kind;

struct conf_key {
	const char *section, *key;
	const struct conf_kind *kind;
	size_t offset;            /* into struct conf */
	const char *def;          /* as it would be written; "" is unset */
	int64_t min, max;         /* of numbers */
	const char *const *names; /* of enumerations: NULL-terminated, in the enum's order; "" can't
				     be written */
	bool reload;              /* takes effect at SIGHUP */
	const char *help;         /* sentences, plain text */
};

#define CONF_WORDS_MAX 160

size_t conf_table_count(void);
const struct conf_key *conf_table_row(size_t i);

/* NULL when there is none. */
const struct conf_key *conf_table_find(const char *section, const char *key);
bool conf_table_has_section(const char *section);

/* What a value of @key looks like: "one of auto, btrfs, dir", "a number of seconds (1 to 60)". */
void conf_table_words(const struct conf_key *key, char *ret, size_t size);

/* Store @value ("": the default) in @c; @add: behind what a list holds already. Returns 0, or
 * -EINVAL and a sentence's end. */
_must_check_ int conf_table_set(struct conf *c, const struct conf_key *key, const char *value,
	bool add, const char **ret_why);
bool conf_table_is_equal(const struct conf_key *key, const struct conf *a, const struct conf *b);
/* As it would be written; the caller's. */
char *conf_table_value(const struct conf_key *key, const struct conf *c);
void conf_table_copy(const struct conf_key *key, const struct conf *from, struct conf *to);
void conf_table_free(const struct conf_key *key, struct conf *c);
/* One more name, "Section.Key", in such a list as conf_reload()'s; "" at first. */
void conf_table_keep(const struct conf_key *key, char kept[static CONF_KEPT_MAX]);
