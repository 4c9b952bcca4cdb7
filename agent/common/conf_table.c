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

#include <arpa/inet.h>
#include <ctype.h>

#include "proto/ident.h"
#include "proto/opfield.h"
#include "proto/signame.h"

#define NAME_MAX_LEN         64
#define INTERFACE_PREFIX_MAX 3 /* with 12 hex digits behind it a name fits IFNAMSIZ - 1 = 15 */

/* --- kinds of values --- */

static bool is_name(const char *s, size_t max, const char *more)
{
	if (!isalpha((unsigned char)*s) || strlen(s) > max)
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr(more, *s))
			return false;
	return true;
}

static int text_id(const char *value, char **ret, const char **ret_why)
{
	return ident_is_id(value) ? 0 : -EINVAL;
}

static int text_label(const char *value, char **ret, const char **ret_why)
{
	if (strlen(value) > NAME_MAX_LEN)
		return -EINVAL;
	for (const char *c = value; *c; c++)
		if (*c < ' ' || *c > '~')
			return -EINVAL;
	return 0;
}

static int text_user(const char *value, char **ret, const char **ret_why)
{
	return is_name(value, 31, "_-") ? 0 : -EINVAL;
}

static int text_word(const char *value, char **ret, const char **ret_why)
{
	return is_name(value, 31, "_") ? 0 : -EINVAL;
}

static int text_cgroup(const char *value, char **ret, const char **ret_why)
{
	return is_name(value, 31, "_-") ? 0 : -EINVAL;
}

static int text_signal(const char *value, char **ret, const char **ret_why)
{
	return MIN_OF(signame_parse(value), 0);
}

static int text_prefix(const char *value, char **ret, const char **ret_why)
{
	return is_name(value, INTERFACE_PREFIX_MAX, "") ? 0 : -EINVAL;
}

/* Doubled and trailing slashes go; "." and ".." are refused rather than resolved. */
static int text_path(const char *value, char **ret, const char **ret_why)
{
	_cleanup_(freep) char *path = xcalloc(strlen(value) + 1, 1);
	size_t n = 0;

	if (*value != '/')
		return -EINVAL;
	for (const char *p = value; *p;) {
		size_t len = strcspn(p, "/");

		if (len == 0) {
			p++;
			continue;
		}
		if ((len == 1 && p[0] == '.') || (len == 2 && p[0] == '.' && p[1] == '.')) {
			*ret_why = "has a \".\" or \"..\" in it";
			return -EINVAL;
		}
		path[n++] = '/';
		memcpy(path + n, p, len);
		n += len;
		p += len;
	}
	if (n == 0) {
		*ret_why = "is the root directory";
		return -EINVAL;
	}
	*ret = TAKE(path);
	return 0;
}

static int text_socket(const char *value, char **ret, const char **ret_why)
{
	if (strlen(value) > CONF_SOCKET_MAX) {
		*ret_why = "is longer than 107 bytes (unix(7))";
		return -EINVAL;
	}
	return text_path(value, ret, ret_why);
}

static int text_api_url(const char *value, char **ret, const char **ret_why)
{
	size_t len = strlen(value);

	if (!opfield_is_api_url(value))
		return -EINVAL;
	while (len > 0 && value[len - 1] == '/')
		len--;
	*ret = xasprintf("%.*s", (int)len, value);
	return 0;
}

/* "ADDRESS" or "ADDRESS/LENGTH" of one family (AF_UNSPEC: either). */
static bool is_address(const char *s, int family, bool want_length, bool may_length)
{
	char text[INET6_ADDRSTRLEN];
	uint8_t address[16];
	size_t len = strcspn(s, "/");
	const char *slash = s[len] == '/' ? s + len + 1 : NULL;
	long bits = family == AF_INET ? 32 : 128;
	char *end;

	if (len >= sizeof(text) || (slash && !may_length) || (!slash && want_length))
		return false;
	(void)snprintf(text, sizeof(text), "%.*s", (int)len, s);
	if (family == AF_UNSPEC)
		return is_address(s, AF_INET, want_length, may_length) ||
		       is_address(s, AF_INET6, want_length, may_length);
	if (inet_pton(family, text, address) != 1)
		return false;
	if (!slash)
		return true;
	if (!isdigit((unsigned char)*slash))
		return false;
	errno = 0;
	return strtol(slash, &end, 10) <= bits && !*end && errno == 0;
}

static int text_subnet4(const char *value, char **ret, const char **ret_why)
{
	return is_address(value, AF_INET, true, true) ? 0 : -EINVAL;
}

