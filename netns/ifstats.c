/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns/ifstats.h"

#include <stdio.h>

#define LINE_SIZE 512         /* a name and 16 numbers of 20 digits */
#define READ_SIZE (16 * 1024) /* stdio's own is 1 KiB for such a file, and a read for each */

/* Of 12,000 numbers beside 1,000 containers strtoull(3) and isdigit(3) are a tenth of the whole. */
static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool ifstats_read_line(
	const char *line, char ret_name[static IF_NAMESIZE], struct rtnl_link_stats64 *ret)
{
	/* dev_seq_printf_stats (net/core/net-procfs.c) */
	__u64 *const columns[] = { &ret->rx_bytes, &ret->rx_packets, &ret->rx_errors,
		&ret->rx_dropped, NULL, NULL, NULL, NULL, &ret->tx_bytes, &ret->tx_packets,
		&ret->tx_errors, &ret->tx_dropped };
	const char *name = line + strspn(line, " "), *at = strchr(name, ':');

	*ret = (struct rtnl_link_stats64){};
	if (!at || at == name || at - name >= IF_NAMESIZE)
		return false;
	memcpy(ret_name, name, (size_t)(at - name));
	ret_name[at - name] = '\0';
	at++;
	for (size_t i = 0; i < countof(columns); i++) {
		__u64 n = 0;

		while (*at == ' ')
			at++;
		if (!is_digit(*at))
			return false;
		for (; is_digit(*at); at++)
			n = n * 10 + (__u64)(*at - '0');
		if (columns[i])
			*columns[i] = n;
	}
	return true;
}

int ifstats_read(void (*each)(const char *name, const struct rtnl_link_stats64 *s, void *userdata),
	void *userdata)
{
	FILE *f = fopen("/proc/self/net/dev", "re");
	struct rtnl_link_stats64 s;
	char line[LINE_SIZE], name[IF_NAMESIZE], buffer[READ_SIZE];
	int r;

	if (!f)
		return -errno;
	(void)setvbuf(f, buffer, _IOFBF, sizeof(buffer));
	while (fgets(line, sizeof(line), f)) /* two lines are headings */
		if (ifstats_read_line(line, name, &s))
			each(name, &s, userdata);
	r = ferror(f) ? -EIO : 0;
	(void)fclose(f);
	return r;
}
