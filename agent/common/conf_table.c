/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One row for each key of the configuration. A row's kind says in words what its values look
 * like and reads them; the row has bounds, default, help, and where in struct conf the value
 * lies. What is the same for every key (find, set, print, compare, copy, free) goes by the rows
 * and knows none of them: a new key is a row, and a new kind only when none fits.
 *
 * Values are text, a number, an enumeration or a boolean; texts are the heap's, and struct
 * conf's to free. A default in angle brackets is made of other keys, and stays empty until all
 * is read. What only makes sense for two keys together is judged by conf.c, and no file is
 * opened here. */
#include "agent/common/conf_table.h"

#include "agent/common/conf_kind.h"

static const char *const signature_names[] = { "", "required", "optional", NULL };
static_assert(countof(signature_names) == CONF_SIGNATURE_COUNT + 1, "one name each");
static const char *const driver_names[] = { "auto", "btrfs", "dir", NULL };
static_assert(countof(driver_names) == CONF_DRIVER_COUNT + 1, "one name each");

#define AT(member) .offset = offsetof(struct conf, member)

static const struct conf_key table[] = {
	{ "Node", "NodeId", &conf_kind_node_id, AT(node.node_id), "",
		.help = "This node's id, given at enrolment. Orders for another node are rejected. "
			"Needed with an ApiUrl." },
	{ "Node", "Name", &conf_kind_label, AT(node.name), "",
		.help = "What the node calls itself in logs and reports. Unset: the host's name." },
	{ "Node", "StateDirectory", &conf_kind_path, AT(node.state_directory),
		"/var/lib/hoody-agent",
		.help = "Holds the database (state.db), the node's secret key (node.key) and "
			"generated container configurations." },
	{ "Node", "RuntimeDirectory", &conf_kind_path, AT(node.runtime_directory),
		"/run/hoody-agent",
		.help = "Holds what a reboot may forget, and agent.sock, the socket of hoodyctl." },
	{ "Node", "MaxWorkers", &conf_kind_number, AT(node.max_workers), "8", 1, 256,
		.reload = true, .help = "How many operations may run at once." },

	{ "Control", "ApiUrl", &conf_kind_api_url, AT(control.api_url), "",
		.help = "Base URL of the control API, for example https://api.example.com/api/v1. "
			"Unset: the node is standalone." },
	{ "Control", "TokenFile", &conf_kind_path, AT(control.token_file), "",
		.help = "File with the token that the control API gave this node: owner root, mode "
			"0600. Needed with an ApiUrl; unset, systemd's credential "
			"hoody-agent.node-token is it." },
	{ "Control", "TrustedKeys", &conf_kind_path, AT(control.trusted_keys),
		"/etc/hoody-agent/trusted-keys.json",
		.help = "The keyset that orders must be signed with: the root of trust. Without it "
			"no remote order is accepted." },
	{ "Control", "CaFile", &conf_kind_path, AT(control.ca_file), "",
		.help = "PEM file with the certificate authorities to trust for ApiUrl. Unset: the "
			"system's." },
	{ "Control", "ResponseSignature", &conf_kind_choice, AT(control.response_signature), "",
		.names = signature_names,
		.help = "Whether responses without X-Hoody-Signature are refused; a wrong one "
			"always is. "
			"Unset: required with an https ApiUrl, else optional." },
	{ "Control", "PollWaitSec", &conf_kind_seconds, AT(control.poll_wait_s), "30", 1, 600,
		.reload = true,
		.help = "How long the control API may hold a request for orders when it has "
			"none, where it does not say so itself; each asks for four fifths of it at "
			"least." },
	{ "Control", "ReconnectSpreadSec", &conf_kind_seconds, AT(control.reconnect_spread_s), "5",
		0, 3600, .reload = true,
		.help = "Within how long a node tries again that was answered until now, where the "
			"control API does not say so itself: the nodes of a fleet that have lost "
			"it at "
			"the same instant come back one by one." },
	{ "Control", "StatsIntervalSec", &conf_kind_seconds, AT(control.stats_interval_s), "10", 0,
		3600, .reload = true,
		.help = "How often statistics are sampled and sent while somebody looks at them, "
			"where the control API does not say so itself, and when the first are; 0: "
			"never." },
	{ "Control", "StatsIdleIntervalSec", &conf_kind_seconds, AT(control.stats_idle_interval_s),
		"300", 0, 3600, .reload = true,
		.help = "How often they are while nobody does; 0: not then." },
	{ "Control", "OutboxMaxBytes", &conf_kind_bytes, AT(control.outbox_max_bytes), "256M",
		1 << 20, 1LL << 40, .reload = true,
		.help = "How much space reports may take that the control API has not "
			"acknowledged. When it is used up, no order is "
			"taken until some are." },

	{ "Courier", "User", &conf_kind_user, AT(courier.user), "", .reload = true,
		.help = "Without effect, and a warning where it is set: whatever talks to the "
			"network has an id of its own, as hoody-agent(8) says." },

	{ "Containers", "IdBase", &conf_kind_number, AT(containers.id_base), "1000000", 65536,
		4294508544,
		.help = "First host user and group id for containers; each takes the next free "
			"65536." },
	{ "Containers", "CgroupPrefix", &conf_kind_cgroup, AT(containers.cgroup_prefix), "hoody",
		.help = "Name of the cgroup below which containers have theirs. Another one waits "
			"for a start of the agent at which no container runs." },
	{ "Containers", "CgroupsMax", &conf_kind_number, AT(containers.cgroups_max), "1024", 0,
		1000000, .reload = true,
		.help = "How many cgroups of its own a container may have, from its next start on: "
			"what the kernel has of them is limited, and shared by all." },
	{ "Containers", "CgroupDepthMax", &conf_kind_number, AT(containers.cgroup_depth_max), "16",
		0, 256, .reload = true,
		.help = "How many of them may lie in one another, from its next start on." },
	{ "Containers", "TasksMax", &conf_kind_number, AT(containers.tasks_max), "0", 0, 4194304,
		.reload = true,
		.help = "How many tasks (processes and their threads) a container may have that "
			"has no limit of its own, from its next start on. 0: a 32nd of what the "
			"kernel has, at least 1024 and at most 16384." },
	{ "Containers", "MemoryMax", &conf_kind_bytes, AT(containers.memory_max), "0", 0, 1LL << 50,
		.reload = true,
		.help = "How much memory a container may use that has no limit of its own, from "
			"its next start on. 0: the host's without an eighth, and without 256 MiB "
			"at least, but half of it in any case." },
	{ "Containers", "NamespacesMax", &conf_kind_number, AT(containers.namespaces_max), "1024",
		8, 1000000, .reload = true,
		.help = "How many namespaces of each kind a container may have, from its next "
			"start on, its own included. The host's user.max_user_namespaces and the "
			"like bound it, too." },
	{ "Containers", "NetNamespacesMax", &conf_kind_number, AT(containers.net_namespaces_max),
		"128", 8, 1000000, .reload = true,
		.help = "How many of them may be network namespaces, from its next start on, its "
			"own included. The kernel ends those that have gone together, under a lock "
			"that each change of a link on the host waits for: this bounds how long." },
	{ "Containers", "InotifyMax", &conf_kind_number, AT(containers.inotify_max), "1024", 0,
		1000000, .reload = true,
		.help = "How many inotify instances a container may have, from its next start on, "
			"and how many fanotify groups. The host's user.max_inotify_instances "
			"bounds each container, too." },
	{ "Containers", "WatchesMax", &conf_kind_number, AT(containers.watches_max), "131072", 0,
		100000000, .reload = true,
		.help = "How many watches of inotify a container may have, from its next start on, "
			"and how many marks of fanotify. The host's user.max_inotify_watches "
			"bounds each container, too." },
	{ "Containers", "FavorDynmods", &conf_kind_boolean, AT(containers.favor_dynmods), "yes",
		.help = "Whether the agent has the host's cgroup2 be mounted with favordynmods "
			"(cgroup-v2.rst; Linux 6.0): to move a process between cgroups waits no "
			"more for all processors, 9 to 16 ms of each start, and a fork is a "
			"little slower. no: that stays as it is." },
	{ "Containers", "StopSignal", &conf_kind_signal_name, AT(containers.stop_signal), "",
		.reload = true,
		.help = "By which signal inits are asked to end that hear it. Unset: by what the "
			"image says (StopSignal of an OCI image). Where an init doesn't hear that "
			"one, or nobody names one, what it hears decides." },

	{ "Network", "Table", &conf_kind_word, AT(network.table), "hoody",
		.help = "Name of the nftables table (family inet) that is the agent's own. Another "
			"one waits for a start of the agent at which no container runs." },
	{ "Network", "InterfacePrefix", &conf_kind_prefix, AT(network.interface_prefix), "hd",
		.help = "How the host ends of the containers' interfaces begin; 12 hex digits "
			"follow. systemd-networkd is told to leave those of the default alone, by "
			"10-hoody-agent.network: others need such a file of their own. Another one "
			"waits for a start of the agent at which no container runs." },
	{ "Network", "Subnet4", &conf_kind_subnet4, AT(network.subnet4), "10.88.0.0/16",
		.help = "Containers have their IPv4 addresses from here; who has one keeps it. The "
			"network is this host's alone: what is forwarded to an address of it that "
			"no container has is answered \"host unreachable\", unless a network that "
			"an Ethernet interface of the host is in has it, too. Routes to containers "
			"are of the main table, which a rule of the agent's (ip-rule(8), priority "
			"101) asks before the tables of a VPN or of a second uplink." },
	{ "Network", "Subnet6", &conf_kind_subnet6, AT(network.subnet6), "",
		.help = "Containers have their IPv6 addresses from here, each at the place that "
			"its IPv4 address has in Subnet4, if it is from there. The network must be "
			"routed to this host, and as rules speak of IPv4 alone, a container with "
			"rules has no IPv6. It is this host's alone, as Subnet4 is. Unset: no "
			"IPv6." },
	{ "Network", "Masquerade", &conf_kind_boolean, AT(network.masquerade), "yes",
		.help = "Whether containers go out with the host's address." },
	{ "Network", "MaxFlows", &conf_kind_number, AT(network.flows_max), "0", 0, 16777216,
		.help = "How many flows (connections, exchanges of datagrams) the kernel may track "
			"for "
			"one container at once; new ones beyond that are dropped and counted. 0: a "
			"32nd "
			"of net.netfilter.nf_conntrack_max, at least 1024 and at most 16384." },
	{ "Network", "CloudMetadata", &conf_kind_boolean, AT(network.cloud_metadata), "no",
		.help = "Whether containers reach the metadata services of clouds "
			"(169.254.169.254, fd00:ec2::254 and their like), which hand out the "
			"host's "
			"own credentials. Names can be asked there either way." },
	{ "Network", "Dns", &conf_kind_hosts, AT(network.dns), "", .reload = true,
		.help = "Name servers for containers. Unset: those of the host, from "
			"/etc/resolv.conf or, "
			"where that names a loopback address alone, from systemd-resolved's. Three "
			"at most; a warning where there are more." },
	{ "Network", "ProxyAddresses", &conf_kind_networks, AT(network.proxy_addresses), "",
		.reload = true,
		.help = "Where the node's reverse proxy comes from: exempt from ingress rules, "
			"except for TCP port 22. Those of IPv6 have no effect, and a warning." },
	{ "Network", "ProxyCaFile", &conf_kind_path, AT(network.proxy_ca_file), "",
		.help = "Certificates (PEM) that an https upstream proxy's is held against. Unset: "
			"those of the system." },
	{ "Network", "DefaultProxy", &conf_kind_proxy, AT(network.default_proxy), "",
		.reload = true,
		.help = "The upstream for containers whose network configuration names a mode but "
			"no proxy, and for those whose network is started unconfigured by the "
			"local API." },

	{ "Storage", "Pool", &conf_kind_path, AT(storage.pool), "<StateDirectory>/pool",
		.help = "Directory of container roots, images and snapshots." },
	{ "Storage", "Driver", &conf_kind_choice, AT(storage.driver), "auto", .names = driver_names,
		.help = "How the pool is kept. auto: btrfs where the pool lies on btrfs, else "
			"dir." },
	{ "Storage", "ImageServer", &conf_kind_api_url, AT(storage.image_server), "",
		.reload = true,
		.help = "Base of a simple streams server (as of LXC and Incus), where the local "
			"API looks images up by name." },
	{ "Storage", "ImageMaxBytes", &conf_kind_bytes, AT(storage.image_max_bytes), "64G", 1 << 20,
		1LL << 50, .reload = true,
		.help = "How large an image may be, as an archive and unpacked." },
	{ "Storage", "ImageMaxFiles", &conf_kind_number, AT(storage.image_max_files), "2000000",
		100, 1000000000, .reload = true, .help = "How many files an image may have." },
	{ "Storage", "CountIntervalSec", &conf_kind_seconds, AT(storage.count_interval_s), "60", 0,
		86400, .reload = true,
		.help = "How often the roots are walked for which no file system counts, at most; "
			"a twentieth of the time goes into it at most. 0: for whoever asks, "
			"once. As often ramdisks get what others have given back, and disk limits "
			"are seen to." },

	{ "Proxy", "Directory", &conf_kind_path, AT(proxy.directory), "<StateDirectory>/proxy",
		.help = "Where the node's reverse proxy finds permission documents, aliases and "
			"the map of containers." },

	{ "Local", "Socket", &conf_kind_socket_path, AT(local.socket),
		"<RuntimeDirectory>/debug.sock", .help = "Socket of the local API." },
	{ "Local", "Group", &conf_kind_user, AT(local.group), "hoody",
		.help = "Members may use the local API. This group is equivalent to root on this "
			"host." },

	{ "Metrics", "Listen", &conf_kind_listen_address, AT(metrics.listen), "",
		.help = "Where metrics are served over HTTP. Unset: nowhere." },
};

