/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoodyctl completion: what a shell may offer. A shell's script is a few lines: it gives the line
 * as far as it is typed to hoodyctl complete, which knows the tables, and asks the agent for the
 * names of containers and snapshots. Each offer is a line: the word, and behind a tab what it is.
 *
 * The line is walked as main parses it, but for its errors: who types isn't done. Quotes aren't
 * known: nothing that is offered needs any. */
#include "agent/ctl/ctl_find.h"
#include "agent/ctl/ctl_http.h"
#include "agent/ctl/ctl_keys.h"
#include "agent/ctl/ctl_table.h"
#include "proto/jsonx.h"

#define LINE_WORDS_MAX 128

struct line {
	struct ctl ctl; /* what of it is needed to ask */
	const struct ctl_table *table;
	char *words[LINE_WORDS_MAX];
	size_t n;
	const char *noun;
	const struct ctl_command *command;
	size_t n_arguments;
	const struct ctl_option *wants; /* a value, which is what is typed now */
	const char *typed;              /* the last word, as far as it is there */
};

/* --- what there is --- */

static void offer(const struct line *l, const char *word, const char *end, const char *what)
{
	if (strncmp(word, l->typed, strlen(l->typed)) == 0)
		printf("%s%s\t%s\n", word, end, what ? what : "");
}

/* Each of "tcp|udp|icmp4", behind the key that is typed. */
static void offer_words(const struct line *l, const char *before, const char *words)
{
	while (*words) {
		size_t len = strcspn(words, "|");
		_cleanup_(freep) char *word = xasprintf("%s%.*s", before, (int)len, words);

		offer(l, word, "", NULL);
		words += len + (words[len] != 0);
	}
}

static void offer_rows(const struct line *l, const char *path, const char *list, const char *before,
	const char *end)
{
	_cleanup_json_ json_t *rows = NULL;
	struct err err = {};
	json_t *row;
	size_t i;

	if (ctl_http_list(&l->ctl, path, list, &rows, &err) != CTL_OK)
		return;
	json_array_foreach(rows, i, row) {
		const char *id = ctl_text_of(row, "id"), *alias = ctl_text_of(row, "alias"),
			   *name = ctl_text_of(row, "name"),
			   *image = ctl_text_of(row, "image_name");
		const char *shown = image ? image : name ? name : alias ? alias : id;
		_cleanup_(freep) char *word = shown ? xasprintf("%s%s", before, shown) : NULL;

		if (word)
			offer(l, word, end, shown == id ? "" : id);
	}
}

static void offer_containers(const struct line *l, const char *before, const char *end)
{
	offer_rows(l, "/containers", "containers", before, end);
}

static void offer_snapshots(const struct line *l, const char *container, const char *before)
{
	_cleanup_(freep) char *id = NULL, *path = NULL;
	struct err err = {};

	if (!container || ctl_find(&l->ctl, container, &id, &err) != CTL_OK)
		return;
	path = xasprintf("/containers/%s/snapshots", id);
	offer_rows(l, path, "snapshots", before, "");
}

/* --- where we are --- */

static void offer_commands(const struct line *l)
{
	size_t noun_len = l->noun ? strlen(l->noun) : 0;

	for (size_t i = 0; i < l->table->n_commands; i++) {
		const struct ctl_command *c = &l->table->commands[i];
		size_t len = strcspn(c->name, " ");
		bool seen = false;

		if (l->noun) {
			if (len == noun_len && c->name[len] && strncmp(c->name, l->noun, len) == 0)
				offer(l, c->name + len + 1, "", c->summary);
			continue;
		}
		for (size_t j = 0; j < i && !seen; j++)
			seen = strncmp(l->table->commands[j].name, c->name, len) == 0 &&
			       strchr(" ", l->table->commands[j].name[len]);
		if (!seen && !(c->group && !*c->group)) {
			_cleanup_(freep) char *noun = xasprintf("%.*s", (int)len, c->name);

			offer(l, noun, "", c->name[len] ? "" : c->summary);
		}
	}
}

static void offer_options(const struct line *l)
{
	for (size_t i = 0; i < l->table->n_options; i++) {
		const struct ctl_option *o = &l->table->options[i];
		_cleanup_(freep) char *word = xasprintf("--%s", o->name);

		if (!l->command || o->commands & l->command->bit)
			offer(l, word, "", o->help);
	}
}

/* The value of the key that is typed. */
static void offer_values(const struct line *l, const struct api_form_field *f)
{
	_cleanup_(freep) char *before = xasprintf("%s=", f->name);

	if (strncmp(l->typed, before, strlen(before)) != 0)
		return;
	if (api_form_words(f))
		offer_words(l, before, api_form_words(f));
	else if (strstr(f->name, "container_id"))
		offer_containers(l, before, "");
	else if (strstr(f->name, "project_id"))
		offer_rows(l, "/projects", "projects", before, "");
	else if (strstr(f->name, "snapshot"))
		offer_snapshots(l, l->ctl.args[0], before);
}

