/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoodyctl's command line and help, both from the tables of ctl_table.c: a command is one word
 * or a noun and a verb, with arguments; an option says which commands it suits and where its
 * value goes in struct ctl.
 *
 * Words are read once, from left to right. Options may stand before the command, so `given`
 * keeps which commands all of them suit, and the command is held against that when it comes. The
 * words behind a command's last argument can be its own, whatever they look like. Then the one
 * command runs; its error is made printable and told here, its exit code is ours. What commands
 * do, and how they reach the agent, isn't known here. */
#include <stdarg.h>

#include "agent/ctl/ctl_show.h"
#include "agent/ctl/ctl_table.h"
#include "agent/ctl/ctl_text.h"
#include "proto/jsonx.h"

/* --- help --- */

static void print_options(FILE *f, unsigned bits, bool colour)
{
	_cleanup_(ctl_text_freep) struct ctl_text *t = ctl_text_new(NULL, 2);

	for (size_t i = 0; i < ctl_table.n_options; i++) {
		const struct ctl_option *o = &ctl_table.options[i];
		char letter[8] = "    ";
		_cleanup_(freep) char *form = NULL;

		if (!(o->commands & bits))
			continue;
		if (o->letter)
			(void)snprintf(letter, sizeof(letter), "-%c, ", o->letter);
		form = xasprintf("  %s--%s%s%s", letter, o->name, o->argument ? " " : "",
			o->argument ? o->argument : "");
		ctl_text_cell(t, form, CTL_BOLD);
		ctl_text_cell(t, o->help, CTL_PLAIN);
	}
	ctl_text_print(t, f, colour);
}

static void print_help(FILE *f, const struct ctl_command *c, bool colour)
{
	_cleanup_(ctl_text_freep) struct ctl_text *t = ctl_text_new(NULL, 2);

	if (c) {
		fprintf(f, "hoodyctl %s%s%s%s%s%s - %s\n\n%s%s", c->name, c->argument ? " " : "",
			c->argument ? c->argument : "", c->rest ? " [" : "", c->rest ? c->rest : "",
			c->rest ? "]" : "", c->summary, c->help, *c->help ? "\n" : "");
		print_options(f, c->bit, colour);
		return;
	}
	fprintf(f, "hoodyctl [OPTION...] COMMAND [OPTION...]\n\nCommands:\n");
	for (size_t i = 0; i < ctl_table.n_commands; i++) {
		_cleanup_(freep) char *name = xasprintf("  %s%s%s", ctl_table.commands[i].name,
			ctl_table.commands[i].argument ? " " : "",
			ctl_table.commands[i].argument ? ctl_table.commands[i].argument : "");

		ctl_text_cell(t, name, CTL_BOLD);
		ctl_text_cell(t, ctl_table.commands[i].summary, CTL_PLAIN);
	}
	ctl_text_print(t, f, colour);
	fprintf(f, "\nOptions:\n");
	print_options(f, CTL_ANY, colour);
	fprintf(f, "\nExit codes: 0 done, 1 could not be done, 2 usage, 3 not reachable, 4 "
		   "configuration not valid.\n");
}

/* --- the command line --- */

struct args {
	char **next;
	struct ctl *ctl;
	const char *noun; /* of a command whose verb is to come */
	const struct ctl_command *command;
	size_t n_arguments;
	unsigned given; /* bits of the commands that every given option suits */
	const char *unsuited;
};

static int complain(struct err *err, const char *fmt, ...) _printf_(2, 3);
static int complain(struct err *err, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(err, -EINVAL, ERR_INVALID_PARAMS, NULL, "%s; try hoodyctl --help", text);
}

/* @value: what stands behind the option's name or letter in the same word, or NULL. */
static int set_option(
	struct args *a, const struct ctl_option *o, const char *value, struct err *err)
{
	char *field = (char *)a->ctl + o->offset;

	if (!o->argument && value)
		return complain(err, "--%s takes no value", o->name);
	if (o->argument && !value)
		value = *a->next ? *a->next++ : NULL;
	if (o->argument && !value)
		return complain(err, "--%s needs a value: %s", o->name, o->argument);
	if (o->argument)
		*(const char **)(void *)field = value;
	else
		*(bool *)field = true;
	if (a->command && !(o->commands & a->command->bit))
		return complain(err, "--%s is no option of %s", o->name, a->command->name);
	a->given &= o->commands;
	if (o->commands != CTL_ANY)
		a->unsuited = o->name;
	return 0;
}

static int parse_long(struct args *a, const char *word, struct err *err)
{
	size_t len = strcspn(word, "=");

	for (size_t i = 0; i < ctl_table.n_options; i++)
		if (strlen(ctl_table.options[i].name) == len &&
			strncmp(ctl_table.options[i].name, word, len) == 0)
			return set_option(
				a, &ctl_table.options[i], word[len] ? word + len + 1 : NULL, err);
	return complain(err, "there is no option --%.*s", (int)MIN_OF(len, 40u), word);
}

