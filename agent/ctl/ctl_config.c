/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoodyctl config: check the configuration as the agent would, or print what is made of the tables.
 */
#include <unistd.h>

#include "agent/common/conf_doc.h"
#include "agent/common/conf_table.h"
#include "agent/common/journald.h"
#include "agent/ctl/ctl.h"
#include "agent/ctl/ctl_out.h"
#include "proto/jsonx.h"

static void print_values(const struct conf *c)
{
	const char *section = "";

	for (size_t i = 0; i < conf_table_count(); i++) {
		const struct conf_key *key = conf_table_row(i);
		_cleanup_(freep) char *value = conf_table_value(key, c);

		if (strcmp(section, key->section) != 0)
			printf("%s[%s]\n", *section ? "\n" : "", key->section);
		section = key->section;
		printf("%s=%s\n", key->key, value);
	}
}

static void print_json(const struct conf *c)
{
	_cleanup_json_ json_t *v = json_object();

	for (size_t i = 0; i < conf_table_count(); i++) {
		const struct conf_key *key = conf_table_row(i);
		_cleanup_(freep) char *value = conf_table_value(key, c);

		if (!json_object_get(v, key->section))
			jsonx_set(v, key->section, json_object());
		jsonx_set_string(json_object_get(v, key->section), key->key, value);
	}
	ctl_out_json(v);
}

/* systemd gives credentials to the unit alone; here it is asked where it has that one from: of the
 * unit that runs, of the host's own, or of its stores (systemd.exec(5), LoadCredential=). */
static void find_credential(void)
{
	static const char *const places[] = { "/run/credentials/hoody-agent.service",
		"/run/credentials/@system", "/etc/credstore", "/run/credstore",
		"/usr/local/lib/credstore", "/usr/lib/credstore" };

	for (size_t i = 0; i < countof(places); i++) {
		_cleanup_(freep) char *path = xasprintf("%s/" CONF_CREDENTIAL, places[i]);

		if (access(path, F_OK) == 0) {
			(void)setenv("CREDENTIALS_DIRECTORY", places[i], /* overwrite= */ 0);
			return;
		}
	}
}

enum ctl_exit ctl_config(const struct ctl *ctl, struct err *err)
{
	const char *path = ctl->config ? ctl->config : CONF_PATH_DEFAULT;
	_cleanup_conf_ struct conf c = { 0 };

	if (ctl->example || ctl->man || ctl->catalog) {
		if (ctl->example)
			conf_doc_example(stdout);
		if (ctl->man)
			conf_doc_man(stdout);
		if (ctl->catalog)
			journald_print_catalog(stdout);
		return CTL_OK;
	}
	find_credential();
	if (conf_load(path, &c, err) < 0)
		return CTL_CONFIG;
	if (ctl->json)
		print_json(&c);
	else if (strcmp(ctl->verb, "check") == 0)
		printf("%s is good\n", path);
	else
		print_values(&c);
	return CTL_OK;
}
