/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From an unpacked OCI layout (image-layout.md) or `docker save` archive to its layers:
 * index.json, perhaps an index below it, the manifest for Linux on this architecture, its layers
 * in their order; or manifest.json, which names the layers by paths.
 *
 * All of it is a stranger's. Files are opened below the layout and only when they are regular; a
 * blob is read whole and held against its digest before it is parsed or unpacked; documents,
 * layers and nested indexes have bounds, and all layers share the limits of one image. Nothing
 * is fetched: what a descriptor names must be in the layout. Of the configuration only the stop
 * signal is read, and made printable. */
#include "storage/oci.h"

#include <fcntl.h>
#include <jansson.h>
#include <sodium.h>
#include <sys/stat.h>

#include "proto/jsonx.h"
#include "storage/path.h"

#define DOCUMENT_MAX (4L * 1024 * 1024)
#define LAYERS_MAX   256
#define DEPTH_MAX    2 /* an index may name an index */
#define DIGEST_KIND  "sha256:"
#define BUFFER       (128UL * 1024)

#if defined(__x86_64__)
#define ARCHITECTURE "amd64"
#elif defined(__aarch64__)
#define ARCHITECTURE "arm64"
#else
#define ARCHITECTURE "unknown"
#endif

static int invalid(struct err *err, const char *what)
{
	return err_set(err, -EBADMSG, ERR_IMAGE_INVALID, "image", "the OCI layout: %s", what);
}

static bool is_file(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

bool oci_is_layout(int dir)
{
	return (is_file(dir, "oci-layout") && is_file(dir, "index.json")) ||
	       (is_file(dir, "manifest.json") && !is_file(dir, "metadata.yaml"));
}

static int open_file(int layout, const char *path, struct err *err)
{
	_cleanup_(closep) int seen = -1;
	int fd = -1;

	if (path_open_beneath(layout, path, O_PATH, 0, &seen) < 0)
		return invalid(err, "a file that it names is not there");
	return path_reopen_file(seen, &fd) < 0 ? invalid(err, "a file that it names is none") : fd;
}

static int read_json(int fd, json_t **ret, struct err *err)
{
	_cleanup_(freep) char *text = NULL;
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0 || st.st_size == 0 || st.st_size > DOCUMENT_MAX)
		return invalid(err, "a document is empty or too large");
	text = xcalloc(1, (size_t)st.st_size);
	n = read_all(fd, text, (size_t)st.st_size);
	if (n != st.st_size)
		return invalid(err, "a document can't be read");
	return jsonx_parse(text, (size_t)n, ERR_IMAGE_INVALID, ret, err);
}

/* --- blobs --- */

static int check_digest(int fd, const char *hex, struct err *err)
{
	_cleanup_(freep) uint8_t *buffer = xcalloc(1, BUFFER);
	crypto_hash_sha256_state state;
	uint8_t digest[crypto_hash_sha256_BYTES];
	char text[2 * sizeof(digest) + 1];
	ssize_t n;

	(void)crypto_hash_sha256_init(&state);
	while ((n = read(fd, buffer, BUFFER)) > 0)
		(void)crypto_hash_sha256_update(&state, buffer, (size_t)n);
	(void)crypto_hash_sha256_final(&state, digest);
	(void)sodium_bin2hex(text, sizeof(text), digest, sizeof(digest));
	if (n < 0 || strcmp(text, hex) != 0 || lseek(fd, 0, SEEK_SET) < 0)
		return invalid(err, "a blob is not what its digest says");
	return 0;
}

static int open_blob(int layout, const json_t *descriptor, struct err *err)
{
	const char *digest = json_string_value(json_object_get(descriptor, "digest")), *hex;
	_cleanup_(freep) char *path = NULL;
	int fd, r;

	if (!digest || strncmp(digest, DIGEST_KIND, strlen(DIGEST_KIND)) != 0)
		return invalid(err, "a descriptor has no sha256 digest");
	hex = digest + strlen(DIGEST_KIND);
	if (strlen(hex) != 64 || strspn(hex, "0123456789abcdef") != 64)
		return invalid(err, "a digest is none");
	path = xasprintf("blobs/sha256/%s", hex);
	fd = open_file(layout, path, err);
	r = fd < 0 ? fd : check_digest(fd, hex, err);
	if (r < 0)
		closefd(fd);
	return r < 0 ? r : fd;
}

static int read_blob(int layout, const json_t *descriptor, json_t **ret, struct err *err)
{
	_cleanup_(closep) int fd = open_blob(layout, descriptor, err);

	return fd < 0 ? fd : read_json(fd, ret, err);
}

static int read_document(int layout, const char *path, json_t **ret, struct err *err)
{
	_cleanup_(closep) int fd = open_file(layout, path, err);

	return fd < 0 ? fd : read_json(fd, ret, err);
}

/* --- from the index to the layers --- */