static int text_subnet6(const char *value, char **ret, const char **ret_why)
{
	return is_address(value, AF_INET6, true, true) ? 0 : -EINVAL;
}

/* Words parted by blanks or commas; one space between them in what is stored. */
static int text_addresses(const char *value, bool may_length, char **ret)
{
	_cleanup_(freep) char *list = xcalloc(strlen(value) + 2, 1);
	_cleanup_(freep) char *copy = xstrdup(value);
	char *save = NULL;
	size_t n = 0;

	for (char *w = strtok_r(copy, " \t,", &save); w; w = strtok_r(NULL, " \t,", &save)) {
		if (!is_address(w, AF_UNSPEC, false, may_length))
			return -EINVAL;
		n += (size_t)sprintf(list + n, "%s%s", n ? " " : "", w);
	}
	if (n == 0)
		return -EINVAL; /* separators alone */
	*ret = TAKE(list);
	return 0;
}

static int text_hosts(const char *value, char **ret, const char **ret_why)
{
	return text_addresses(value, false, ret);
}

static int text_networks(const char *value, char **ret, const char **ret_why)
{
	return text_addresses(value, true, ret);
}

static int text_proxy(const char *value, char **ret, const char **ret_why)
{
	static const char *const schemes[] = { "socks5://", "http://", "https://" };

	for (size_t i = 0; i < countof(schemes); i++)
		if (strncmp(value, schemes[i], strlen(schemes[i])) == 0 &&
			value[strlen(schemes[i])])
			return strpbrk(value, " \t\"'\\") ? -EINVAL : 0;
	return -EINVAL;
}

static int text_listen(const char *value, char **ret, const char **ret_why)
{
	const char *colon = strrchr(value, ':');
	char host[INET6_ADDRSTRLEN + 2];
	size_t len = colon ? (size_t)(colon - value) : 0;
	bool six = *value == '[';
	char *end;
	long port;

	if (!colon || len == 0 || len >= sizeof(host) || !isdigit((unsigned char)colon[1]))
		return -EINVAL;
	port = strtol(colon + 1, &end, 10);
	if (*end || port < 1 || port > 65535 || (six && value[len - 1] != ']'))
		return -EINVAL;
	(void)snprintf(host, sizeof(host), "%.*s", (int)(six ? len - 2 : len), value + six);
	return is_address(host, six ? AF_INET6 : AF_INET, false, false) ? 0 : -EINVAL;
}

static int in_bounds(const struct conf_key *key, int64_t n, int64_t *ret, const char **ret_why)
{
	if (n < key->min || n > key->max) {
		*ret_why = "is out of bounds";
		return -EINVAL;
	}
	*ret = n;
	return 0;
}

/* Decimal digits, and the end of them. */
static int digits(const char *value, int64_t *ret, const char **ret_end)
{
	char *end;

	if (!isdigit((unsigned char)*value))
		return -EINVAL;
	errno = 0;
	*ret = strtoll(value, &end, 10);
	*ret_end = end;
	return errno ? -EINVAL : 0;
}

static int number_plain(
	const struct conf_key *key, const char *value, int64_t *ret, const char **ret_why)
{
	const char *end;
	int64_t n;

	if (digits(value, &n, &end) < 0 || *end)
		return -EINVAL;
	return in_bounds(key, n, ret, ret_why);
}

static int number_size(
	const struct conf_key *key, const char *value, int64_t *ret, const char **ret_why)
{
	static const char units[] = "KMGT";
	const char *end, *unit;
	int64_t n;
	int shift = 0;

	if (digits(value, &n, &end) < 0)
		return -EINVAL;
	if (*end) {
		unit = strchr(units, *end);
		if (!unit || end[1])
			return -EINVAL;
		shift = 10 * (int)(unit - units + 1);
	}
	if (n > INT64_MAX >> shift)
		return -EINVAL;
	return in_bounds(key, n << shift, ret, ret_why);
}

static int number_bool(
	const struct conf_key *key, const char *value, int64_t *ret, const char **ret_why)
{
	static const char *const words[][2] = { { "no", "yes" }, { "false", "true" },
		{ "off", "on" }, { "0", "1" } };

	for (size_t i = 0; i < countof(words); i++)
		for (int n = 0; n < 2; n++)
			if (strcmp(words[i][n], value) == 0) {
				*ret = n;
				return 0;
			}
	return -EINVAL;
}

static int number_enum(
	const struct conf_key *key, const char *value, int64_t *ret, const char **ret_why)
{
	for (int64_t n = 0; key->names[n]; n++)
		if (strcmp(key->names[n], value) == 0) {
			*ret = n;
			return 0;
		}
	return -EINVAL;
}

