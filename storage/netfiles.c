/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/netfiles.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "storage/diskerr.h"
#include "storage/rootfile.h"

#define MARK "# hoody-agent writes this file at every start, as long as it has this line\n"
#define NETWORKD                                                            \
	"# hoody-agent configures eth0 from outside; nobody answers DHCP\n" \
	"[Match]\nName=eth0\n\n"                                            \
	"[Network]\nKeepConfiguration=yes\nIPv6AcceptRA=no\n"
#define SERVERS_MAX 3                 /* resolv.conf(5): MAXNS */
#define FALLBACK    "1.1.1.1 8.8.8.8" /* what the public API promises */

/* A loopback resolver of the host is none to a container. */
static bool is_reachable(const char *address)
{
	struct in_addr a;

	return inet_pton(AF_INET, address, &a) == 1 && ntohl(a.s_addr) >> 24 != 127 &&
	       a.s_addr != 0;
}

static char *servers_in(const char *path)
{
	char *list = xstrdup(""), line[512], address[64];
	FILE *f = fopen(path, "re");
	unsigned n = 0;

	while (f && n < SERVERS_MAX && fgets(line, sizeof(line), f)) {
		char *longer;

		if (sscanf(line, " nameserver %63s", address) != 1 || !is_reachable(address))
			continue;
		longer = xasprintf("%s%s%s", list, n++ ? " " : "", address);
		free(list);
		list = longer;
	}
	if (f)
		(void)fclose(f);
	return list;
}

/* Where systemd-resolved is the host's stub, the servers that it asks are in a file of its own
 * (systemd-resolved.service(8)). */
static char *host_servers(void)
{
	char *list = servers_in("/etc/resolv.conf");

	if (*list)
		return list;
	free(list);
	return servers_in("/run/systemd/resolve/resolv.conf");
}

static char *resolv_conf(const char *dns)
{
	_cleanup_(freep) char *host = *dns ? NULL : host_servers();
	const char *list = *dns ? dns : *host ? host : FALLBACK;
	char *text = xstrdup(MARK);

	for (unsigned n = 0; *list && n < SERVERS_MAX; n++) {
		int len = (int)strcspn(list, " ");
		char *longer = xasprintf("%snameserver %.*s\n", text, len, list);

		free(text);
		text = longer;
		list += len;
		list += strspn(list, " ");
	}
	return text;
}

static char *hosts(const struct netfiles *n)
{
	return xasprintf(MARK
		"127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n%s %s\n",
		n->address, n->hostname);
}

/* Of our hand or nobody's. A link is its own, but in an image, where it mostly leads to what a
 * resolver that isn't there would write to /run. */
static bool is_ours(int folder, const char *name, bool fresh, const char *text, bool *ret_same)
{
	_cleanup_(freep) char *data = NULL;
	size_t size;
	int r = rootfile_read(folder, name, &data, &size);

	*ret_same = r == 0 && strcmp(data, text) == 0;
	return r == -ENOENT || (r == -ELOOP && fresh) ||
	       (r == 0 && (fresh || strncmp(data, MARK, strlen(MARK)) == 0));
}

static int write_one(int folder, const char *name, bool fresh, const char *text)
{
	bool same;

	if (!is_ours(folder, name, fresh, text, &same) || same)
		return 0;
	return rootfile_replace(folder, name, text, strlen(text), 0644);
}

/* --- who would configure eth0 inside --- */

/* Nobody answers DHCP here, and who asks for it takes off meanwhile what it was not told of: as
 * systemd-networkd does (257), and udhcpc. */
static int write_networkd(int root)
{
	_cleanup_(closep) int folder = -1;
	int r = rootfile_open_folder(root, "etc/systemd/network", &folder);

	return r < 0 ? r
		     : rootfile_replace(
			       folder, "00-hoody.network", NETWORKD, strlen(NETWORKD), 0644);
}

/* interfaces(5), with "manual" for what "dhcp" is for eth0. NULL: it does not say so. */
static char *without_dhcp(const char *text)
{
	char *out = xcalloc(2, strlen(text) + 1), *end = out; /* no line gets twice as long */
	bool found = false;

	while (*text) {
		size_t size = strcspn(text, "\n") + 1;
		int at = 0, behind = 0;

		(void)sscanf(text, " iface eth0 %*[inet6] %ndhcp%n", &at, &behind);
		if (behind > 0 && (size_t)behind < size && strchr(" \t\r\n", text[behind])) {
			end += sprintf(end, "%.*smanual", at, text);
			text += behind;
			found = true;
			continue;
		}
		end = mempcpy(end, text, strnlen(text, size));
		text += strnlen(text, size);
	}
	if (!found)
		free(out);
	return found ? out : NULL;
}

static int edit_interfaces(int root)
{
	_cleanup_(freep) char *is = NULL, *wanted = NULL;
	_cleanup_(closep) int folder = -1;
	size_t size;
	int r = rootfile_open_folder(root, "etc/network", &folder);

	if (r >= 0)
		r = rootfile_read(folder, "interfaces", &is, &size);
	wanted = r < 0 ? NULL : without_dhcp(is);
	return wanted ? rootfile_rewrite(folder, "interfaces", wanted, strlen(wanted), 0644) : r;
}

/* What an image has otherwise (a link, a folder that is none) stays as it is. */
static bool is_failure(int r)
{
	return r < 0 && r != -ENOENT && r != -ENOTDIR && r != -ELOOP && r != -EINVAL;
}

static int tell_managers(int root)
{
	int r = edit_interfaces(root);

	if (!is_failure(r))
		r = write_networkd(root);
	return is_failure(r) ? r : 0;
}

int netfiles_write(int root, const struct netfiles *n, bool fresh, struct err *err)
{
	_cleanup_(freep) char *servers = resolv_conf(n->dns);
	_cleanup_(freep) char *names = hosts(n);
	_cleanup_(closep) int folder = -1;
	int r = rootfile_open_folder(root, "etc", &folder);

	if (r < 0)
		return r == -ENOENT ? 0
				    : diskerr_set(err, r, "the container's /etc can't be opened");
	r = write_one(folder, "resolv.conf", fresh, servers);
	if (r >= 0)
		r = write_one(folder, "hosts", fresh, names);
	if (r >= 0 && fresh)
		r = tell_managers(root);
	return r < 0 ? diskerr_set(err, r, "the container's files of its network can't be written")
		     : 0;
}
