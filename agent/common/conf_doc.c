/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/common/conf_doc.h"

#include "agent/common/conf_table.h"

#define WIDTH 100

void conf_doc_man(FILE *f)
{
	const char *section = "";

	for (size_t i = 0; i < conf_table_count(); i++) {
		const struct conf_key *key = conf_table_row(i);
		char words[CONF_WORDS_MAX];

		conf_table_words(key, words, sizeof(words));
		if (strcmp(section, key->section) != 0) {
			fprintf(f, "%s.Ss Section [%s]\n.Bl -tag -width Ds\n",
				*section ? ".El\n" : "", key->section);
			section = key->section;
		}
		fprintf(f, ".It Cm %s\n%s\nValue: %s.\n", key->key, key->help, words);
		if (*key->def)
			fprintf(f, "Default: %s.\n", key->def);
		if (key->reload)
			fprintf(f, "Can be changed while the agent runs.\n");
	}
	fprintf(f, ".El\n");
}

/* @text as comment lines. */
static void comment(FILE *f, const char *text)
{
	size_t column = 0;

	for (const char *w = text; *w;) {
		size_t len = strcspn(w, " ");

		if (column && column + len + 1 > WIDTH) {
			fputc('\n', f);
			column = 0;
		}
		column += (size_t)fprintf(f, "%s%.*s", column ? " " : "# ", (int)len, w);
		w += len;
		w += strspn(w, " ");
	}
	fputc('\n', f);
}

void conf_doc_example(FILE *f)
{
	const char *section = "";

	fprintf(f, "# Configuration of hoody-agent: see agent.conf(5). Every key stands here with "
		   "its default.\n"
		   "# Files in agent.conf.d/ that end in .conf are read after this one, in the "
		   "order of their names.\n");
	for (size_t i = 0; i < conf_table_count(); i++) {
		const struct conf_key *key = conf_table_row(i);

		if (strcmp(section, key->section) != 0)
			fprintf(f, "\n[%s]\n", key->section);
		section = key->section;
		comment(f, key->help);
		fprintf(f, "#%s=%s\n", key->key, key->def);
	}
}