size_t conf_table_count(void)
{
	return countof(table);
}

const struct conf_key *conf_table_row(size_t i)
{
	assert(i < countof(table));
	return &table[i];
}

const struct conf_key *conf_table_find(const char *section, const char *key)
{
	for (size_t i = 0; i < countof(table); i++)
		if (strcmp(table[i].section, section) == 0 && strcmp(table[i].key, key) == 0)
			return &table[i];
	return NULL;
}

bool conf_table_has_section(const char *section)
{
	for (size_t i = 0; i < countof(table); i++)
		if (strcmp(table[i].section, section) == 0)
			return true;
	return false;
}

void conf_table_words(const struct conf_key *key, char *ret, size_t size)
{
	size_t n = (size_t)snprintf(ret, size, "%s", key->kind->words);
	const char *sep = " ";

	if (key->kind->storage == CONF_STORAGE_INT)
		n += (size_t)snprintf(ret + n, size - n, " (%lld to %lld)", (long long)key->min,
			(long long)key->max);
	for (size_t i = 0; key->names && key->names[i]; i++) {
		if (!*key->names[i])
			continue;
		n += (size_t)snprintf(ret + n, size - n, "%s%s", sep, key->names[i]);
		sep = ", ";
	}
	assert(n < size);
}

/* --- fields --- */

