/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoodyctl man: the manual page of a noun, in mdoc(7). Its commands, arguments, keys and options
 * are those of the tables that parse the command line and judge the keys; only what a noun is, and
 * what one does with it, is written here. The pages are made by the build, and lie nowhere else. */
#include <ctype.h>

#include "agent/ctl/ctl_keys.h"
#include "agent/ctl/ctl_table.h"

#define MAN_DATE "November 29, 2026" /* of this file, so that the same source makes the same page */

static const struct noun {
	const char *name, *what, *about;
	const char *examples[3];
} nouns[] = {
	{ "container", "the containers of a node",
		"A container is a root of files, made of an image or of another container, in "
		"which an init runs unprivileged.",
		{ "container create builtin:busybox web --memory 256M --env MODE=test",
			"container list --filter status=running --sort memory",
			"container copy web web-2" } },
	{ "snapshot", "what containers were at a moment",
		"A snapshot holds a container's files, and not what runs in it.",
		{ "snapshot create web before", "snapshot diff web before",
			"snapshot restore web before" } },
	{ "firewall", "what may reach a container, and what it may reach",
		"Rules are asked in their order, and the first that fits decides. A direction "
		"without any is open; one that has had rules lets through what they allow and "
		"nothing else.",
		{ "firewall allow web 443/tcp from 10.0.0.0/8", "firewall list web",
			"firewall move web ingress 2 1" } },
	{ "network", "the way that a container has to the world",
		"Direct, through a proxy that all of its names and TCP go through, or blocked.",
		{ "network configure web type=block", "network start web", "network info web" } },
	{ "share", "directories of one container in another",
		"Who receives a share mounts it; who gives it can take it back.",
		{ "share create web source_path=/srv target_container_id=data mount_path=/mnt "
		  "mode=readonly",
			"share list" } },
	{ "env", "the environment of a container's programs",
		"Variables are kept by the node and written into the container, where programs "
		"that are started afterwards have them.",
		{ "env set web MODE=test LANG=C.UTF-8", "env list web" } },
	{ "image", "what containers are made of", "An image is pulled once, and verified.",
		{ "image list", "image pull debian/12" } },
	{ "node", "the node itself", "The agent, and what may be run on its host.",
		{ "node info", "node commands" } },
	{ "project", "what containers belong to",
		"A project has a name, and names of containers are unique in it.",
		{ "project create shop", "project list" } },
	{ "operation", "what became of calls and orders",
		"Every change is an operation: it waits, runs, and succeeds or fails, once.",
		{ "operation list", "operation info OPERATION" } },
	{ "order", "signed orders, before they are any",
		"A file holds the envelope as the control API signs it. Nothing is done here.",
		{ "order verify FILE", "order plan FILE" } },
};

/* @text as a line of its own: nothing of it is a macro. */
static void put(FILE *f, const char *text)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", f);
	for (; *text; text++)
		if (*text == '\\')
			fputs("\\e", f);
		else
			fputc(*text, f);
	fputc('\n', f);
}

/* A sentence in each line. */
static void put_lines(FILE *f, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		const char *end = memmem(text, len, ". ", 2);
		_cleanup_(freep) char *line = NULL;

		if (end)
			len = (size_t)(end - text) + 1;
		line = xasprintf("%.*s", (int)len, text);
		put(f, line);
		text += len + (text[len] != 0);
	}
}

static void put_sentence(FILE *f, const char *text)
{
	_cleanup_(freep) char *line = xasprintf("%c%s%s", toupper((unsigned char)*text), text + 1,
		strchr("?.!", text[strlen(text) - 1]) ? "" : ".");

	put(f, line);
}

/* "[IMAGE] [NAME]" as macros, a line for each. */
static void put_words(FILE *f, const char *words)
{
	while (words && *words) {
		bool optional = *words == '[';
		size_t len = strcspn(words += optional, optional ? "]" : " ");

		fprintf(f, ".%sAr %.*s\n", optional ? "Op " : "", (int)len, words);
		words += len + optional;
		words += strspn(words, " ");
	}
}

static bool is_of(const struct ctl_command *c, const char *noun)
{
	size_t len = strlen(noun);

	return strncmp(c->name, noun, len) == 0 && c->name[len] == ' ';
}

