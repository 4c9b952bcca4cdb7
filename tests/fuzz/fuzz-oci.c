/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Image layouts: documents that name documents by digest, and layers. Inputs are files, with a line
 * of dashes between: index.json, manifest.json ("-": there is none), then blobs; "#1" in them
 * stands for the digest of the first blob, so that a digest is never what stops the reader. Blobs
 * may name those before them. The signal that such an image names is printable, and one or none. */
#include <sodium.h>
#include <sys/stat.h>

#include "proto/signame.h"
#include "storage/oci.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/scratch.h"

#define BREAK      "\n---\n"
#define BLOBS_MAX  8
#define LAYERS_MAX 256
#define HEX        (2 * crypto_hash_sha256_BYTES)

struct blobs {
	char digest[BLOBS_MAX][HEX + 1];
	size_t n;
};

/* "#1" … "#8" replaced; the caller's. */
static char *resolved(const struct blobs *b, const char *text, size_t *ret_size)
{
	char *copy = xcalloc(strlen(text) * HEX + 1, 1), *to = copy;

	for (const char *c = text; *c; c++) {
		size_t i = c[0] == '#' && c[1] >= '1' && c[1] < '1' + BLOBS_MAX
				   ? (size_t)(c[1] - '1')
				   : BLOBS_MAX;

		if (i < b->n) {
			memcpy(to, b->digest[i], HEX);
			to += HEX;
			c++;
		} else {
			*to++ = *c;
		}
	}
	*ret_size = (size_t)(to - copy);
	return copy;
}

static void add_blob(struct blobs *b, const char *text)
{
	size_t size;
	_cleanup_(freep) char *copy = resolved(b, text, &size), *name = NULL;
	uint8_t digest[crypto_hash_sha256_BYTES];

	if (b->n == BLOBS_MAX)
		return;
	(void)crypto_hash_sha256(digest, (const uint8_t *)copy, size);
	(void)sodium_bin2hex(b->digest[b->n], HEX + 1, digest, sizeof(digest));
	name = xasprintf("blobs/sha256/%s", b->digest[b->n]);
	scratch_write(name, copy, size);
	b->n++;
}

static void write_document(const struct blobs *b, const char *name, const char *text)
{
	size_t size;
	_cleanup_(freep) char *copy = resolved(b, text, &size);

	(void)unlinkat(scratch_open(), name, 0);
	if (strcmp(text, "-") != 0)
		scratch_write(name, copy, size);
}

static int on_layer(int archive, void *userdata, struct err *err)
{
	struct stat st;

	assert(fstat(archive, &st) == 0 && S_ISREG(st.st_mode));
	(*(size_t *)userdata)++;
	return 0;
}

static char *next_part(char **rest)
{
	char *part = *rest, *end = strstr(part, BREAK);

	if (end)
		*end = '\0';
	*rest = end ? end + strlen(BREAK) : part + strlen(part);
	return part;
}

static void make_folders(void)
{
	(void)mkdirat(scratch_open(), "blobs", 0755);
	if (mkdirat(scratch_open(), "blobs/sha256", 0755) < 0 && errno != EEXIST)
		abort();
}

static void check_signal(void)
{
	char word[OCI_SIGNAL_SIZE];
	int number;

	oci_stop_signal(scratch_open(), word);
	assert(strlen(word) < sizeof(word));
	for (const char *c = word; *c; c++)
		assert(*c >= ' ' && *c <= '~');
	number = signame_parse(word);
	assert(number == -EINVAL || (number > 0 && number <= 64));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *text = fuzz_text(data, size);
	char *rest = text, *index = next_part(&rest), *docker = next_part(&rest);
	struct blobs b = {};
	struct err err = {};
	size_t layers = 0;
	int r;

	make_folders();
	while (*rest)
		add_blob(&b, next_part(&rest));
	write_document(&b, "index.json", index);
	write_document(&b, "manifest.json", docker);
	r = oci_each_layer(scratch_open(), on_layer, &layers, &err);
	if (r < 0)
		assert(err.code == ERR_IMAGE_INVALID && *err.message);
	else
		assert(layers >= 1 && layers <= LAYERS_MAX);
	check_signal();
	for (size_t i = 0; i < b.n; i++) {
		_cleanup_(freep) char *name = xasprintf("blobs/sha256/%s", b.digest[i]);

		(void)unlinkat(scratch_open(), name, 0);
	}
	return 0;
}
