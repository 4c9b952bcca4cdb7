/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/state/trust.h"

#include <fcntl.h>

#include "agent/common/journald.h"
#include "agent/state/journal.h"
#include "agent/state/store.h"
#include "proto/rotate.h"

#define META_KEYSET "keyset"

static int read_file(const char *path, char **ret, size_t *ret_size)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	_cleanup_(freep) char *text = xcalloc(1, KEYSET_FILE_MAX + 1);
	ssize_t n = fd < 0 ? -errno : read_all(fd, text, KEYSET_FILE_MAX + 1);

	if (n < 0)
		return (int)n;
	if (n > KEYSET_FILE_MAX)
		return -EFBIG;
	*ret = TAKE(text);
	*ret_size = (size_t)n;
	return 0;
}

int trust_load(struct agent *a, struct err *err)
{
	_cleanup_(freep) char *file = NULL, *stored = NULL;
	struct keyset ks;
	size_t size = 0;
	int r = read_file(a->conf.control.trusted_keys, &file, &size);

	if (r < 0 && r != -ENOENT)
		return err_set(err, r, ERR_CONFIG, "Control.TrustedKeys", "can't read %s: %s",
			a->conf.control.trusted_keys, strerror(-r));
	if (r >= 0) {
		r = keyset_parse(file, size, &ks, err);
		if (r < 0) {
			err->code = ERR_CONFIG;
			return err_add(err, r, "%s", a->conf.control.trusted_keys);
		}
		a->keyset = ks;
		a->has_keyset = true;
	}
	r = store_meta_get(a->store, META_KEYSET, &stored, &size);
	if (r < 0)
		return err_set(err, r, ERR_STATE_CORRUPT, NULL, "can't read the stored keyset: %s",
			strerror(-r));
	if (!stored)
		return 0;
	r = keyset_parse(stored, size, &ks, err);
	if (r < 0)
		return err_add(err, r, "the stored keyset");
	if (!a->has_keyset || ks.version > a->keyset.version) {
		a->keyset = ks;
		a->has_keyset = true;
	}
	return 0;
}

int64_t trust_version_by_orders(const struct agent *a)
{
	_cleanup_(freep) char *stored = NULL;
	struct keyset ks;
	size_t size = 0;

	if (store_meta_get(a->store, META_KEYSET, &stored, &size) < 0 || !stored ||
		keyset_parse(stored, size, &ks, NULL) < 0)
		return 0;
	return ks.version;
}

static void adopt(struct agent *a, const struct keyset *next)
{
	_cleanup_(freep) char *text = keyset_format(next);

	store_must(store_meta_set(a->store, META_KEYSET, text, strlen(text)));
	a->keyset = *next;
	a->has_keyset = true;
	LOG(LOG_NOTICE, KEYSET_ADOPTED, NO_FIELDS, "keyset version %lld is in force, active key %s",
		(long long)next->version, next->keys[next->active].kid);
}

int trust_rotate(struct agent *a, const void *envelope, size_t size, struct err *err)
{
	struct keyset next;
	int r = rotate_keyset(
		&a->keyset, envelope, size, journal_trusted_now_ms(a->store), &next, err);

	if (r >= 0)
		adopt(a, &next);
	return r;
}
