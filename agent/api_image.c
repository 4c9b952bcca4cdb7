/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Images of this node (hoody-api.md section 11): list, one, and the pull that "import" means here. */
#include "agent/api_handlers.h"
#include "agent/api_order.h"
#include "agent/imagelist.h"

#define LIST_LIMIT 20
#define LIST_MAX   100

void api_image_list(struct api_call *c)
{
	int64_t page, limit;
	json_t *all, *rows = json_array();

	if (!api_page(c, LIST_LIMIT, LIST_MAX, &page, &limit)) {
		json_decref(rows);
		return;
	}
	all = imagelist_json(c->agent->store);
	for (int64_t i = (page - 1) * limit; i < page * limit; i++)
		if (i < (int64_t)json_array_size(all))
			(void)json_array_append(rows, json_array_get(all, (size_t)i));
	api_ok(c, 200, "images",
		json_pack("{s:o, s:o}", "images", rows, "pagination",
			api_pagination((int64_t)json_array_size(all), page, limit)));
	json_decref(all);
}

void api_image_get(struct api_call *c)
{
	json_t *image = imagelist_one(c->agent->store, c->args[0]);

	if (image)
		api_ok(c, 200, "image", image);
	else
		api_refuse(
			c, ERR_IMAGE_NOT_FOUND, NULL, "image %s is not on this node", c->args[0]);
}

/* A catalog of where images come from is the control plane's: the body says it. */
void api_image_import(struct api_call *c)
{
	json_t *params = json_is_object(c->body) ? json_deep_copy(c->body) : json_object();

	if (!json_object_get(params, "url") || !json_object_get(params, "sha256")) {
		json_decref(params);
		api_refuse(c, ERR_IMAGE_NOT_FOUND, "url",
			"image %s is not on this node, and the body does not say its url and "
			"sha256",
			c->args[0]);
		return;
	}
	if (!json_object_get(params, "image"))
		(void)json_object_set_new(params, "image", json_string(c->args[0]));
	api_order(c, OP_IMAGE_PULL, NULL, NULL, params);
}