#define FIELD(c, key, type) ((type *)(void *)((char *)(c) + (key)->offset))

static int64_t get_number(const struct conf_key *key, const struct conf *c)
{
	switch (key->kind->storage) {
	case CONF_STORAGE_INT:
		return *FIELD(c, key, int64_t);
	case CONF_STORAGE_ENUM:
		return *FIELD(c, key, int);
	case CONF_STORAGE_BOOL:
		return *FIELD(c, key, bool);
	case CONF_STORAGE_TEXT:
		break;
	}
	abort();
}

static void set_number(const struct conf_key *key, struct conf *c, int64_t n)
{
	switch (key->kind->storage) {
	case CONF_STORAGE_INT:
		*FIELD(c, key, int64_t) = n;
		return;
	case CONF_STORAGE_ENUM:
		*FIELD(c, key, int) = (int)n;
		return;
	case CONF_STORAGE_BOOL:
		*FIELD(c, key, bool) = n;
		return;
	case CONF_STORAGE_TEXT:
		break;
	}
	abort();
}

static void set_text(const struct conf_key *key, struct conf *c, char *taken)
{
	char **field = FIELD(c, key, char *);

	free(*field);
	*field = taken;
}

int conf_table_set(struct conf *c, const struct conf_key *key, const char *value, bool add,
	const char **ret_why)
{
	_cleanup_(freep) char *text = NULL;
	const char *why = NULL;
	int64_t n = 0;
	int r = 0;

	if (key->kind->number) {
		if (!*value)
			value = key->def;
		if (*value)
			r = key->kind->number(key, value, &n, &why);
		if (r == 0)
			set_number(key, c, n);
	} else {
		/* a default that is made of another key ("<…") is filled in when all is read */
		if (!*value)
			value = key->def[0] == '<' ? "" : key->def;
		if (*value)
			r = key->kind->text(value, &text, &why);
		if (r == 0 && !text)
			text = xstrdup(value);
		if (r == 0 && add && key->kind->list && *text && **FIELD(c, key, char *))
			set_text(key, c, xasprintf("%s %s", *FIELD(c, key, char *), text));
		else if (r == 0)
			set_text(key, c, TAKE(text));
	}
	if (r < 0)
		*ret_why = why;
	return r;
}

