/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/courier/gunzip.h"

#define CHUNK       16384
#define WINDOW_GZIP (15 + 16) /* the largest window, and gzip's header and trailer alone (zlib.h) */

static int begin_member(struct gunzip *g)
{
	int r = g->begun ? inflateReset(&g->z) : inflateInit2(&g->z, WINDOW_GZIP);

	if (r != Z_OK)
		abort(); /* no memory */
	g->begun = g->inside = true;
	return 0;
}

/* What one call gives, of what is there. */
static int inflate_some(struct gunzip *g, gunzip_take take, void *userdata)
{
	uint8_t out[CHUNK];
	int r;

	g->z.next_out = out;
	g->z.avail_out = sizeof(out);
	r = inflate(&g->z, Z_NO_FLUSH);
	if (r == Z_STREAM_END)
		g->inside = false;
	else if (r != Z_OK && r != Z_BUF_ERROR) /* which is: nothing to do */
		return -EBADMSG;
	if (g->z.avail_out < sizeof(out) && !take(out, sizeof(out) - g->z.avail_out, userdata))
		return -EFBIG;
	return 0;
}

int gunzip_feed(struct gunzip *g, const void *data, size_t n, gunzip_take take, void *userdata)
{
	int r = 0;

	g->z.next_in = (Bytef *)data;
	g->z.avail_in = (uInt)n;
	while (r == 0 && (g->z.avail_in > 0 || (g->inside && g->z.avail_out == 0))) {
		if (!g->inside)
			r = begin_member(g);
		if (r == 0)
			r = inflate_some(g, take, userdata);
	}
	return r;
}

bool gunzip_is_whole(const struct gunzip *g)
{
	return !g->inside;
}

void gunzip_done(struct gunzip *g)
{
	if (g->begun)
		(void)inflateEnd(&g->z);
	*g = (struct gunzip){};
}
