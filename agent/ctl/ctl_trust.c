/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ctl/ctl_trust.h"

#include "agent/ctl/ctl_file.h"
#include "proto/jsonx.h"

int ctl_trust_read(const struct conf *c, const json_t *status, struct keyset *ret, struct err *err)
{
	const json_t *told = json_object_get(status, "keyset");
	_cleanup_(freep) char *file = NULL, *had = told ? jsonx_dump(told) : NULL;
	struct keyset newer;
	size_t size;
	int r = ctl_file_read(c->control.trusted_keys, KEYSET_FILE_MAX, &file, &size, err);
	bool missing = r == -ENOENT;

	if (r >= 0)
		r = keyset_parse(file, size, ret, err);
	if (r < 0 && !missing)
		return r;
	if (had && keyset_parse(had, strlen(had), &newer, NULL) == 0 &&
		(missing || newer.version > ret->version)) {
		*ret = newer;
		return 0;
	}
	return missing ? err_set(err, r, ERR_CONFIG, "Control.TrustedKeys", "there is no %s",
				 c->control.trusted_keys)
		       : 0;
}
