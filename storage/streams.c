/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/streams.h"

/* What an item is, the best first: whole roots before those that carry metadata along. */
static const char *const kinds[] = { "root.tar.xz", "squashfs", "incus_combined.tar.gz",
	"lxd_combined.tar.gz" };

const char *streams_images_path(const json_t *index)
{
	const json_t *entry;
	const char *key;

	json_object_foreach((json_t *)json_object_get(index, "index"), key, entry) {
		const char *type = json_string_value(json_object_get(entry, "datatype")),
			   *path = json_string_value(json_object_get(entry, "path"));

		if (path && type && strcmp(type, "image-downloads") == 0)
			return path;
	}
	return NULL;
}

/* "debian/13,debian/trixie": one of them? */
static bool has_alias(const json_t *product, const char *name)
{
	const char *at = json_string_value(json_object_get(product, "aliases"));
	size_t len = strlen(name);

	while (at && *at) {
		size_t n = strcspn(at, ",");

		if (n == len && strncmp(at, name, len) == 0)
			return true;
		at += n + (at[n] == ',');
	}
	return false;
}

static const json_t *find_product(const json_t *images, const char *name, const char *architecture)
{
	const json_t *product;
	const char *key;

	json_object_foreach((json_t *)json_object_get(images, "products"), key, product) {
		const char *arch = json_string_value(json_object_get(product, "arch"));

		if (arch && strcmp(arch, architecture) == 0 && has_alias(product, name))
			return product;
	}
	return NULL;
}

/* Versions are named so that the newest sorts last. */
static const json_t *newest(const json_t *product)
{
	const json_t *version, *found = NULL;
	const char *key, *best = NULL;

	json_object_foreach((json_t *)json_object_get(product, "versions"), key, version) {
		if (!best || strcmp(key, best) > 0) {
			best = key;
			found = version;
		}
	}
	return found;
}

static const json_t *find_item(const json_t *version, const char *kind)
{
	const json_t *item;
	const char *key;

	json_object_foreach((json_t *)json_object_get(version, "items"), key, item) {
		const char *type = json_string_value(json_object_get(item, "ftype"));

		if (type && strcmp(type, kind) == 0)
			return item;
	}
	return NULL;
}

static int not_found(struct err *err, const char *name, const char *why)
{
	return err_set(err, -ENOENT, ERR_IMAGE_NOT_FOUND, "image", "image %s: %s", name, why);
}

int streams_find(const json_t *images, const char *name, const char *architecture,
	struct streams_item *ret, struct err *err)
{
	const json_t *product = find_product(images, name, architecture), *item = NULL;
	const json_t *version = product ? newest(product) : NULL;

	if (!product)
		return not_found(
			err, name, "the image server has none of this name for this machine");
	for (size_t i = 0; !item && i < countof(kinds); i++)
		item = find_item(version, kinds[i]);
	ret->path = json_string_value(json_object_get(item, "path"));
	ret->sha256 = json_string_value(json_object_get(item, "sha256"));
	ret->size = json_integer_value(json_object_get(item, "size"));
	return ret->path && ret->sha256 && ret->size > 0
		       ? 0
		       : not_found(err, name,
				 "the image server has it in no form that is known here");
}