static const struct conf_kind node_id = { "24 lowercase hex characters", .text = text_id };
static const struct conf_kind label = { "at most 64 printable ASCII characters",
	.text = text_label };
static const struct conf_kind user = { "a user or group name", .text = text_user };
static const struct conf_kind word = { "a letter, then letters, digits and _, 31 at most",
	.text = text_word };
static const struct conf_kind cgroup = { "a letter, then letters, digits, _ and -, 31 at most",
	.text = text_cgroup };
static const struct conf_kind prefix = { "a letter, then letters and digits, 3 at most",
	.text = text_prefix };
static const struct conf_kind signal_name = { "a signal (SIGTERM, TERM, 15, SIGRTMIN+3)",
	.text = text_signal };
static const struct conf_kind path = { "an absolute path", .text = text_path };
static const struct conf_kind socket_path = { "an absolute path of at most 107 bytes",
	.text = text_socket };
static const struct conf_kind api_url = {
	"an https URL, or an http URL of a loopback address, without user, query and fragment",
	.text = text_api_url
};
static const struct conf_kind subnet4 = { "an IPv4 network (ADDRESS/LENGTH)",
	.text = text_subnet4 };
static const struct conf_kind subnet6 = { "an IPv6 network (ADDRESS/LENGTH)",
	.text = text_subnet6 };
static const struct conf_kind hosts = { "addresses with blanks or commas between them",
	.text = text_hosts, .list = true };
static const struct conf_kind networks = {
	"addresses or networks with blanks or commas between them", .text = text_networks,
	.list = true
};
static const struct conf_kind proxy = { "a socks5, http or https URL", .text = text_proxy };
static const struct conf_kind listen_address = { "ADDRESS:PORT, IPv6 in brackets",
	.text = text_listen };
static const struct conf_kind number = { "a number", .storage = CONF_STORAGE_INT,
	.number = number_plain };
static const struct conf_kind seconds = { "a number of seconds", .storage = CONF_STORAGE_INT,
	.number = number_plain };
static const struct conf_kind bytes = { "bytes, or with K, M, G or T behind it",
	.storage = CONF_STORAGE_INT, .number = number_size };
static const struct conf_kind boolean = { "yes or no", .storage = CONF_STORAGE_BOOL,
	.number = number_bool };
static const struct conf_kind choice = { "one of", .storage = CONF_STORAGE_ENUM,
	.number = number_enum };

/* --- the table --- */

static const char *const signature_names[] = { "", "required", "optional", NULL };
static_assert(countof(signature_names) == CONF_SIGNATURE_COUNT + 1, "one name each");
static const char *const driver_names[] = { "auto", "btrfs", "dir", NULL };
static_assert(countof(driver_names) == CONF_DRIVER_COUNT + 1, "one name each");

#define AT(member) .offset = offsetof(struct conf, member)

