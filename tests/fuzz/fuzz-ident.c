/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ids, times, addresses, ports, and the forms of parameters: what is accepted is what its form
 * says, and times are the same after they have been written. */
#include "proto/ident.h"
#include "proto/opfield.h"
#include "tests/fuzz/fuzz.h"

static void check_time(const char *s)
{
	char text[IDENT_TIME_LEN + 1];
	int64_t ms, again;

	if (ident_time_parse(s, &ms) < 0)
		return;
	ident_time_format(ms, text);
	assert(strlen(text) == IDENT_TIME_LEN);
	if (ident_time_parse(text, &again) < 0)
		abort();
	assert(ms == again);
}

/* Each range written again is the range. */
static void check_ports(const char *s)
{
	uint16_t low, high, again_low, again_high;
	char text[16];

	if (ident_ports_parse(s, strlen(s), &low, &high) < 0)
		return;
	assert(low >= 1 && low <= high);
	(void)snprintf(text, sizeof(text), strchr(s, '-') ? "%u-%u" : "%u", low, high);
	assert(strcmp(text, s) == 0);
	if (ident_ports_parse(text, strlen(text), &again_low, &again_high) < 0)
		abort();
	assert(low == again_low && high == again_high);
}

static void check_cidr(const char *s)
{
	unsigned prefix;
	uint32_t a;
	char text[24];

	if (ident_cidr4_parse(s, strlen(s), &a, &prefix) < 0)
		return;
	assert(prefix <= 32);
	(void)snprintf(text, sizeof(text), strchr(s, '/') ? "%u.%u.%u.%u/%u" : "%u.%u.%u.%u",
		a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255, prefix);
	assert(strcmp(text, s) == 0);
}

static bool has_component(const char *path, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = path; *p; p += strcspn(p, "/"), p += strspn(p, "/"))
		if (strcspn(p, "/") == len && strncmp(p, name, len) == 0)
			return true;
	return false;
}

static void check_forms(const char *s)
{
	if (opfield_share_path.is(s))
		assert(*s == '/' && !has_component(s, ".."));
	if (opfield_mount_path.is(s))
		assert(opfield_share_path.is(s) && s[strspn(s, "/.")] != '\0');
	if (opfield_image.is(s))
		assert(*s != '/' && !strstr(s, "..") && !strstr(s, "//"));
	if (opfield_name.is(s) || opfield_id.is(s) || opfield_program.is(s))
		assert(*s && !strpbrk(s, "/. \n\"'\\"));
	if (opfield_image_url.is(s))
		assert(!strpbrk(s, " #\"\\") &&
			(strncmp(s, "https://", 8) == 0 || strncmp(s, "http://", 7) == 0));
	if (opfield_ipv4.is(s))
		assert(!strchr(s, '/'));
	if (opfield_icmp.is(s))
		assert(strlen(s) <= 3 && strtoul(s, NULL, 10) <= 255);
	assert(opfield_length(s) <= strlen(s));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *s = fuzz_text(data, size);

	assert(!ident_is_id(s) || strlen(s) == IDENT_ID_LEN);
	assert(!ident_is_operation_id(s) || strlen(s) == IDENT_OPERATION_LEN);
	assert(!ident_is_kid(s, 64) || (*s && strlen(s) <= 64 && !strpbrk(s, "\"\\, \n")));
	check_time(s);
	check_ports(s);
	check_cidr(s);
	check_forms(s);
	return 0;
}
