/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoodyctl: what the agent did, and how a node is enrolled. One table of commands, one of options;
 * help and parsing come from both. */
#include <stdarg.h>

#include "agent/ctl.h"
#include "agent/ctl_text.h"

enum command_bit {
	STATUS = 1,
	ORDERS = 2,
	KEYGEN = 4,
	ENROLL = 8,
	CONFIG = 16,
	LIST = 32, /* of the local API, as all below */
	SHOW = 64,
	CREATE = 128,
	ACT = 256,
	DELETE = 512,
	LOGS = 1024,
	EVENTS = 2048,
	MAKE = 4096, /* answered at once */
	VERIFY = 8192,
	API = LIST | SHOW | CREATE | ACT | DELETE | LOGS | EVENTS | MAKE,
	ANY = 16383,
};

static const struct command {
	const char *name; /* one word, or a noun and a verb */
	unsigned bit;
	enum ctl_exit (*run)(const struct ctl *ctl, struct err *err);
	const char *summary, *help;
	const char *argument; /* NULL: it takes none */
} commands[] = {
#define CONTAINER "A container goes by its id, its name, or the first characters of its id.\n"
	{ "container list", LIST, ctl_api_containers, "list the containers of this node", "" },
	{ "container info", SHOW, ctl_api_container, "show a container", CONTAINER, "CONTAINER" },
	{ "container create", CREATE, ctl_api_create, "make a container and start it", "",
		"IMAGE" },
	{ "container start", ACT, ctl_api_act, "start a container", CONTAINER, "CONTAINER" },
	{ "container stop", ACT, ctl_api_act, "ask a container to end", CONTAINER, "CONTAINER" },
	{ "container force-stop", ACT, ctl_api_act, "end a container", CONTAINER, "CONTAINER" },
	{ "container restart", ACT, ctl_api_act, "stop and start a container", CONTAINER,
		"CONTAINER" },
	{ "container pause", ACT, ctl_api_act, "freeze a container", CONTAINER, "CONTAINER" },
	{ "container resume", ACT, ctl_api_act, "thaw a container", CONTAINER, "CONTAINER" },
	{ "container copy", ACT, ctl_api_act, "copy a container", CONTAINER, "CONTAINER" },
	{ "container sync", ACT, ctl_api_act, "bring a copy up to date", CONTAINER, "CONTAINER" },
	{ "container delete", DELETE, ctl_api_act, "delete a container", CONTAINER, "CONTAINER" },
	{ "container logs", LOGS, ctl_api_logs, "show what a container has been through", CONTAINER,
		"CONTAINER" },
	{ "project list", LIST, ctl_api_projects, "list projects", "" },
	{ "project create", MAKE, ctl_api_project_create, "make a project (standalone nodes)", "",
		"ALIAS" },
	{ "operation list", LIST, ctl_api_operations, "list the last operations", "" },
	{ "operation info", SHOW, ctl_api_operation, "show an operation", "", "OPERATION" },
	{ "operation follow", SHOW, ctl_api_follow, "wait for an operation's end", "",
		"OPERATION" },
	{ "events", EVENTS, ctl_api_events, "show what happened, or happens", "" },
	{ "order verify", VERIFY, ctl_order_verify, "is this signed order good for this node?",
		"Reads a DSSE envelope, judges it as the agent would, and changes nothing.\n",
		"FILE" },
	{ "status", STATUS, ctl_status, "show the agent, its orders, and its containers", "" },
	{ "orders", ORDERS, ctl_orders, "show the last orders and what became of them",
		"The newest order stands last.\n" },
	{ "keygen", KEYGEN, ctl_keygen, "show the node's public key; make the key if there is none",
		"The secret half stays in node.key in the state directory.\n" },
	{ "enroll", ENROLL, ctl_enroll, "make this host a node of a control API",
		"Sends the node's public key, and writes the token, the trusted keys and a drop-in "
		"of the configuration.\n" },
	{ "config", CONFIG, ctl_config, "check the configuration and show it with its defaults",
		"" },
};

