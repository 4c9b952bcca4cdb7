/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Images of this node (hoody-api.md section 11): list, one, and the pull that "import" means
 * here. */
#include "agent/api/api_handlers.h"
#include "agent/api/api_order.h"
#include "agent/engine/worker.h"
#include "agent/host/imagejob.h"
#include "agent/state/imagelist.h"
#include "proto/jsonx.h"
#include "proto/opfield.h"

#define RESOLVE_TIMEOUT_MS 60000

void api_image_list(struct api_call *c)
{
	api_list(c, "images", imagelist_json(c->agent->store), NULL);
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

void api_image_remove(struct api_call *c)
{
	_cleanup_json_ json_t *image = imagelist_one(c->agent->store, c->args[0]);

	if (image)
		api_order(c, OP_IMAGE_REMOVE, NULL, NULL,
			jsonx_pack("{s:O}", "image", json_object_get(image, "image_name")));
	else
		api_refuse(
			c, ERR_IMAGE_NOT_FOUND, NULL, "image %s is not on this node", c->args[0]);
}

/* --- import: a pull, of what the body says, or of what an image server has under the name --- */

/* The public API imports by id: of an image that is here it means the name. */
static json_t *name_of(const struct api_call *c)
{
	_cleanup_json_ json_t *image = imagelist_one(c->agent->store, c->args[0]);

	return image ? json_incref(json_object_get(image, "image_name")) : json_string(c->args[0]);
}

static void pull(struct api_call *c, json_t *params_steals)
{
	if (!json_object_get(params_steals, "image"))
		jsonx_set(params_steals, "image", name_of(c));
	api_order(c, OP_IMAGE_PULL, NULL, NULL, params_steals);
}

static void on_resolved(struct worker_result *res, void *userdata)
{
	struct api_call *c = userdata;
	json_t *params;

	c->worker = worker_release(c->worker);
	if (res->r < 0) {
		api_fail(c, res->err, NULL);
		return;
	}
	params = json_is_object(c->body) ? json_deep_copy(c->body) : json_object();
	(void)json_object_update(params, res->data);
	pull(c, params);
}

static void resolve(struct api_call *c, const char *server)
{
	struct agent *a = c->agent;
	_cleanup_json_ json_t *said = name_of(c);
	char name[IMAGELIST_NAME_MAX + 1];
	json_t *params = imagejob_courier(a), *own;
	_cleanup_(freep) char *job = NULL;

	imagelist_normalise(json_string_value(said), name);
	own = jsonx_pack("{s:s, s:s, s:s}", "server", server, "name", name, "architecture",
		imagelist_architecture());
	(void)json_object_update(params, own);
	json_decref(own);
	job = worker_job_text(&a->conf, NULL, "image-resolve", "act", params);
	c->worker = worker_take(a->workers);
	if (c->worker)
		worker_run(c->worker, job, RESOLVE_TIMEOUT_MS, on_resolved, NULL, c);
	else
		api_refuse(c, ERR_TOO_MANY, NULL, "all workers are busy: try again");
}

/* What this node has under the name, with what it came from: to be looked through again. */
static json_t *known(struct api_call *c)
{
	_cleanup_json_ json_t *image = imagelist_one(c->agent->store, c->args[0]);
	const char *url = json_string_value(json_object_get(image, "url"));
	json_t *params = url && *url ? json_deep_copy(c->body) : NULL;

	if (params)
		(void)json_object_update_new(params,
			jsonx_pack("{s:O, s:s, s:O}", "image", json_object_get(image, "image_name"),
				"url", url, "sha256", json_object_get(image, "sha256")));
	return params;
}

/* Of an archive that a server names, the server says how it is: who says it goes by the sum. */
static const char *said_of_archive(const struct api_call *c)
{
	return json_object_get(c->body, "size")     ? "size"
	       : json_object_get(c->body, "format") ? "format"
						    : NULL;
}

/* The path's name and the body's are two spellings of one thing; an id that this node doesn't know
 * says nothing of the name. */
static bool is_one_name(struct api_call *c)
{
	const char *said = json_string_value(json_object_get(c->body, "image"));
	_cleanup_json_ json_t *meant = name_of(c);
	char of_body[IMAGELIST_NAME_MAX + 1], of_path[IMAGELIST_NAME_MAX + 1];

	if (!said || (ident_is_id(c->args[0]) && strcmp(json_string_value(meant), c->args[0]) == 0))
		return true;
	imagelist_normalise(said, of_body);
	imagelist_normalise(json_string_value(meant), of_path);
	if (strcmp(of_body, of_path) == 0)
		return true;
	api_refuse(c, ERR_INVALID_PARAMS, "image", "image differs from that of the path, %s",
		c->args[0]);
	return false;
}

void api_image_import(struct api_call *c)
{
	const char *url = json_string_value(json_object_get(c->body, "url")),
		   *server = url ? url : c->agent->conf.storage.image_server;
	bool refresh = json_is_true(json_object_get(c->body, "refresh"));
	const char *more = said_of_archive(c);
	json_t *again;

	if (!is_one_name(c))
		return;
	again = refresh && !*server && !more ? known(c) : NULL;
	if (json_object_get(c->body, "sha256")) {
		pull(c, json_deep_copy(c->body));
	} else if (more) {
		api_refuse(c, ERR_INVALID_PARAMS, more, "%s goes with sha256 only", more);
	} else if (again) {
		pull(c, again);
	} else if (*server && !opfield_is_api_url(server)) {
		api_refuse(c, ERR_INVALID_PARAMS, "url",
			"an image server's URL is https, or http to loopback");
	} else if (*server) {
		resolve(c, server);
	} else {
		api_refuse(c, ERR_IMAGE_NOT_FOUND, "url",
			"image %s is not on this node, Storage.ImageServer names no server, and "
			"the body has no url",
			c->args[0]);
	}
}
