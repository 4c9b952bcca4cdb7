/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Help is made of rows: a word at the left, what it is at the right, wrapped where the terminal
 * ends, at column 80 at the latest. Whatever is told stands in the tables of commands, options and
 * keys; only how it is arranged is known here. */
#include "agent/ctl/ctl_help.h"

#include "agent/ctl/ctl_keys.h"
#include "agent/ctl/ctl_text.h"

#define COLUMNS  80
#define LEFT_MAX 26 /* a longer word has a line of its own */

/* --- rows --- */

struct rows {
	FILE *f;
	bool colour;
	size_t left; /* columns of the words */
};

static size_t room(void)
{
	size_t n = ctl_text_room(STDOUT_FILENO);

	return n ? MIN_OF(n, (size_t)COLUMNS) : COLUMNS;
}

static void print_row(const struct rows *r, const char *word, const char *text)
{
	size_t indent = r->left + 4, len = strlen(word);

	fprintf(r->f, "  %s%s%s", r->colour ? "\033[1m" : "", word, r->colour ? "\033[0m" : "");
	if (len > r->left) {
		fputc('\n', r->f);
		len = 0;
		fprintf(r->f, "  ");
	}
	fprintf(r->f, "%*s", (int)(r->left - len + 2), "");
	ctl_text_wrap(r->f, text, indent, room());
}

static void widen(struct rows *r, const char *word)
{
	size_t len = strlen(word);

	if (len <= LEFT_MAX && len > r->left)
		r->left = len;
}

/* --- what rows are made of --- */

static char *usage_of(const struct ctl_command *c, const char *name)
{
	return xasprintf("%s%s%s%s%s%s", name, c->argument ? " " : "",
		c->argument ? c->argument : "", c->rest ? " [" : "", c->rest ? c->rest : "",
		c->rest ? "]" : "");
}

static char *option_text(const struct ctl_option *o)
{
	char letter[8] = "";

	if (o->letter)
		(void)snprintf(letter, sizeof(letter), "-%c, ", o->letter);
	return xasprintf("%s--%s%s%s", letter, o->name, o->argument ? " " : "",
		o->argument ? o->argument : "");
}

/* Those that suit all of @bits. */
static void print_options(FILE *f, unsigned bits, bool colour)
{
	struct rows r = { f, colour, 0 };

	fprintf(f, "\nOptions:\n");
	for (int print = 0; print < 2; print++)
		for (size_t i = 0; i < ctl_table.n_options; i++) {
			const struct ctl_option *o = &ctl_table.options[i];
			_cleanup_(freep) char *text = option_text(o);

			if ((o->commands & bits) != bits)
				continue;
			if (print)
				print_row(&r, text, o->help);
			else
				widen(&r, text);
		}
}

static size_t noun_length(const struct ctl_command *c)
{
	return c->group ? 0 : strcspn(c->name, " ");
}

/* What the command stands under. */
static bool is_in(const struct ctl_command *c, const char *group)
{
	size_t len = noun_length(c);

	return c->group ? strcmp(c->group, group) == 0
			: strncmp(c->name, group, len) == 0 && !group[len];
}

static char *group_of(const struct ctl_command *c)
{
	return c->group ? xstrdup(c->group) : xasprintf("%.*s", (int)noun_length(c), c->name);
}

static bool is_first_of(size_t at, const char *group)
{
	for (size_t i = 0; i < at; i++)
		if (is_in(&ctl_table.commands[i], group))
			return false;
	return true;
}

static void for_groups(FILE *f, bool colour, void (*each)(FILE *f, const char *group, bool colour))
{
	for (size_t i = 0; i < ctl_table.n_commands; i++) {
		_cleanup_(freep) char *group = group_of(&ctl_table.commands[i]);

		if (*group && is_first_of(i, group))
			each(f, group, colour);
	}
}

/* --- the four helps --- */

static void print_group_line(FILE *f, const char *group, bool colour)
{
	const struct rows r = { f, colour, 9 };
	_cleanup_(freep) char *words = xstrdup("");

	for (size_t i = 0; i < ctl_table.n_commands; i++) {
		const struct ctl_command *c = &ctl_table.commands[i];
		size_t len = noun_length(c);
		char *more;

		if (!is_in(c, group))
			continue;
		more = xasprintf("%s%s%s", words, *words ? ", " : "", c->name + len + (len > 0));
		free(words);
		words = more;
	}
	print_row(&r, group, words);
}

void ctl_help_overview(FILE *f, bool colour)
{
	fprintf(f, "hoodyctl COMMAND [ARGUMENT...] [OPTION...]\n\n");
	for_groups(f, colour, print_group_line);
	fprintf(f, "\nhoodyctl container --help        what there is for containers\n"
		   "hoodyctl container create --help what one command takes\n"
		   "hoodyctl --help                  all commands, with what they do\n");
}