static const struct option {
	const char *name;
	char letter;
	const char *argument; /* NULL: it is a switch */
	size_t offset;
	unsigned commands;
	const char *help;
} options[] = {
#define AT(member) offsetof(struct ctl, member)
	{ "socket", 's', "PATH", AT(socket), STATUS | ORDERS | API,
		"the agent's socket (default: Local.Socket; status and orders: agent.sock in "
		"Node.RuntimeDirectory)" },
	{ "quiet", 'q', NULL, AT(quiet), API, "print ids only" },
	{ "async", 0, NULL, AT(async), CREATE | ACT | DELETE,
		"print the operation's id and don't wait for its end" },
	{ "follow", 'f', NULL, AT(follow), LOGS | EVENTS, "go on with what happens" },
	{ "timeout", 't', "SECONDS", AT(timeout), ACT, "how long it may take, 1 to 600" },
	{ "project", 'p', "ID", AT(project), CREATE, "the project that it belongs to" },
	{ "name", 0, "NAME", AT(name), CREATE, "its name" },
	{ "memory", 0, "SIZE", AT(memory), CREATE, "limit of memory; suffixes K, M, G" },
	{ "cpus", 0, "N", AT(cpus), CREATE, "limit of processor time, in cores" },
	{ "pids", 0, "N", AT(pids), CREATE, "limit of processes" },
	{ "no-start", 0, NULL, AT(no_start), CREATE, "don't start it" },
	{ "config", 'c', "FILE", AT(config), ANY,
		"the configuration (default: " CONF_PATH_DEFAULT ")" },
	{ "lines", 'n', "N", AT(lines), ORDERS, "how many, 1 to 1000 (default: 20)" },
	{ "url", 0, "URL", AT(url), ENROLL, "the control API (default: Control.ApiUrl)" },
	{ "token", 0, "TOKEN", AT(token), ENROLL,
		"the enrolment token; - reads it from standard input" },
	{ "ca", 0, "FILE", AT(ca), ENROLL,
		"PEM file of authorities to trust (default: Control.CaFile)" },
	{ "force", 0, NULL, AT(force), ENROLL | DELETE,
		"enroll: replace what is there; delete: also when it runs" },
	{ "example", 0, NULL, AT(example), CONFIG, "print an example file with every key" },
	{ "man", 0, NULL, AT(man), CONFIG, "print the list of keys of agent.conf(5)" },
	{ "catalog", 0, NULL, AT(catalog), CONFIG, "print the journal catalog" },
	{ "json", 'j', NULL, AT(json), ANY, "print JSON" },
	{ "help", 'h', NULL, AT(help), ANY, "show this help" },
	{ "version", 'V', NULL, AT(version), ANY, "show the version" },
#undef AT
};

/* --- help --- */