static void offer_keys(const struct line *l)
{
	const struct ctl_keys *k = ctl_keys_of(l->command->name);
	const char *direction = k && k->egress ? l->ctl.args[1] : NULL;

	if (!k)
		return;
	for (const struct api_form_field *f = NULL;
		(f = ctl_keys_next(k, ctl_keys_form(k, direction), f));) {
		char what[128];

		api_form_describe(f, what, sizeof(what));
		if (strcmp(f->name, "*") != 0 && !strchr(l->typed, '='))
			offer(l, f->name, "=", what);
		offer_values(l, f);
	}
}

/* The word at @at of what the command takes, without its brackets. */
static char *argument_at(const struct ctl_command *c, size_t at)
{
	const char *word = c->argument ? c->argument : "";

	for (; at > 0 && *word; at--) {
		word += strcspn(word, " ");
		word += strspn(word, " ");
	}
	word += *word == '[';
	return xasprintf("%.*s", (int)strcspn(word, " ]"), word);
}

static void offer_container(const struct line *l)
{
	offer_containers(l, "", "");
}

static void offer_place(const struct line *l)
{
	offer_containers(l, "", ":");
}

static void offer_snapshot(const struct line *l)
{
	offer_snapshots(l, l->ctl.args[0], "");
}

static void offer_direction(const struct line *l)
{
	offer_words(l, "", "ingress|egress");
}

static void offer_image(const struct line *l)
{
	offer(l, "builtin:busybox", "", "always there");
	offer_rows(l, "/images/public", "images", "", "");
}

static void offer_share(const struct line *l)
{
	offer_rows(l, "/storage/shares", "shares", "", "");
}

static void offer_what(const struct line *l)
{
	offer_words(l, "", "tcp|udp|icmp4|22/tcp|53/udp|80/tcp|443/tcp");
}

static void offer_shell(const struct line *l)
{
	offer_words(l, "", "bash|zsh|fish");
}

static void offer_variable(const struct line *l)
{
	_cleanup_(freep) char *id = NULL, *path = NULL;
	_cleanup_json_ json_t *data = NULL;
	struct err err = {};
	const char *name;
	json_t *v;

	if (ctl_find(&l->ctl, l->ctl.args[0], &id, &err) != CTL_OK)
		return;
	path = xasprintf("/containers/%s/env", id);
	if (ctl_http_ask(&l->ctl, "GET", path, NULL, false, &data, &err) != CTL_OK)
		return;
	json_object_foreach(json_object_get(data, "environment_vars"), name, v)
		offer(l, name, "", json_string_value(v));
}

static void offer_project(const struct line *l)
{
	offer_rows(l, "/projects", "projects", "", "");
}

/* What stands for what, in arguments and in options' values. */
static const struct {
	const char *word;
	void (*offer)(const struct line *l);
} kinds[] = { { "CONTAINER", offer_container }, { "SNAPSHOT", offer_snapshot },
	{ "SOURCE", offer_place }, { "TARGET", offer_place }, { "DIRECTION", offer_direction },
	{ "IMAGE", offer_image }, { "SHARE", offer_share }, { "WHAT", offer_what },
	{ "SHELL", offer_shell }, { "KEY", offer_variable }, { "PROJECT", offer_project } };

static void offer_kind(const struct line *l, const char *word)
{
	for (size_t i = 0; i < countof(kinds); i++)
		if (strcmp(kinds[i].word, word) == 0)
			kinds[i].offer(l);
}

static void offer_argument(const struct line *l)
{
	_cleanup_(freep) char *word = argument_at(l->command, l->n_arguments);
	bool is_needed = l->command->argument && !strchr(l->command->argument, '[');

	if (*word)
		offer_kind(l, word);
	if (l->n_arguments == 0 && !l->command->argument)
		return;
	if (!*word || !is_needed) {
		if (l->command->rest && strncmp(l->command->rest, "from", 4) == 0)
			offer_words(l, "", "from|to");
		offer_keys(l);
	}
}

/* --- the line --- */

static void take_option(struct line *l, const char *word, bool is_last)
{
	bool is_long = word[1] == '-';
	const char *name = word + 1 + is_long;
	size_t len = is_long ? strcspn(name, "=") : 1;

	for (size_t i = 0; i < l->table->n_options; i++) {
		const struct ctl_option *o = &l->table->options[i];
		bool fits = is_long ? strlen(o->name) == len && strncmp(o->name, name, len) == 0
				    : o->letter == *name;

		if (fits && o->argument && !name[len] && !is_last)
			l->wants = o;
	}
}