static void print_group(FILE *f, const char *group, bool colour)
{
	const struct rows r = { f, colour, 22 };

	fprintf(f, "%s%s:\n", strcmp(group, ctl_table.commands[0].name) == 0 ? "" : "\n", group);
	for (size_t i = 0; i < ctl_table.n_commands; i++)
		if (is_in(&ctl_table.commands[i], group))
			print_row(&r, ctl_table.commands[i].name, ctl_table.commands[i].summary);
}

void ctl_help_all(FILE *f, bool colour)
{
	fprintf(f, "hoodyctl [OPTION...] COMMAND [OPTION...]\n");
	for_groups(f, colour, print_group);
	print_options(f, CTL_ANY, colour);
	fprintf(f, "\nExit codes: 0 done, 1 could not be done, 2 usage, 3 not reachable, 4 "
		   "configuration\nnot valid. hoodyctl COMMAND --help tells of one.\n");
}

void ctl_help_noun(FILE *f, const char *noun, bool colour)
{
	struct rows r = { f, colour, 0 };
	size_t len = strlen(noun);
	unsigned bits = 0;

	fprintf(f, "hoodyctl %s COMMAND [ARGUMENT...] [OPTION...]\n\n", noun);
	for (int print = 0; print < 2; print++)
		for (size_t i = 0; i < ctl_table.n_commands; i++) {
			const struct ctl_command *c = &ctl_table.commands[i];
			_cleanup_(freep) char *usage = NULL;

			if (strncmp(c->name, noun, len) != 0 || c->name[len] != ' ')
				continue;
			usage = usage_of(c, c->name + len + 1);
			bits |= c->bit;
			if (print)
				print_row(&r, usage, c->summary);
			else
				widen(&r, usage);
		}
	print_options(f, bits, colour);
}

static void print_key(const char *name, const char *text, void *userdata)
{
	print_row(userdata, name, text);
}

static void widen_to_key(const char *name, const char *text, void *userdata)
{
	(void)text;
	widen(userdata, name);
}

static void print_keys(FILE *f, const struct ctl_keys *k, bool colour)
{
	struct rows r = { f, colour, 0 };

	fprintf(f, "\nKeys:\n");
	ctl_keys_each(k, widen_to_key, &r);
	ctl_keys_each(k, print_key, &r);
}

void ctl_help_command(FILE *f, const struct ctl_command *c, bool colour)
{
	_cleanup_(freep) char *usage = usage_of(c, c->name);
	const struct ctl_keys *k = ctl_keys_of(c->name);

	fprintf(f, "hoodyctl %s\n  %s\n%s", usage, c->summary, *c->help ? "\n" : "");
	for (const char *line = c->help; *line;) {
		size_t len = strcspn(line, "\n");
		_cleanup_(freep) char *text = xasprintf("%.*s", (int)len, line);

		ctl_text_wrap(f, text, 0, room());
		line += len + (line[len] != 0);
	}
	if (k)
		print_keys(f, k, colour);
	print_options(f, c->bit, colour);
}

/* --- after a failure --- */

/* What is about a container suits a command that was given one. */
static bool suits(const struct ctl_command *c, const char *words)
{
	return !strstr(words, "%s") ||
	       (c && c->argument && strncmp(c->argument, "CONTAINER", strlen("CONTAINER")) == 0);
}

char *ctl_help_hint(const struct ctl *ctl, const struct ctl_command *command, const char *noun,
	enum ctl_exit exit, enum errcode code)
{
	static const struct {
		enum errcode code;
		const char *words; /* %s: the first argument */
	} lists[] = {
		{ ERR_CONTAINER_NOT_FOUND, "container list" },
		{ ERR_SNAPSHOT_NOT_FOUND, "snapshot list %s" },
		{ ERR_SNAPSHOT_EXISTS, "snapshot list %s" },
		{ ERR_FIREWALL_RULE_NOT_FOUND, "firewall list %s" },
		{ ERR_IMAGE_NOT_FOUND, "image list" },
		{ ERR_PROJECT_NOT_FOUND, "project list" },
		{ ERR_OPERATION_STATE_CONFLICT, "container info %s" },
		{ ERR_OPERATION_IN_PROGRESS, "operation list" },
		{ ERR_INTERNAL, "container info %s" },
	};
	const char *name = command ? command->name : noun ? noun : "";
	const char *first = ctl->args[0] ? ctl->args[0] : "";

	if (exit == CTL_UNREACHABLE)
		return xstrdup("hoodyctl doctor");
	if (exit == CTL_CONFIG)
		return xstrdup("man 5 agent.conf");
	for (size_t i = 0; exit == CTL_FAILED && i < countof(lists); i++)
		if (lists[i].code == code && suits(command, lists[i].words)) {
			_cleanup_(freep) char *words = xstrdup(lists[i].words);
			char *at = strstr(words, " %s");

			if (at)
				*at = '\0';
			return xasprintf("hoodyctl %s%s%s", words, at ? " " : "", at ? first : "");
		}
	return xasprintf("hoodyctl %s%s--help", name, *name ? " " : "");
}
