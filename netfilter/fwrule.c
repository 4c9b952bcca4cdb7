/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netfilter/fwrule.h"

#include <netinet/in.h>

#include "proto/ident.h"

static int invalid(struct err *err, const char *field)
{
	return err_set(
		err, -EINVAL, ERR_INVALID_PARAMS, field, "%s is not what a rule may say", field);
}

static int by_low(const void *a, const void *b)
{
	const struct fwrange *x = a, *y = b;

	return (x->low > y->low) - (x->low < y->low);
}

/* What touches is one, too. */
void fwrule_unite(struct fwranges *r)
{
	size_t n = 0;

	if (r->n == 0)
		return;
	qsort(r->at, r->n, sizeof(*r->at), by_low);
	for (size_t i = 1; i < r->n; i++) {
		struct fwrange *last = &r->at[n];

		if (r->at[i].low <= last->high || r->at[i].low - last->high == 1)
			last->high = MAX_OF(last->high, r->at[i].high);
		else
			r->at[++n] = r->at[i];
	}
	r->n = n + 1;
}

static int port_range(const char *s, size_t len, struct fwrange *ret)
{
	uint16_t low, high;

	if (ident_ports_parse(s, len, &low, &high) < 0)
		return -EINVAL;
	*ret = (struct fwrange){ low, high };
	return 0;
}

static int address_range(const char *s, size_t len, struct fwrange *ret)
{
	uint32_t address, mask;
	unsigned prefix;

	if (ident_cidr4_parse(s, len, &address, &prefix) < 0)
		return -EINVAL;
	mask = prefix == 0 ? 0 : ~0u << (32 - prefix);
	*ret = (struct fwrange){ address & mask, (address & mask) | ~mask };
	return 0;
}

static int parse_list(const char *s, int (*parse)(const char *s, size_t len, struct fwrange *ret),
	struct fwrange all, struct fwranges *ret)
{
	while (s && *s) {
		size_t len = strcspn(s, ",");

		ret->at = xrealloc(ret->at, ret->n + 1, sizeof(*ret->at));
		if (parse(s, len, &ret->at[ret->n]) < 0)
			return -EINVAL;
		ret->n++;
		s += len + (s[len] == ',');
	}
	fwrule_unite(ret);
	if (ret->n == 1 && ret->at[0].low == all.low && ret->at[0].high == all.high)
		ret->n = 0; /* whatever the packet has */
	return 0;
}

static int parse_number(const char *s, int *ret)
{
	unsigned long value;
	char *end;

	*ret = -1;
	if (!s)
		return 0;
	value = strtoul(s, &end, 10);
	if (*end || end == s || value > 255)
		return -EINVAL;
	*ret = (int)value;
	return 0;
}

static int find(const char *s, const char *const *names, const uint8_t *values, size_t n)
{
	for (size_t i = 0; s && i < n; i++)
		if (strcmp(s, names[i]) == 0)
			return values[i];
	return -EINVAL;
}

static int fill(const struct fwrule_text *t, struct fwrule *r, struct err *err)
{
	static const char *const actions[] = { "allow", "reject", "drop" }, *const protocols[] = {
		"tcp", "udp", "icmp4"
	};
	static const uint8_t verdicts[] = { FW_ALLOW, FW_REJECT, FW_DROP },
			     numbers[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP };
	int action = find(t->action, actions, verdicts, countof(actions)),
	    protocol = find(t->protocol, protocols, numbers, countof(protocols));

	if (action < 0)
		return invalid(err, "action");
	if (protocol < 0)
		return invalid(err, "protocol");
	r->action = (enum fwverdict)action;
	r->protocol = (uint8_t)protocol;
	r->enabled = !t->state || strcmp(t->state, "enabled") == 0;
	if (parse_list(t->destination_port, port_range, (struct fwrange){ 1, 65535 }, &r->ports) <
		0)
		return invalid(err, "destination_port");
	if (parse_list(t->source_port, port_range, (struct fwrange){ 1, 65535 }, &r->source_ports) <
		0)
		return invalid(err, "source_port");
	if (parse_list(t->address, address_range, (struct fwrange){ 0, UINT32_MAX },
		    &r->addresses) < 0)
		return invalid(err, "source");
	if (parse_number(t->icmp_type, &r->icmp_type) < 0)
		return invalid(err, "icmp_type");
	if (parse_number(t->icmp_code, &r->icmp_code) < 0)
		return invalid(err, "icmp_code");
	return 0;
}

int fwrule_parse(const struct fwrule_text *t, struct fwrule *ret, struct err *err)
{
	struct fwrule rule = {};
	int r = fill(t, &rule, err);

	if (r < 0) {
		fwrule_done(&rule);
		*ret = (struct fwrule){};
		return r;
	}
	*ret = rule;
	return 0;
}

void fwrule_done(struct fwrule *r)
{
	free(r->ports.at);
	free(r->source_ports.at);
	free(r->addresses.at);
	*r = (struct fwrule){};
}
