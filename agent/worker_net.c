/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <fcntl.h>
#include <sodium.h>

#include "agent/worker_act.h"
#include "netfilter/fwtable.h"
#include "netns/rtlink.h"
#include "netns/rtpolicy.h"
#include "storage/netfiles.h"

static const char *text(const struct job *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j->link, key));

	return s ? s : "";
}

static int read_link(const struct job *j, struct rtlink *ret, struct err *err)
{
	const char *mac = text(j, "mac");
	struct in_addr address;
	size_t size = 0;

	*ret = (struct rtlink){ .limit_bps = (uint64_t)json_integer_value(
					json_object_get(j->link, "limit_bps")) };
	(void)snprintf(ret->name, sizeof(ret->name), "%s", text(j, "name"));
	(void)snprintf(ret->peer, sizeof(ret->peer), "%s", text(j, "peer"));
	if (inet_pton(AF_INET, text(j, "address"), &address) != 1 ||
		sodium_hex2bin(ret->mac, sizeof(ret->mac), mac, strlen(mac), ":", &size, NULL) <
			0 ||
		size != sizeof(ret->mac))
		return err_set(err, -EINVAL, ERR_CHANNEL, "link", "the job's link is none");
	ret->address = ntohl(address.s_addr);
	return 0;
}

int worker_net_make(struct job *j, struct err *err)
{
	struct rtlink l;
	int r = read_link(j, &l, err);

	if (r < 0)
		return r;
	j->life.paths.link =
		(struct ctconf_link){ text(j, "peer"), text(j, "address"), text(j, "gateway") };
	r = rtpolicy_make(FWTABLE_PROXY_MARK, err);
	return r < 0 ? r : rtlink_make(&l, err);
}

int worker_net_remove(struct job *j, struct err *err)
{
	int r = rtlink_remove(text(j, "name"), err);

	return r < 0 ? r : rtlink_remove(text(j, "peer"), err);
}

int worker_net_write_files(struct job *j, bool fresh, struct err *err)
{
	const struct ctspec *s = &j->life.spec;
	const struct netfiles n = { .dns = text(j, "dns"),
		.address = text(j, "address"),
		.hostname = s->name[0] ? s->name : s->id };
	_cleanup_(closep) int root =
		open(j->rootfs, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (root < 0)
		return err_set(err, -errno, ERR_INTERNAL, "Storage.Pool",
			"the container's root can't be opened: %s", strerror(errno));
	return netfiles_write(root, &n, fresh, err);
}

int worker_net_sweep(struct job *j, struct err *err)
{
	const json_t *links = json_object_get(j->params, "links"), *v;
	size_t i;
	int r = 0;

	json_array_foreach(links, i, v)
	{
		r = rtlink_remove_index((int)json_integer_value(v), err);
		if (r < 0)
			break;
	}
	return r;
}