bool conf_table_is_equal(const struct conf_key *key, const struct conf *a, const struct conf *b)
{
	if (key->kind->storage == CONF_STORAGE_TEXT)
		return strcmp(*FIELD(a, key, char *), *FIELD(b, key, char *)) == 0;
	return get_number(key, a) == get_number(key, b);
}

char *conf_table_value(const struct conf_key *key, const struct conf *c)
{
	switch (key->kind->storage) {
	case CONF_STORAGE_INT:
		return xasprintf("%lld", (long long)get_number(key, c));
	case CONF_STORAGE_ENUM:
		return xstrdup(key->names[get_number(key, c)]);
	case CONF_STORAGE_BOOL:
		return xstrdup(get_number(key, c) ? "yes" : "no");
	case CONF_STORAGE_TEXT:
		return xstrdup(*FIELD(c, key, char *));
	}
	abort();
}

void conf_table_copy(const struct conf_key *key, const struct conf *from, struct conf *to)
{
	if (key->kind->storage == CONF_STORAGE_TEXT)
		set_text(key, to, xstrdup(*FIELD(from, key, char *)));
	else
		set_number(key, to, get_number(key, from));
}

void conf_table_free(const struct conf_key *key, struct conf *c)
{
	if (key->kind->storage == CONF_STORAGE_TEXT)
		set_text(key, c, NULL);
}

void conf_table_keep(const struct conf_key *key, char kept[static CONF_KEPT_MAX])
{
	size_t n = strlen(kept);

	snprintf(kept + n, CONF_KEPT_MAX - n, "%s%s.%s", n ? ", " : "", key->section, key->key);
}
