/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/host/imagejob.h"

#include "agent/common/cafile.h"
#include "proto/jsonx.h"

json_t *imagejob_courier(const struct agent *a)
{
	_cleanup_(freep) char *ca = NULL;

	/* Without it a private server is not believed. */
	(void)!cafile_read(a->conf.control.ca_file, "Control.CaFile", &ca, NULL);
	return jsonx_pack("{s:s, s:s*}", "run", a->conf.node.runtime_directory, "ca_pem", ca);
}

json_t *imagejob_params(const struct agent *a, const char *url, const char *digest)
{
	json_t *v = imagejob_courier(a);

	jsonx_set_string(v, "url", url ? url : "");
	jsonx_set_string(v, "digest", digest ? digest : "none");
	jsonx_set_int(v, "max_bytes", (json_int_t)a->conf.storage.image_max_bytes);
	jsonx_set_int(v, "max_files", (json_int_t)a->conf.storage.image_max_files);
	jsonx_set_bool(v, "replace", true);
	jsonx_set_bool(v, "known", true);
	return v;
}