static const struct conf_key table[] = {
	{ "Node", "NodeId", &node_id, AT(node.node_id), "",
		.help = "This node's id, given at enrolment. Orders for another node are rejected. "
			"Needed with an ApiUrl." },
	{ "Node", "Name", &label, AT(node.name), "",
		.help = "What the node calls itself in logs and reports. Unset: the host's name." },
	{ "Node", "StateDirectory", &path, AT(node.state_directory), "/var/lib/hoody-agent",
		.help = "Holds the database (state.db), the node's secret key (node.key) and "
			"generated container configurations." },
	{ "Node", "RuntimeDirectory", &path, AT(node.runtime_directory), "/run/hoody-agent",
		.help = "Holds what a reboot may forget, and agent.sock, the socket of hoodyctl." },
	{ "Node", "MaxWorkers", &number, AT(node.max_workers), "8", 1, 256, .reload = true,
		.help = "How many operations may run at once." },

	{ "Control", "ApiUrl", &api_url, AT(control.api_url), "",
		.help = "Base URL of the control API, for example https://api.example.com/api/v1. "
			"Unset: the node is standalone." },
	{ "Control", "TokenFile", &path, AT(control.token_file), "",
		.help = "File with the token that the control API gave this node: owner root, mode "
			"0600. Needed with an ApiUrl; unset, systemd's credential "
			"hoody-agent.node-token is it." },
	{ "Control", "TrustedKeys", &path, AT(control.trusted_keys),
		"/etc/hoody-agent/trusted-keys.json",
		.help = "The keyset that orders must be signed with: the root of trust. Without it "
			"no remote order is accepted." },
	{ "Control", "CaFile", &path, AT(control.ca_file), "",
		.help = "PEM file with the certificate authorities to trust for ApiUrl. Unset: the "
			"system's." },
	{ "Control", "ResponseSignature", &choice, AT(control.response_signature), "",
		.names = signature_names,
		.help = "Whether responses without X-Hoody-Signature are refused; a wrong one "
			"always is. "
			"Unset: required with an https ApiUrl, else optional." },
	{ "Control", "PollWaitSec", &seconds, AT(control.poll_wait_s), "30", 1, 600, .reload = true,
		.help = "How long the control API may hold a request for orders when it has "
			"none, where it does not say so itself; each asks for four fifths of it at "
			"least." },
	{ "Control", "ReconnectSpreadSec", &seconds, AT(control.reconnect_spread_s), "5", 0, 3600,
		.reload = true,
		.help = "Within how long a node tries again that was answered until now, where the "
			"control API does not say so itself: the nodes of a fleet that have lost "
			"it at "
			"the same instant come back one by one." },
	{ "Control", "StatsIntervalSec", &seconds, AT(control.stats_interval_s), "10", 0, 3600,
		.reload = true,
		.help = "How often statistics are sampled and sent while somebody looks at them, "
			"where the control API does not say so itself, and when the first are; 0: "
			"never." },
	{ "Control", "StatsIdleIntervalSec", &seconds, AT(control.stats_idle_interval_s), "300", 0,
		3600, .reload = true,
		.help = "How often they are while nobody does; 0: not then." },
	{ "Control", "OutboxMaxBytes", &bytes, AT(control.outbox_max_bytes), "256M", 1 << 20,
		1LL << 40, .reload = true,
		.help = "How much space reports may take that the control API has not "
			"acknowledged. When it is used up, no order is "
			"taken until some are." },

	{ "Courier", "User", &user, AT(courier.user), "", .reload = true,
		.help = "Without effect, and a warning where it is set: whatever talks to the "
			"network has an id of its own, as hoody-agent(8) says." },

	{ "Containers", "IdBase", &number, AT(containers.id_base), "1000000", 65536, 4294508544,
		.help = "First host user and group id for containers; each takes the next free "
			"65536." },
	{ "Containers", "CgroupPrefix", &cgroup, AT(containers.cgroup_prefix), "hoody",
		.help = "Name of the cgroup below which containers have theirs." },
	{ "Containers", "CgroupsMax", &number, AT(containers.cgroups_max), "1024", 0, 1000000,
		.reload = true,
		.help = "How many cgroups of its own a container may have, from its next start on: "
			"what the kernel has of them is limited, and shared by all." },
	{ "Containers", "CgroupDepthMax", &number, AT(containers.cgroup_depth_max), "16", 0, 256,
		.reload = true,
		.help = "How many of them may lie in one another, from its next start on." },
	{ "Containers", "TasksMax", &number, AT(containers.tasks_max), "0", 0, 4194304,
		.reload = true,
		.help = "How many tasks (processes and their threads) a container may have that "
			"has no limit of its own, from its next start on. 0: a 32nd of what the "
			"kernel has, at least 1024 and at most 16384." },
	{ "Containers", "MemoryMax", &bytes, AT(containers.memory_max), "0", 0, 1LL << 50,
		.reload = true,
		.help = "How much memory a container may use that has no limit of its own, from "
			"its next start on. 0: the host's without an eighth, and without 256 MiB "
			"at least, but half of it in any case." },
	{ "Containers", "NamespacesMax", &number, AT(containers.namespaces_max), "1024", 8, 1000000,
		.reload = true,
		.help = "How many namespaces of each kind a container may have, from its next "
			"start on, its own included. The host's user.max_user_namespaces and the "
			"like bound it, too." },
	{ "Containers", "InotifyMax", &number, AT(containers.inotify_max), "1024", 0, 1000000,
		.reload = true,
		.help = "How many inotify instances a container may have, from its next start on, "
			"and how many fanotify groups. The host's user.max_inotify_instances "
			"bounds each container, too." },
	{ "Containers", "WatchesMax", &number, AT(containers.watches_max), "131072", 0, 100000000,
		.reload = true,
		.help = "How many watches of inotify a container may have, from its next start on, "
			"and how many marks of fanotify. The host's user.max_inotify_watches "
			"bounds each container, too." },
	{ "Containers", "StopSignal", &signal_name, AT(containers.stop_signal), "", .reload = true,
		.help = "By which signal inits are asked to end that hear it. Unset: by what the "
			"image says (StopSignal of an OCI image). Where an init doesn't hear that "
			"one, or nobody names one, what it hears decides." },

	{ "Network", "Table", &word, AT(network.table), "hoody",
		.help = "Name of the nftables table (family inet) that is the agent's own." },
	{ "Network", "InterfacePrefix", &prefix, AT(network.interface_prefix), "hd",
		.help = "How the host ends of the containers' interfaces begin; 12 hex digits "
			"follow." },
	{ "Network", "Subnet4", &subnet4, AT(network.subnet4), "10.88.0.0/16",
		.help = "Containers have their IPv4 addresses from here." },
	{ "Network", "Subnet6", &subnet6, AT(network.subnet6), "",
		.help = "Containers have their IPv6 addresses from here, each at the place that "
			"its IPv4 "
			"address has in Subnet4. The network must be routed to this host, and as "
			"rules speak of IPv4 alone, a container with rules has no IPv6. Unset: no "
			"IPv6." },
	{ "Network", "Masquerade", &boolean, AT(network.masquerade), "yes",
		.help = "Whether containers go out with the host's address." },
	{ "Network", "MaxFlows", &number, AT(network.flows_max), "0", 0, 16777216,
		.help = "How many flows (connections, exchanges of datagrams) the kernel may track "
			"for "
			"one container at once; new ones beyond that are dropped and counted. 0: a "
			"32nd "
			"of net.netfilter.nf_conntrack_max, at least 1024 and at most 16384." },
	{ "Network", "CloudMetadata", &boolean, AT(network.cloud_metadata), "no",
		.help = "Whether containers reach the metadata services of clouds "
			"(169.254.169.254, fd00:ec2::254 and their like), which hand out the "
			"host's "
			"own credentials. Names can be asked there either way." },
	{ "Network", "Dns", &hosts, AT(network.dns), "", .reload = true,
		.help = "Name servers for containers. Unset: those of the host, from "
			"/etc/resolv.conf or, "
			"where that names a loopback address alone, from systemd-resolved's." },
	{ "Network", "ProxyAddresses", &networks, AT(network.proxy_addresses), "", .reload = true,
		.help = "Where the node's reverse proxy comes from: exempt from ingress rules, "
			"except for TCP port 22." },
	{ "Network", "ProxyCaFile", &path, AT(network.proxy_ca_file), "",
		.help = "Certificates (PEM) that an https upstream proxy's is held against. Unset: "
			"those of the system." },
	{ "Network", "DefaultProxy", &proxy, AT(network.default_proxy), "", .reload = true,
		.help = "The upstream for containers whose network configuration names a mode but "
			"no proxy, and for those whose network is started unconfigured by the "
			"local API." },

	{ "Storage", "Pool", &path, AT(storage.pool), "<StateDirectory>/pool",
		.help = "Directory of container roots, images and snapshots." },
	{ "Storage", "Driver", &choice, AT(storage.driver), "auto", .names = driver_names,
		.help = "How the pool is kept. auto: btrfs where the pool lies on btrfs, else "
			"dir." },
	{ "Storage", "ImageServer", &api_url, AT(storage.image_server), "", .reload = true,
		.help = "Base of a simple streams server (as of LXC and Incus), where the local "
			"API looks images up by name." },
	{ "Storage", "ImageMaxBytes", &bytes, AT(storage.image_max_bytes), "64G", 1 << 20,
		1LL << 50, .reload = true,
		.help = "How large an image may be, as an archive and unpacked." },
	{ "Storage", "ImageMaxFiles", &number, AT(storage.image_max_files), "2000000", 100,
		1000000000, .reload = true, .help = "How many files an image may have." },
	{ "Storage", "CountIntervalSec", &seconds, AT(storage.count_interval_s), "60", 0, 86400,
		.reload = true,
		.help = "How often the roots are walked for which no file system counts, at most; "
			"a twentieth of the time goes into it at most. 0: for whoever asks, "
			"once. As often ramdisks get what others have given back." },

	{ "Proxy", "Directory", &path, AT(proxy.directory), "<StateDirectory>/proxy",
		.help = "Where the node's reverse proxy finds permission documents, aliases and "
			"the map of containers." },

	{ "Local", "Socket", &socket_path, AT(local.socket), "<RuntimeDirectory>/debug.sock",
		.help = "Socket of the local API." },
	{ "Local", "Group", &user, AT(local.group), "hoody",
		.help = "Members may use the local API. This group is equivalent to root on this "
			"host." },

	{ "Metrics", "Listen", &listen_address, AT(metrics.listen), "",
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
