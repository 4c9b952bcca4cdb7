# SPDX-License-Identifier: GPL-2.0-or-later
# The floor of the tree: the words that all folders share, and the wire.

noinst_LIBRARIES += proto/libproto.a
proto_libproto_a_SOURCES = \
	proto/base.h \
	proto/dsse.c proto/dsse.h \
	proto/encoding.c proto/encoding.h \
	proto/err.c proto/err.h proto/errcodes.def \
	proto/frame.c proto/frame.h \
	proto/ident.c proto/ident.h \
	proto/jsonx.c proto/jsonx.h \
	proto/keyset.c proto/keyset.h \
	proto/opfield.c proto/opfield.h \
	proto/oprules.c proto/oprules.h \
	proto/opschema.c proto/opschema.h \
	proto/order.c proto/order.h \
	proto/report.c proto/report.h \
	proto/respsig.c proto/respsig.h
proto_libproto_a_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(JANSSON_CFLAGS)
PROTO_LIBS = proto/libproto.a $(SODIUM_LIBS) $(JANSSON_LIBS)

EXTRA_DIST += proto/PROTOCOL.md
