/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoodyctl's command line and help, both from the tables of ctl_table.c: a command is one word
 * or a noun and a verb, with arguments; an option says which commands it suits and where its
 * value goes in struct ctl.
 *
 * Words are read once, from left to right. Options may stand before the command, so `given`
 * keeps which they are, and the command is held against each when it comes. The
 * words behind a command's last argument can be its own, whatever they look like. Then the one
 * command runs; its error is made printable and told here, its exit code is ours. What commands
 * do, and how they reach the agent, isn't known here. */
#include <fcntl.h>
#include <stdarg.h>

#include "agent/ctl/ctl_help.h"
#include "agent/ctl/ctl_near.h"
#include "agent/ctl/ctl_show.h"
#include "agent/ctl/ctl_table.h"
#include "agent/ctl/ctl_text.h"
#include "proto/jsonx.h"

#define CTL_NOUNS_MAX   128
#define CTL_OPTIONS_MAX 64

/* --- the command line --- */

struct args {
	char **next;
	struct ctl *ctl;
	const char *noun; /* of a command whose verb is to come */
	const struct ctl_command *command;
	size_t n_arguments;
	const char **rest; /* room for all words */
	size_t n_rest;
	bool given[CTL_OPTIONS_MAX]; /* as they stand in the table */
};

static int complain(struct err *err, const char *fmt, ...) _printf_(2, 3);
static int complain(struct err *err, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(err, -EINVAL, ERR_INVALID_PARAMS, NULL, "%s", text);
}

/* Does it suit the command, if that has come? */
static int hold_against(struct args *a, const struct ctl_option *o, struct err *err)
{
	if (a->command && !(o->commands & a->command->bit))
		return complain(err, "--%s is no option of %s", o->name, a->command->name);
	assert(ctl_table.n_options <= CTL_OPTIONS_MAX);
	a->given[o - ctl_table.options] = true;
	return 0;
}

static int add_word(struct args *a, const struct ctl_option *o, struct ctl_values *words,
	const char *value, struct err *err)
{
	if (words->n == CTL_VALUES_MAX)
		return complain(err, "--%s: at most %d times", o->name, CTL_VALUES_MAX);
	words->at[words->n++] = value;
	return hold_against(a, o, err);
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
	if (o->many)
		return add_word(a, o, (struct ctl_values *)(void *)field, value, err);
	if (o->argument)
		*(const char **)(void *)field = value;
	else
		*(bool *)field = true;
	return hold_against(a, o, err);
}

/* What other programs have as an option, and is done otherwise here. */
static const char *other_way(const char *name)
{
	static const char *const others[][2] = {
		{ "ip", "the node gives an address out of Network.Subnet4, and a container keeps "
			"it for life: container info shows it" },
		{ "ip6", "the node gives an address out of Network.Subnet6" },
		{ "publish", "containers are reached by their addresses: firewall allow" },
		{ "network", "network configure, when it is made" },
		{ "volume", "share create, when it is made" },
		{ "restart", "update NAME autostart=true starts it with the host" },
		{ "rm", "container delete, when it has done its work" },
	};

	for (size_t i = 0; i < countof(others); i++)
		if (strcmp(others[i][0], name) == 0)
			return others[i][1];
	return NULL;
}

static int no_option(const char *word, size_t len, struct err *err)
{
	_cleanup_(freep) char *name = xasprintf("%.*s", (int)MIN_OF(len, 40u), word);
	struct ctl_near near = { .word = name };

	if (other_way(name))
		return complain(err, "there is no option --%s: %s", name, other_way(name));

	for (size_t i = 0; i < ctl_table.n_options; i++)
		ctl_near_try(&near, ctl_table.options[i].name);
	return complain(err, "there is no option --%s%s%s%s", name, near.best ? ": is it --" : "",
		near.best ? near.best : "", near.best ? "?" : "");
}