static void print_options(FILE *f, unsigned bits, bool colour)
{
	_cleanup_(ctl_text_freep) struct ctl_text *t = ctl_text_new(NULL, 2);

	for (size_t i = 0; i < countof(options); i++) {
		const struct option *o = &options[i];
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

static void print_help(FILE *f, const struct command *c, bool colour)
{
	_cleanup_(ctl_text_freep) struct ctl_text *t = ctl_text_new(NULL, 2);

	if (c) {
		fprintf(f, "hoodyctl %s%s%s - %s\n\n%s%s", c->name, c->argument ? " " : "",
			c->argument ? c->argument : "", c->summary, c->help, *c->help ? "\n" : "");
		print_options(f, c->bit, colour);
		return;
	}
	fprintf(f, "hoodyctl [OPTION...] COMMAND [OPTION...]\n\nCommands:\n");
	for (size_t i = 0; i < countof(commands); i++) {
		_cleanup_(freep) char *name =
			xasprintf("  %s%s%s", commands[i].name, commands[i].argument ? " " : "",
				commands[i].argument ? commands[i].argument : "");

		ctl_text_cell(t, name, CTL_BOLD);
		ctl_text_cell(t, commands[i].summary, CTL_PLAIN);
	}
	ctl_text_print(t, f, colour);
	fprintf(f, "\nOptions:\n");
	print_options(f, ANY, colour);
	fprintf(f, "\nExit codes: 0 done, 1 could not be done, 2 usage, 3 not reachable, 4 "
		   "configuration not valid.\n");
}

/* --- the command line --- */

struct args {
	char **next;
	struct ctl *ctl;
	const char *noun; /* of a command whose verb is to come */
	const struct command *command;
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
static int set_option(struct args *a, const struct option *o, const char *value, struct err *err)
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
	if (o->commands != ANY)
		a->unsuited = o->name;
	return 0;
}

static int parse_long(struct args *a, const char *word, struct err *err)
{
	size_t len = strcspn(word, "=");

	for (size_t i = 0; i < countof(options); i++)
		if (strlen(options[i].name) == len && strncmp(options[i].name, word, len) == 0)
			return set_option(a, &options[i], word[len] ? word + len + 1 : NULL, err);
	return complain(err, "there is no option --%.*s", (int)MIN_OF(len, 40u), word);
}

static int parse_letters(struct args *a, const char *letters, struct err *err)
{
	int r = 0;

	while (*letters && r == 0) {
		const struct option *o = NULL;

		for (size_t i = 0; i < countof(options); i++)
			if (options[i].letter == *letters)
				o = &options[i];
		if (!o)
			return complain(err, "there is no option -%c", *letters);
		letters++;
		if (o->argument)
			return set_option(a, o, *letters ? letters : NULL, err);
		r = set_option(a, o, NULL, err);
	}
	return r;
}

static int take_argument(struct args *a, const char *word, struct err *err)
{
	if (!a->command->argument || a->ctl->args[0])
		return complain(err, "%s: what is \"%.40s\"?", a->command->name, word);
	a->ctl->args[0] = word;
	return 0;
}

/* One word, or the noun and then the verb: "container" alone is none yet. */
static int parse_command(struct args *a, const char *word, struct err *err)
{
	_cleanup_(freep) char *full = a->noun ? xasprintf("%s %s", a->noun, word) : xstrdup(word);
	size_t len = strlen(full);

	if (a->command)
		return take_argument(a, word, err);
	for (size_t i = 0; i < countof(commands); i++) {
		if (strcmp(commands[i].name, full) == 0)
			a->command = &commands[i];
		else if (strncmp(commands[i].name, full, len) == 0 && commands[i].name[len] == ' ')
			a->noun = word;
	}
	if (!a->command && a->noun == word)
		return 0;
	if (!a->command)
		return complain(err, "there is no command %.60s", full);
	a->ctl->verb = word;
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
	if (a->command && a->command->argument && !a->ctl->args[0])
		return complain(err, "%s needs a %s", a->command->name, a->command->argument);
	return 0;
}

static int parse(struct args *a, struct err *err)
{
	int r = 0;

	while (r == 0 && *a->next) {
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

/* --- shared by the commands --- */

enum ctl_exit ctl_read_config(const struct ctl *ctl, struct conf *ret, struct err *err)
{
	if (!ctl->config && access(CONF_PATH_DEFAULT, F_OK) < 0 && errno == ENOENT) {
		conf_defaults(ret);
		return CTL_OK;
	}
	return conf_read(ctl->config ? ctl->config : CONF_PATH_DEFAULT, ret, err) < 0 ? CTL_CONFIG
										      : CTL_OK;
}

void ctl_print_json(const json_t *v)
{
	(void)json_dumpf(v, stdout, JSON_INDENT(2)); /* a failed stdout is found at the end */
	putchar('\n');
}

static enum ctl_exit fail(enum ctl_exit code, struct err *err)
{
	ctl_text_flatten(err->message);
	fprintf(stderr, "hoodyctl: %s\n", err->message);
	return code;
}

static enum ctl_exit run(const struct ctl *ctl, const struct command *command, struct err *err)
{
	enum ctl_exit e = CTL_OK;

	if (ctl->version)
		puts("hoodyctl " PACKAGE_VERSION);
	else if (ctl->help)
		print_help(stdout, command, ctl->colour);
	else
		e = command->run(ctl, err);
	if (e == CTL_OK && (fflush(stdout) != 0 || ferror(stdout))) {
		(void)err_set(err, -EIO, ERR_INTERNAL, NULL, "can't write the output");
		e = CTL_FAILED;
	}
	return e;
}

int main(int argc, char **argv)
{
	struct ctl ctl = { .colour = ctl_text_wants_colour(STDOUT_FILENO) };
	struct args a = { .next = argv + (argc > 0), .ctl = &ctl, .given = ANY };
	struct err err = { 0 };
	enum ctl_exit e;

	if (parse(&a, &err) < 0)
		return fail(CTL_USAGE, &err);
	if (!a.command && !ctl.help && !ctl.version) {
		print_help(stderr, NULL, false);
		return CTL_USAGE;
	}
	e = run(&ctl, a.command, &err);
	return e == CTL_OK ? CTL_OK : fail(e, &err);
}
