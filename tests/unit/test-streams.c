/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/streams.h"

#include "tests/unit/tap.h"

/* As images.linuxcontainers.org has it, shortened. */
static const char index_text[] =
	"{\"format\":\"index:1.0\",\"index\":{\"other\":{\"datatype\":\"content\",\"path\":\"x\"},"
	"\"images\":{\"datatype\":\"image-downloads\",\"path\":\"streams/v1/images.json\"}}}";
static const char images_text[] =
	"{\"products\":{"
	"\"debian:trixie:amd64:default\":{\"aliases\":\"debian/13,debian/"
	"trixie\",\"arch\":\"amd64\",\"versions\":{"
	"\"20251101_05:24\":{\"items\":{\"root.tar.xz\":{\"ftype\":\"root.tar.xz\",\"path\":"
	"\"old\",\"sha256\":\"o\",\"size\":1}}},"
	"\"20251120_05:24\":{\"items\":{\"lxd.tar.xz\":{\"ftype\":\"lxd.tar.xz\",\"path\":\"meta\","
	"\"sha256\":\"m\",\"size\":2},"
	"\"root.squashfs\":{\"ftype\":\"squashfs\",\"path\":\"squash\",\"sha256\":\"s\",\"size\":3}"
	","
	"\"root.tar.xz\":{\"ftype\":\"root.tar.xz\",\"path\":\"new\",\"sha256\":\"n\",\"size\":4}}}"
	"}},"
	"\"debian:trixie:arm64:default\":{\"aliases\":\"debian/"
	"13\",\"arch\":\"arm64\",\"versions\":{"
	"\"20251120_05:24\":{\"items\":{\"root.squashfs\":{\"ftype\":\"squashfs\",\"path\":\"arm\","
	"\"sha256\":\"a\",\"size\":5}}}}},"
	"\"alpine:3:amd64\":{\"aliases\":\"alpine/"
	"3\",\"arch\":\"amd64\",\"versions\":{\"1\":{\"items\":{}}}},"
	"\"void\":{\"aliases\":\"void/1\",\"arch\":\"amd64\"},\"odd\":7}}";

static const struct {
	const char *name, *architecture, *path;
	int64_t size;
} cases[] = {
	{ "debian/13", "amd64", "new", 4 },
	{ "debian/trixie", "amd64", "new", 4 },
	{ "debian/13", "arm64", "arm", 5 },
	{ "debian/1", "amd64", NULL, 0 },
	{ "debian/13,debian/trixie", "amd64", NULL, 0 },
	{ "debian/13", "riscv64", NULL, 0 },
	{ "alpine/3", "amd64", NULL, 0 },
	{ "void/1", "amd64", NULL, 0 },
	{ "", "amd64", NULL, 0 },
};

int main(void)
{
	json_t *index = json_loads(index_text, 0, NULL), *images = json_loads(images_text, 0, NULL),
	       *nothing = json_loads("[1]", 0, NULL);
	struct streams_item item;
	struct err err;

	if (!index || !images || !nothing)
		TAP_BAIL("the vectors are no JSON");
	TAP_STREQ(streams_images_path(index), "streams/v1/images.json", "where images are listed");
	TAP_OK(streams_images_path(nothing) == NULL, "an index of another shape lists none");
	for (size_t i = 0; i < countof(cases); i++) {
		int r = streams_find(images, cases[i].name, cases[i].architecture, &item, &err);

		if (cases[i].path)
			TAP_OK(r == 0 && strcmp(item.path, cases[i].path) == 0 &&
					item.size == cases[i].size,
				"%s for %s", cases[i].name, cases[i].architecture);
		else
			TAP_OK(r == -ENOENT && err.code == ERR_IMAGE_NOT_FOUND && err.message[0],
				"\"%s\" for %s: none, and why", cases[i].name,
				cases[i].architecture);
	}
	TAP_OK(streams_find(nothing, "debian/13", "amd64", &item, &err) == -ENOENT,
		"a document of another shape has none");
	json_decref(index);
	json_decref(images);
	json_decref(nothing);
	return tap_done();
}