static int parse_long(struct args *a, const char *word, struct err *err)
{
	size_t len = strcspn(word, "=");

	for (size_t i = 0; i < ctl_table.n_options; i++)
		if (strlen(ctl_table.options[i].name) == len &&
			strncmp(ctl_table.options[i].name, word, len) == 0)
			return set_option(
				a, &ctl_table.options[i], word[len] ? word + len + 1 : NULL, err);
	return no_option(word, len, err);
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

/* How many arguments does it name, and how many of them at least? */
static size_t count_arguments(const struct ctl_command *c, bool needed)
{
	size_t n = 0;

	for (const char *at = c->argument; at && *at; at += strspn(at, " ")) {
		n += !needed || *at != '[';
		at += strcspn(at, " ");
	}
	return n;
}

/* The words behind the last argument may be the command's own, whatever they look like. */
static bool take_command(struct args *a)
{
	if (!a->command || !a->command->rest || strcmp(a->command->rest, "COMMAND...") != 0 ||
		a->n_arguments < count_arguments(a->command, false))
		return false;
	if (*a->next && strcmp(*a->next, "--") == 0)
		a->next++;
	while (*a->next)
		a->rest[a->n_rest++] = *a->next++;
	return true;
}

static const struct ctl_command *find_command(const char *name)
{
	for (size_t i = 0; i < ctl_table.n_commands; i++)
		if (strcmp(ctl_table.commands[i].name, name) == 0)
			return &ctl_table.commands[i];
	return NULL;
}

static int set_command(
	struct args *a, const struct ctl_command *c, const char *word, struct err *err)
{
	a->command = c;
	a->ctl->verb = word;
	a->ctl->command = c->name;
	for (size_t i = 0; i < ctl_table.n_options; i++)
		if (a->given[i] && hold_against(a, &ctl_table.options[i], err) < 0)
			return -EINVAL;
	return 0;
}

/* What is sent to the agent is JSON; cp's files are the host's own. */
static bool can_be_said(const struct args *a, const char *word)
{
	_cleanup_json_ json_t *text = json_string(word);

	return text || strcmp(a->command->name, "cp") == 0;
}

static int take_argument(struct args *a, const char *word, struct err *err)
{
	size_t needed = count_arguments(a->command, true),
	       most = count_arguments(a->command, false);
	bool is_key = a->command->rest && a->n_arguments >= needed && strchr(word, '=');
	_cleanup_(freep) char *longer = xasprintf("%s %s", a->command->name, word);

	if (!*word && strcmp(a->command->name, "complete") != 0) /* of a variable that isn't set */
		return complain(err, "%s: an argument is empty", a->command->name);
	if (!can_be_said(a, word))
		return complain(err, "%s: \"%.40s\" is no UTF-8", a->command->name, word);
	if (a->n_arguments == 0 && !a->n_rest && find_command(longer)) /* config check */
		return set_command(a, find_command(longer), word, err);
	if (a->n_arguments < most && !is_key && !a->n_rest)
		a->ctl->args[a->n_arguments++] = word;
	else if (a->command->rest)
		a->rest[a->n_rest++] = word;
	else
		return complain(err, "%s: what is \"%.40s\"?", a->command->name, word);
	return 0;
}

/* What other programs call it. */
static const char *own_word(const char *word)
{
	static const char *const others[][2] = { { "ls", "list" }, { "ps", "list" },
		{ "rm", "delete" }, { "remove", "delete" }, { "destroy", "delete" },
		{ "show", "info" }, { "describe", "info" }, { "get", "info" }, { "new", "create" },
		{ "run", "create" }, { "launch", "create" }, { "add", "create" },
		{ "kill", "force-stop" }, { "shell", "exec" }, { "attach", "exec" },
		{ "freeze", "pause" }, { "thaw", "resume" } };

	for (size_t i = 0; i < countof(others); i++)
		if (strcmp(others[i][0], word) == 0)
			return others[i][1];
	return word;
}

static char *nearest_noun(const char *word)
{
	struct ctl_near near = { .word = word };
	char *nouns[CTL_NOUNS_MAX];
	size_t n = 0;
	char *best;

	for (size_t i = 0; i < ctl_table.n_commands && n < CTL_NOUNS_MAX; i++) {
		const char *name = ctl_table.commands[i].name;

		if (!strchr(name, ' '))
			continue;
		nouns[n] = xasprintf("%.*s", (int)strcspn(name, " "), name);
		ctl_near_try(&near, nouns[n++]);
	}
	best = near.best ? xstrdup(near.best) : NULL;
	while (n > 0)
		free(nouns[--n]);
	return best;
}

/* Behind a noun its verbs are near, without one nouns, whole commands and verbs of the first noun
 * that has it. */
static int no_command(const struct args *a, const char *word, struct err *err)
{
	struct ctl_near near = { .word = word }, meant = { .word = own_word(word) };
	const char *noun = a->noun ? a->noun : "";
	_cleanup_(freep) char *found = NULL;

	for (size_t i = 0; i < ctl_table.n_commands; i++) {
		const char *name = ctl_table.commands[i].name, *verb = strchr(name, ' ');
		size_t len = strcspn(name, " ");

		if (a->noun && verb && strlen(noun) == len && strncmp(name, noun, len) == 0) {
			ctl_near_try(&near, verb + 1);
			ctl_near_try(&meant, verb + 1);
		} else if (!a->noun && verb && !found && strcmp(verb + 1, meant.word) == 0) {
			found = xstrdup(name);
		} else if (!a->noun && !verb) {
			ctl_near_try(&near, name);
			ctl_near_try(&meant, name);
		}
	}
	if (meant.best && (!near.best || meant.distance < near.distance))
		near.best = meant.best;
	if (!a->noun && !found && !near.best)
		found = nearest_noun(word);
	if (!found && near.best)
		found = xasprintf("%s%s%s", noun, *noun ? " " : "", near.best);
	return complain(err, "there is no command %s%s%.60s%s%s%s", noun, *noun ? " " : "", word,
		found ? ": is it " : "", found ? found : "", found ? "?" : "");
}

static bool is_noun(const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i < ctl_table.n_commands; i++)
		if (strncmp(ctl_table.commands[i].name, word, len) == 0 &&
			ctl_table.commands[i].name[len] == ' ')
			return true;
	return false;
}