static bool suits(const json_t *descriptor)
{
	const json_t *platform = json_object_get(descriptor, "platform");
	const char *os = json_string_value(json_object_get(platform, "os")),
		   *architecture = json_string_value(json_object_get(platform, "architecture"));

	return !platform || (os && strcmp(os, "linux") == 0 && architecture &&
				    strcmp(architecture, ARCHITECTURE) == 0);
}

static const json_t *choose(const json_t *index)
{
	const json_t *all = json_object_get(index, "manifests");

	for (size_t i = 0; i < json_array_size(all); i++)
		if (suits(json_array_get(all, i)))
			return json_array_get(all, i);
	return NULL;
}

static int find_manifest(int layout, json_t **ret, struct err *err)
{
	_cleanup_json_ json_t *document = NULL;
	int r = read_document(layout, "index.json", &document, err);

	for (int depth = 0; r >= 0 && depth <= DEPTH_MAX; depth++) {
		const json_t *next;
		json_t *below = NULL;

		if (json_is_array(json_object_get(document, "layers"))) {
			*ret = TAKE(document);
			return 0;
		}
		next = choose(document);
		if (!next)
			return invalid(err, "no manifest for linux on this architecture");
		r = read_blob(layout, next, &below, err);
		json_decref(document);
		document = below;
	}
	return r < 0 ? r : invalid(err, "indexes that name indexes without end");
}

/* --- layers --- */

struct layers {
	int layout;
	const json_t *list;
	int (*open)(int layout, const json_t *layer, struct err *err);
};

/* As `docker save` names them. */
static int open_path(int layout, const json_t *layer, struct err *err)
{
	const char *path = json_string_value(layer);

	return path ? open_file(layout, path, err) : invalid(err, "a layer has no name");
}

static int each_of(const struct layers *l, oci_layer each, void *userdata, struct err *err)
{
	int r = 0;

	if (json_array_size(l->list) == 0 || json_array_size(l->list) > LAYERS_MAX)
		return invalid(err, "it has no layers, or too many");
	for (size_t i = 0; r >= 0 && i < json_array_size(l->list); i++) {
		int archive = l->open(l->layout, json_array_get(l->list, i), err);

		r = archive < 0 ? archive : each(archive, userdata, err);
		closefd(archive);
	}
	return r;
}

static int each_docker(int layout, oci_layer each, void *userdata, struct err *err)
{
	_cleanup_json_ json_t *document = NULL;
	int r = read_document(layout, "manifest.json", &document, err);
	struct layers l = { layout, json_object_get(json_array_get(document, 0), "Layers"),
		open_path };

	return r < 0 ? r : each_of(&l, each, userdata, err);
}

int oci_each_layer(int layout, oci_layer each, void *userdata, struct err *err)
{
	_cleanup_json_ json_t *manifest = NULL;
	int r;

	if (!is_file(layout, "index.json"))
		return each_docker(layout, each, userdata, err);
	r = find_manifest(layout, &manifest, err);
	return r < 0 ? r
		     : each_of(&(struct layers){ layout, json_object_get(manifest, "layers"),
				       open_blob },
			       each, userdata, err);
}

/* --- what it says of itself --- */

static int read_docker_config(int layout, json_t **ret, struct err *err)
{
	_cleanup_json_ json_t *document = NULL;
	int r = read_document(layout, "manifest.json", &document, err);
	const char *path =
		json_string_value(json_object_get(json_array_get(document, 0), "Config"));

	if (r < 0 || !path)
		return r < 0 ? r : -ENOENT;
	return read_document(layout, path, ret, err);
}

static int read_config(int layout, json_t **ret, struct err *err)
{
	_cleanup_json_ json_t *manifest = NULL;
	int r;

	if (!is_file(layout, "index.json"))
		return read_docker_config(layout, ret, err);
	r = find_manifest(layout, &manifest, err);
	return r < 0 ? r : read_blob(layout, json_object_get(manifest, "config"), ret, err);
}

void oci_stop_signal(int layout, char ret[static OCI_SIGNAL_SIZE])
{
	_cleanup_json_ json_t *document = NULL;
	struct err ignored = {}; /* a tree without it is as good */
	const json_t *word =
		read_config(layout, &document, &ignored) < 0
			? NULL
			: json_object_get(json_object_get(document, "config"), "StopSignal");

	(void)snprintf(ret, OCI_SIGNAL_SIZE, "%s",
		json_is_string(word)          ? json_string_value(word)
		: word && !json_is_null(word) ? "(no text)"
					      : "");
	for (char *c = ret; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

/* The limits are for all layers: what one has used the next has not. */
static int apply(int archive, void *userdata, struct err *err)
{
	struct unpack *all = userdata, u = *all;
	int r;

	u.archive = archive;
	u.layer = true;
	u.max_bytes -= all->bytes;
	u.max_entries -= all->entries;
	r = unpack_archive(&u, err);
	all->bytes += u.bytes;
	all->entries += u.entries;
	return r;
}

int oci_apply(int layout, struct unpack *u, struct err *err)
{
	u->bytes = u->entries = 0;
	return oci_each_layer(layout, apply, u, err);
}
