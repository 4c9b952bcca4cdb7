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
