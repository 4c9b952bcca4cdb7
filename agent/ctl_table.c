/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ctl_table.h"

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
	COMPLETION = 16384,
};

const struct ctl_command ctl_table_commands[] = {
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
	{ "order plan", MAKE, ctl_order_plan, "what would this signed order do here?",
		"Asks the agent, which judges it and lists its steps, and does nothing.\n",
		"FILE" },
	{ "order verify", VERIFY, ctl_order_verify, "is this signed order good for this node?",
		"Reads a DSSE envelope, judges it as the agent would, and changes nothing.\n",
		"FILE" },
	{ "completion", COMPLETION, ctl_complete, "print the completions of a shell",
		"bash, zsh or fish: source <(hoodyctl completion bash)\n", "SHELL" },
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
const size_t ctl_table_commands_count = countof(ctl_table_commands);

const struct ctl_option ctl_table_options[] = {
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
	{ "config", 'c', "FILE", AT(config), CTL_ANY,
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
	{ "json", 'j', NULL, AT(json), CTL_ANY, "print JSON" },
	{ "help", 'h', NULL, AT(help), CTL_ANY, "show this help" },
	{ "version", 'V', NULL, AT(version), CTL_ANY, "show the version" },
#undef AT
};
const size_t ctl_table_options_count = countof(ctl_table_options);
