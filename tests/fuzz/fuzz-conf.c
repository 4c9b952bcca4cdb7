/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Configuration files: refused with the line and a sentence, or whole, within the table's bounds,
 * and the same when its values are written again. */
#include "proto/opfield.h"
#include "agent/common/conf_table.h"
#include "tests/fuzz/fuzz.h"

static void check_key(const struct conf_key *key, const struct conf *c)
{
	_cleanup_(freep) char *value = conf_table_value(key, c), *line = NULL;
	struct err err = {};
	struct conf again;

	line = xasprintf("[%s]\n%s=%s\n", key->section, key->key, value);
	if (strlen(key->key) + 1 + strlen(value) > CONF_LINE_MAX)
		return; /* of several lines */
	if (conf_parse("again", line, &again, &err) < 0)
		abort();
	assert(conf_table_is_equal(key, c, &again));
	conf_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *text = fuzz_text(data, size);
	_cleanup_conf_ struct conf c = {};
	struct err err = {};

	if (size > CONF_FILE_MAX)
		return 0;
	if (conf_parse("file", text, &c, &err) < 0) {
		assert(err.code == ERR_CONFIG && strncmp(err.message, "file", 4) == 0);
		return 0;
	}
	assert(c.node.max_workers >= 1 && c.node.max_workers <= 256);
	assert(*c.node.state_directory == '/' && !strstr(c.node.state_directory, "/../"));
	assert(!*c.control.api_url || opfield_is_api_url(c.control.api_url));
	for (size_t i = 0; i < conf_table_count(); i++)
		check_key(conf_table_row(i), &c);
	return 0;
}