static void take_value(struct line *l, const char *word)
{
	if (!l->wants->many)
		*(const char **)(void *)((char *)&l->ctl + l->wants->offset) = word;
	l->wants = NULL;
}

static void take_word(struct line *l, const char *word)
{
	_cleanup_(freep) char *full =
		xasprintf("%s%s%s", l->noun ? l->noun : "", l->noun ? " " : "", word);

	if (l->command) {
		if (l->n_arguments < CTL_ARGS_MAX && !strchr(word, '='))
			l->ctl.args[l->n_arguments++] = word;
		return;
	}
	if (strcmp(word, "help") == 0)
		return;
	for (size_t i = 0; i < l->table->n_commands && !l->command; i++)
		if (strcmp(l->table->commands[i].name, full) == 0)
			l->command = &l->table->commands[i];
	l->noun = word;
}

/* Its words; the last one is what is typed, and empty behind a space. */
static void split(struct line *l, char *text)
{
	char *rest = text, *word;

	while (l->n < LINE_WORDS_MAX - 1 && (word = strsep(&rest, " \t")))
		if (*word || !rest)
			l->words[l->n++] = word;
	l->typed = l->n > 1 ? l->words[l->n - 1] : "";
	for (size_t i = 1; i + 1 < l->n; i++)
		if (l->wants)
			take_value(l, l->words[i]);
		else if (l->words[i][0] == '-')
			take_option(l, l->words[i], false);
		else
			take_word(l, l->words[i]);
}

enum ctl_exit ctl_complete_line(const struct ctl *ctl, struct err *err)
{
	_cleanup_(freep) char *text = xstrdup(ctl->args[0]);
	struct line l = { .ctl = *ctl, .table = ctl->table };

	memset(l.ctl.args, 0, sizeof(l.ctl.args));
	split(&l, text);
	if (l.wants)
		offer_kind(&l, strcmp(l.wants->name, "project") == 0 ? "PROJECT"
			       : strcmp(l.wants->name, "from") == 0
				       ? (l.command && l.n_arguments > 0 ? "SNAPSHOT" : "CONTAINER")
				       : "");
	else if (l.typed[0] == '-')
		offer_options(&l);
	else if (l.command)
		offer_argument(&l);
	else
		offer_commands(&l);
	return CTL_OK;
}

/* --- the shells --- */

/* bash breaks words at = and : and replaces what stands behind the last of them. zsh has bash's
 * way too (bashcompinit), and does not. */
#define BASH                                                                         \
	"_hoodyctl() {\n"                                                            \
	"\tlocal line=${COMP_LINE:0:$COMP_POINT} cur before\n"                       \
	"\tCOMPREPLY=($(hoodyctl complete \"$line\" 2>/dev/null | cut -f1))\n"       \
	"\t[ -n \"${BASH_VERSION:-}\" ] && [ ${#COMPREPLY[@]} -gt 0 ] || return 0\n" \
	"\tcur=${line##*[[:space:]]} before=\n"                                      \
	"\tcase $cur in *[=:]*) before=${cur%\"${cur##*[=:]}\"} ;; esac\n"           \
	"\tCOMPREPLY=(\"${COMPREPLY[@]#\"$before\"}\")\n"                            \
	"\tcase ${COMPREPLY[0]-} in *[=:]) compopt -o nospace 2>/dev/null ;; esac\n" \
	"\treturn 0\n"                                                               \
	"}\n"                                                                        \
	"complete -o default -F _hoodyctl hoodyctl\n"

/* As a file that compinit loads, the last line runs when a completion is first asked for. */
#define ZSH                                                  \
	"#compdef hoodyctl\n"                                \
	"autoload -U +X bashcompinit && bashcompinit\n" BASH \
	"[[ $funcstack[1] = _hoodyctl ]] && _bash_complete -F _hoodyctl\n"

#define FISH "complete -c hoodyctl -a '(hoodyctl complete (commandline -cp))'\n"

enum ctl_exit ctl_complete(const struct ctl *ctl, struct err *err)
{
	static const struct {
		const char *shell, *script;
	} shells[] = { { "bash", BASH }, { "zsh", ZSH }, { "fish", FISH } };

	for (size_t i = 0; i < countof(shells); i++)
		if (strcmp(shells[i].shell, ctl->args[0]) == 0) {
			fputs(shells[i].script, stdout);
			return CTL_OK;
		}
	(void)err_set(err, -EINVAL, ERR_INVALID_PARAMS, NULL,
		"no completions for %s: want bash, zsh or fish", ctl->args[0]);
	return CTL_USAGE;
}