/* One word, or the noun and then the verb: "container" alone is none yet. */
static int parse_command(struct args *a, const char *word, struct err *err)
{
	_cleanup_(freep) char *full = a->noun ? xasprintf("%s %s", a->noun, word) : xstrdup(word);
	const struct ctl_command *c = a->command ? NULL : find_command(full);

	if (a->command)
		return take_argument(a, word, err);
	if (c)
		return set_command(a, c, word, err);
	if (!a->noun && strcmp(word, "help") == 0) {
		a->ctl->help = true;
		return 0;
	}
	if (a->noun || !is_noun(word))
		return no_command(a, word, err);
	a->noun = word;
	return 0;
}

static int check_whole(const struct args *a, struct err *err)
{
	static const char *const colours[] = { "auto", "always", "never" };
	bool known = !a->ctl->color;

	for (size_t i = 0; i < countof(colours); i++)
		known |= a->ctl->color && strcmp(colours[i], a->ctl->color) == 0;
	if (!known)
		return complain(err, "--color: want always, never or auto");
	if (a->ctl->help || a->ctl->version)
		return 0;
	if (!a->command && a->noun)
		return complain(err, "%s what?", a->noun);
	if (a->command && a->n_arguments < count_arguments(a->command, true))
		return complain(err, "%s needs a %s", a->command->name, a->command->argument);
	return 0;
}

static int parse(struct args *a, struct err *err)
{
	bool only_words = false; /* behind -- */
	int r = 0;

	while (r == 0 && *a->next && !take_command(a)) {
		const char *word = *a->next++;

		if (strcmp(word, "--") == 0)
			only_words = true;
		else if (word[0] == '-' && word[1] == '-' && !only_words)
			r = parse_long(a, word + 2, err);
		else if (word[0] == '-' && word[1] && !only_words)
			r = parse_letters(a, word + 1, err);
		else
			r = parse_command(a, word, err);
	}
	if (r >= 0)
		r = check_whole(a, err);
	if (a->n_rest > 0)
		a->ctl->rest = a->rest;
	return r;
}

/* A session's code is its command's, which has said itself what there was to say. */
static enum ctl_exit fail(const struct args *a, enum ctl_exit code, struct err *err)
{
	_cleanup_(freep) char *hint = ctl_help_hint(a->ctl, a->command, a->noun, code, err->code);

	if (!err->message[0])
		return code;
	err_clean(err->message);
	err_clean(hint);
	fputs("hoodyctl: ", stderr);
	ctl_text_wrap(stderr, err->message, strlen("hoodyctl: "), ctl_text_room(STDERR_FILENO));
	fprintf(stderr, "try: %s\n", hint);
	return code;
}

static void help(const struct args *a)
{
	if (a->command)
		ctl_help_command(stdout, a->command, a->ctl->colour);
	else if (a->noun)
		ctl_help_noun(stdout, a->noun, a->ctl->colour);
	else
		ctl_help_all(stdout, a->ctl->colour);
}

static enum ctl_exit run(const struct args *a, struct err *err)
{
	const struct ctl *ctl = a->ctl;
	enum ctl_exit e = CTL_OK;

	if (ctl->version)
		puts("hoodyctl " PACKAGE_VERSION);
	else if (ctl->help)
		help(a);
	else
		e = ctl->watch ? ctl_show_watched(ctl, a->command->run, err)
			       : a->command->run(ctl, err);
	if (e == CTL_OK && (fflush(stdout) != 0 || ferror(stdout))) {
		(void)err_set(err, -EIO, ERR_INTERNAL, NULL, "can't write the output");
		e = CTL_FAILED;
	}
	return e;
}

/* In the place of one that our caller has closed there must be no file or socket of ours. What is
 * done with it fails as it would. */
static bool keep_places(void)
{
	static const int flags[] = { O_WRONLY, O_RDONLY, O_RDONLY };

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", flags[fd]) != fd)
			return false;
	return true;
}

int main(int argc, char **argv)
{
	struct ctl ctl = { .table = &ctl_table };
	_cleanup_(freep) const char **rest = xcalloc((size_t)argc + 1, sizeof(*rest));
	struct args a = { .next = argv + (argc > 0), .ctl = &ctl, .rest = rest };
	struct err err = { 0 };
	enum ctl_exit e;

	if (!keep_places())
		return CTL_FAILED;
	jsonx_init();
	if (parse(&a, &err) < 0)
		return fail(&a, CTL_USAGE, &err);
	if (!a.command && !ctl.help && !ctl.version) {
		ctl_help_overview(stderr, false);
		return CTL_USAGE;
	}
	ctl.colour = ctl_text_wants_colour(STDOUT_FILENO, ctl.color);
	e = run(&a, &err);
	return e == CTL_OK ? CTL_OK : fail(&a, e, &err);
}