static void put_synopsis(FILE *f, const struct ctl_table *t, const char *noun)
{
	for (size_t i = 0; i < t->n_commands; i++) {
		const struct ctl_command *c = &t->commands[i];
		_cleanup_(freep) char *rest = c->rest ? xasprintf("[%s]", c->rest) : NULL;

		if (!is_of(c, noun))
			continue;
		fprintf(f, ".Nm hoodyctl\n.Cm %s\n", c->name);
		put_words(f, c->argument);
		put_words(f, rest);
	}
}

static void put_key(const char *name, const char *text, void *userdata)
{
	FILE *f = userdata;

	fprintf(f, ".It Cm %s\n", name);
	put(f, text);
}

static void put_command(FILE *f, const struct ctl_table *t, const struct ctl_command *c)
{
	const struct ctl_keys *k = ctl_keys_of(c->name);
	const char *sep = "";

	fprintf(f, ".It Cm %s\n", c->name);
	put_sentence(f, c->summary);
	put_lines(f, c->help);
	for (size_t i = 0; i < t->n_options; i++) {
		const struct ctl_option *o = &t->options[i];

		if (!(o->commands & c->bit) || o->commands == CTL_ANY)
			continue;
		fprintf(f, "%s-%s", *sep ? sep : ".Pp\nOptions:\n.Fl ", o->name);
		sep = " , ";
	}
	if (*sep)
		fputs(" .\n", f);
	if (!k)
		return;
	fprintf(f, ".Pp\nKeys:\n.Bl -tag -width Ds -compact\n");
	ctl_keys_each(k, put_key, f);
	fprintf(f, ".El\n");
}

static void put_option(FILE *f, const struct ctl_option *o)
{
	if (o->letter)
		fprintf(f, ".It Fl %c , Fl -%s", o->letter, o->name);
	else
		fprintf(f, ".It Fl -%s", o->name);
	fprintf(f, "%s%s\n", o->argument ? " Ar " : "", o->argument ? o->argument : "");
	put_sentence(f, o->help);
}

static void put_commands(FILE *f, const struct ctl_table *t, const char *noun)
{
	for (size_t i = 0; i < t->n_commands; i++)
		if (is_of(&t->commands[i], noun))
			put_command(f, t, &t->commands[i]);
}

static void put_options(FILE *f, const struct ctl_table *t, const char *noun)
{
	unsigned bits = 0;

	for (size_t i = 0; i < t->n_commands; i++)
		if (is_of(&t->commands[i], noun))
			bits |= t->commands[i].bit;
	for (size_t i = 0; i < t->n_options; i++)
		if (t->options[i].commands & bits)
			put_option(f, &t->options[i]);
}

static void put_page(FILE *f, const struct ctl_table *t, const struct noun *n)
{
	_cleanup_(freep) char *title = xstrdup(n->name);

	for (char *c = title; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	fprintf(f,
		".\\\" SPDX-"
		"License-Identifier: GPL-2.0-or-later\n.\\\" Made by hoodyctl man.\n"
		".Dd " MAN_DATE "\n.Dt HOODYCTL-%s 1\n.Os hoody-agent\n"
		".Sh NAME\n.Nm hoodyctl-%s\n.Nd %s\n.Sh SYNOPSIS\n",
		title, n->name, n->what);
	put_synopsis(f, t, n->name);
	fprintf(f, ".Sh DESCRIPTION\n");
	put_lines(f, n->about);
	fprintf(f, ".Bl -tag -width Ds\n");
	put_commands(f, t, n->name);
	fprintf(f, ".El\n.Ss Options\n.Bl -tag -width Ds\n");
	put_options(f, t, n->name);
	fprintf(f, ".El\n.Sh EXIT STATUS\nAs\n.Xr hoodyctl 1\nhas it.\n.Sh EXAMPLES\n");
	for (size_t i = 0; i < countof(n->examples) && n->examples[i]; i++)
		fprintf(f, ".Dl hoodyctl %s\n", n->examples[i]);
	fprintf(f, ".Sh SEE ALSO\n.Xr hoodyctl 1 ,\n.Xr hoody-agent 8\n");
}

enum ctl_exit ctl_man(const struct ctl *ctl, struct err *err)
{
	for (size_t i = 0; i < countof(nouns); i++)
		if (strcmp(nouns[i].name, ctl->args[0]) == 0) {
			put_page(stdout, ctl->table, &nouns[i]);
			return CTL_OK;
		}
	return err_set(err, -EINVAL, ERR_INVALID_PARAMS, "NOUN", "there is no page of %s",
		       ctl->args[0]),
	       CTL_USAGE;
}