static int parse_letters(struct args *a, const char *letters, struct err *err)
{
	int r = 0;

	while (*letters && r == 0) {
		const struct ctl_option *o = NULL;

		for (size_t i = 0; i < ctl_table.n_options; i++)
			if (ctl_table.options[i].letter == *letters)
				o = &ctl_table.options[i];
		if (!o)
			return complain(err, "there is no option -%c", *letters);
		letters++;
		if (o->argument)
			return set_option(a, o, *letters ? letters : NULL, err);
		r = set_option(a, o, NULL, err);
	}
	return r;
}

/* How many arguments does it name? */
static size_t count_arguments(const struct ctl_command *c)
{
	size_t n = c->argument != NULL;

	for (const char *at = c->argument; at && *at; at++)
		n += *at == ' ';
	return n;
}

static int take_argument(struct args *a, const char *word, struct err *err)
{
	if (a->n_arguments == count_arguments(a->command))
		return complain(err, "%s: what is \"%.40s\"?", a->command->name, word);
	a->ctl->args[a->n_arguments++] = word;
	return 0;
}

/* The words behind the last argument are the command's own, whatever they look like. */
static bool take_rest(struct args *a)
{
	if (!a->command || !a->command->rest || a->n_arguments < count_arguments(a->command) ||
		(*a->next && strcmp(a->command->rest, "COMMAND...") != 0 && **a->next == '-'))
		return false;
	if (*a->next && strcmp(*a->next, "--") == 0)
		a->next++;
	a->ctl->rest = (const char *const *)a->next;
	while (*a->next)
		a->next++;
	return true;
}

/* One word, or the noun and then the verb: "container" alone is none yet. */
static int parse_command(struct args *a, const char *word, struct err *err)
{
	_cleanup_(freep) char *full = a->noun ? xasprintf("%s %s", a->noun, word) : xstrdup(word);
	size_t len = strlen(full);

	if (a->command)
		return take_argument(a, word, err);
	for (size_t i = 0; i < ctl_table.n_commands; i++) {
		if (strcmp(ctl_table.commands[i].name, full) == 0)
			a->command = &ctl_table.commands[i];
		else if (strncmp(ctl_table.commands[i].name, full, len) == 0 &&
			 ctl_table.commands[i].name[len] == ' ')
			a->noun = word;
	}
	if (!a->command && a->noun == word)
		return 0;
	if (!a->command)
		return complain(err, "there is no command %.60s", full);
	a->ctl->verb = word;
	a->ctl->command = a->command->name;
	if (!(a->given & a->command->bit))
		return complain(err, "--%s is no option of %s", a->unsuited, a->command->name);
	return 0;
}

static int check_whole(const struct args *a, struct err *err)
{
	if (a->ctl->help || a->ctl->version)
		return 0;
	if (!a->command && a->noun)
		return complain(err, "%s what?", a->noun);
	if (a->command && a->n_arguments < count_arguments(a->command))
		return complain(err, "%s needs a %s", a->command->name, a->command->argument);
	return 0;
}

static int parse(struct args *a, struct err *err)
{
	int r = 0;

	while (r == 0 && *a->next && !take_rest(a)) {
		const char *word = *a->next++;

		if (word[0] == '-' && word[1] == '-')
			r = parse_long(a, word + 2, err);
		else if (word[0] == '-' && word[1])
			r = parse_letters(a, word + 1, err);
		else
			r = parse_command(a, word, err);
	}
	return r < 0 ? r : check_whole(a, err);
}

/* A session's code is its command's, which has said itself what there was to say. */
static enum ctl_exit fail(enum ctl_exit code, struct err *err)
{
	if (!err->message[0])
		return code;
	err_clean(err->message);
	fprintf(stderr, "hoodyctl: %s\n", err->message);
	return code;
}

static enum ctl_exit run(const struct ctl *ctl, const struct ctl_command *command, struct err *err)
{
	enum ctl_exit e = CTL_OK;

	if (ctl->version)
		puts("hoodyctl " PACKAGE_VERSION);
	else if (ctl->help)
		print_help(stdout, command, ctl->colour);
	else
		e = ctl->watch ? ctl_show_watched(ctl, command->run, err) : command->run(ctl, err);
	if (e == CTL_OK && (fflush(stdout) != 0 || ferror(stdout))) {
		(void)err_set(err, -EIO, ERR_INTERNAL, NULL, "can't write the output");
		e = CTL_FAILED;
	}
	return e;
}

int main(int argc, char **argv)
{
	struct ctl ctl = { .table = &ctl_table };
	struct args a = { .next = argv + (argc > 0), .ctl = &ctl, .given = CTL_ANY };
	struct err err = { 0 };
	enum ctl_exit e;

	jsonx_init();
	if (parse(&a, &err) < 0)
		return fail(CTL_USAGE, &err);
	if (!a.command && !ctl.help && !ctl.version) {
		print_help(stderr, NULL, false);
		return CTL_USAGE;
	}
	ctl.colour = ctl_text_wants_colour(STDOUT_FILENO, ctl.color);
	e = run(&ctl, a.command, &err);
	return e == CTL_OK ? CTL_OK : fail(e, &err);
}
