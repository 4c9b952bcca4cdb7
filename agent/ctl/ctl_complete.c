/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoodyctl completion: what a shell may offer, from the tables of commands and options. Names of
 * containers are asked of the agent when they are wanted. */
#include "agent/ctl/ctl_table.h"

static bool is_first_of_noun(const struct ctl_table *t, size_t at, size_t noun_len)
{
	for (size_t i = 0; i < at; i++)
		if (strncmp(t->commands[i].name, t->commands[at].name, noun_len + 1) == 0)
			return false;
	return true;
}

/* The first words, or the second ones behind @noun. */
static void print_words(const struct ctl_table *t, const char *noun)
{
	for (size_t i = 0; i < t->n_commands; i++) {
		const char *name = t->commands[i].name;
		size_t len = strcspn(name, " ");

		if (!noun && (!name[len] || is_first_of_noun(t, i, len)))
			printf(" %.*s", (int)len, name);
		else if (noun && name[len] && strlen(noun) == len && strncmp(name, noun, len) == 0)
			printf(" %s", name + len + 1);
	}
}

static void print_options_of(const struct ctl_table *t, const struct ctl_command *c)
{
	for (size_t i = 0; i < t->n_options; i++)
		if (t->options[i].commands & c->bit)
			printf(" --%s", t->options[i].name);
}

static bool wants_container(const struct ctl_command *c)
{
	return c->argument && strncmp(c->argument, "CONTAINER", 9) == 0;
}

/* zsh has bash's way too (bashcompinit). */
static void print_bash(const struct ctl_table *t)
{
	printf("_hoodyctl() {\n\tlocal cur=${COMP_WORDS[COMP_CWORD]} w typed= offer=\n"
	       "\tfor w in \"${COMP_WORDS[@]:1:$((COMP_CWORD - 1))}\"; do\n"
	       "\t\tcase $w in -*) ;; *) typed+=\"$w \" ;; esac\n\tdone\n\tcase $typed in\n");
	for (size_t i = 0; i < t->n_commands; i++) {
		const struct ctl_command *c = &t->commands[i];
		size_t len = strcspn(c->name, " ");

		printf("\t'%s '*) offer='", c->name);
		print_options_of(t, c);
		printf("'%s ;;\n",
			wants_container(c) ? "\" $(hoodyctl container list -q 2>/dev/null)\"" : "");
		if (c->name[len] && is_first_of_noun(t, i, len)) {
			_cleanup_(freep) char *noun = xasprintf("%.*s", (int)len, c->name);

			printf("\t'%s ') offer='", noun);
			print_words(t, noun);
			printf("' ;;\n");
		}
	}
	printf("\t'') offer='");
	print_words(t, NULL);
	printf("' ;;\n\tesac\n\tCOMPREPLY=($(compgen -W \"$offer\" -- \"$cur\"))\n}\n"
	       "complete -F _hoodyctl hoodyctl\n");
}

static void print_zsh(const struct ctl_table *t)
{
	printf("#compdef hoodyctl\nautoload -U +X bashcompinit && bashcompinit\n");
	print_bash(t);
	/* As a file that compinit loads, this runs when a completion is first asked for. */
	printf("[[ $funcstack[1] = _hoodyctl ]] && _bash_complete -F _hoodyctl\n");
}

static void print_fish_command(const struct ctl_table *t, const struct ctl_command *c)
{
	size_t len = strcspn(c->name, " ");

	printf("complete -c hoodyctl -f -n '__hoodyctl_is \"%.*s\"' -a %s -d \"%s\"\n",
		c->name[len] ? (int)len : 0, c->name, c->name + (c->name[len] ? len + 1 : 0),
		c->summary);
	for (size_t i = 0; i < t->n_options; i++)
		if (t->options[i].commands & c->bit)
			printf("complete -c hoodyctl -f -n '__hoodyctl_is \"%s\"' -l %s\n", c->name,
				t->options[i].name);
	if (wants_container(c))
		printf("complete -c hoodyctl -f -n '__hoodyctl_is \"%s\"' -a '(hoodyctl container "
		       "list -q 2>/dev/null)'\n",
			c->name);
}

static void print_fish(const struct ctl_table *t)
{
	printf("function __hoodyctl_is\n\tset -l words (commandline -opc)\n\tset -e words[1]\n"
	       "\tset -l typed (string match -v -- '-*' $words)\n"
	       "\ttest \"$typed\" = \"$argv[1]\"\nend\n");
	for (size_t i = 0; i < t->n_commands; i++) {
		const struct ctl_command *c = &t->commands[i];
		size_t len = strcspn(c->name, " ");

		if (c->name[len] && is_first_of_noun(t, i, len))
			printf("complete -c hoodyctl -f -n '__hoodyctl_is \"\"' -a %.*s\n",
				(int)len, c->name);
		print_fish_command(t, c);
	}
}

enum ctl_exit ctl_complete(const struct ctl *ctl, struct err *err)
{
	static const struct {
		const char *shell;
		void (*print)(const struct ctl_table *t);
	} shells[] = { { "bash", print_bash }, { "zsh", print_zsh }, { "fish", print_fish } };

	for (size_t i = 0; i < countof(shells); i++)
		if (strcmp(shells[i].shell, ctl->args[0]) == 0) {
			shells[i].print(ctl->table);
			return CTL_OK;
		}
	(void)err_set(err, -EINVAL, ERR_INVALID_PARAMS, NULL,
		"no completions for %s: want bash, zsh or fish", ctl->args[0]);
	return CTL_USAGE;
}
