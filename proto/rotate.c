/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/rotate.h"

#include "proto/dsse.h"

static int judge_version(const struct keyset *present, const struct keyset *next, struct err *err)
{
	if (next->version <= present->version)
		return err_set(err, -ESTALE, ERR_KEYSET_ROLLBACK, "version",
			"keyset version %lld is not above the present %lld",
			(long long)next->version, (long long)present->version);
	if (next->version != present->version + 1)
		return err_set(err, -ENOENT, ERR_KEYSET_GAP, "version",
			"keyset version %lld does not follow the present %lld",
			(long long)next->version, (long long)present->version);
	return 0;
}

int rotate_keyset(const struct keyset *present, const void *envelope, size_t size, int64_t now_ms,
	struct keyset *ret, struct err *err)
{
	_cleanup_dsse_ struct dsse e = { 0 };
	struct keyset next = { 0 };
	size_t key;
	int r;

	r = dsse_parse(envelope, size, KEYSET_PAYLOAD_TYPE, &e, err);
	if (r < 0)
		return r;
	r = dsse_verify(&e, present, keyset_vouching_time(present, now_ms), &key, err);
	if (r < 0)
		return err_add(err, -EBADMSG, "the keyset is not signed by a present key");
	r = keyset_parse(e.payload, e.payload_size, &next, err);
	if (r < 0)
		return r;
	if (!dsse_is_signed_by(&e, next.keys[next.active].public_key))
		return err_set(err, -EBADMSG, ERR_BAD_SIGNATURE, "active_kid",
			"the keyset is not signed by its own active key \"%s\"",
			next.keys[next.active].kid);
	r = judge_version(present, &next, err);
	if (r < 0)
		return r;
	*ret = next;
	return 0;
}
