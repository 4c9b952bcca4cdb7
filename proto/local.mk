# SPDX-License-Identifier: GPL-2.0-or-later
# The floor of the tree: the words that all folders share, and the wire.

noinst_LIBRARIES += proto/libproto.a
proto_libproto_a_SOURCES = \
	proto/base.h proto/clock.h \
	proto/dsse.c proto/dsse.h \
	proto/encoding.c proto/encoding.h \
	proto/err.c proto/err.h proto/errcodes.def proto/errjson.c proto/errjson.h \
	proto/frame.c proto/frame.h \
	proto/ident.c proto/ident.h \
	proto/jsonx.c proto/jsonx.h \
	proto/keyset.c proto/keyset.h proto/rotate.c proto/rotate.h \
	proto/leafid.h \
	proto/nodecall.c proto/nodecall.h \
	proto/opfield.c proto/opfield.h \
	proto/oprules.c proto/oprules.h \
	proto/opschema.c proto/opschema.h \
	proto/order.c proto/order.h \
	proto/orderpack.c proto/orderpack.h \
	proto/report.c proto/report.h \
	proto/respsig.c proto/respsig.h \
	proto/signame.c proto/signame.h
proto_libproto_a_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(JANSSON_CFLAGS)
PROTO_LIBS = proto/libproto.a $(SODIUM_LIBS) $(JANSSON_LIBS)

# What programs that talk to each other, or that are confined, need beside the words.
noinst_LIBRARIES += proto/libchannel.a proto/libsandbox.a
proto_libchannel_a_SOURCES = proto/channel.c proto/channel.h proto/chanio.c proto/chanio.h
proto_libchannel_a_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS)
proto_libsandbox_a_SOURCES = proto/sandbox.c proto/sandbox.h
proto_libsandbox_a_CFLAGS = $(AM_CFLAGS) $(SECCOMP_CFLAGS)

EXTRA_DIST += proto/PROTOCOL.md

# --- unit tests ---
check_PROGRAMS += tests/unit/test-channel
TESTS += tests/unit/test-channel
tests_unit_test_channel_SOURCES = tests/unit/test-channel.c tests/unit/tap.h
tests_unit_test_channel_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS)
tests_unit_test_channel_LDADD = proto/libchannel.a proto/libproto.a $(SYSTEMD_LIBS)
check_PROGRAMS += tests/unit/test-dsse
TESTS += tests/unit/test-dsse
tests_unit_test_dsse_SOURCES = tests/unit/test-dsse.c tests/unit/tap.h tests/unit/vector.h
tests_unit_test_dsse_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_dsse_LDADD = $(PROTO_LIBS)
check_PROGRAMS += tests/unit/test-encoding
TESTS += tests/unit/test-encoding
tests_unit_test_encoding_SOURCES = tests/unit/test-encoding.c tests/unit/tap.h
tests_unit_test_encoding_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_encoding_LDADD = $(PROTO_LIBS)
check_PROGRAMS += tests/unit/test-err
TESTS += tests/unit/test-err
tests_unit_test_err_SOURCES = tests/unit/test-err.c tests/unit/tap.h
tests_unit_test_err_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_err_LDADD = $(PROTO_LIBS)
check_PROGRAMS += tests/unit/test-frame
TESTS += tests/unit/test-frame
tests_unit_test_frame_SOURCES = tests/unit/test-frame.c tests/unit/tap.h
tests_unit_test_frame_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_frame_LDADD = $(PROTO_LIBS)
check_PROGRAMS += tests/unit/test-ident
TESTS += tests/unit/test-ident
tests_unit_test_ident_SOURCES = tests/unit/test-ident.c tests/unit/tap.h
tests_unit_test_ident_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_ident_LDADD = $(PROTO_LIBS)
check_PROGRAMS += tests/unit/test-errjson
TESTS += tests/unit/test-errjson
tests_unit_test_errjson_SOURCES = tests/unit/test-errjson.c tests/unit/tap.h
tests_unit_test_errjson_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_errjson_LDADD = $(PROTO_LIBS)

check_PROGRAMS += tests/unit/test-jsonx
TESTS += tests/unit/test-jsonx
tests_unit_test_jsonx_SOURCES = tests/unit/test-jsonx.c tests/unit/tap.h
tests_unit_test_jsonx_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_jsonx_LDADD = $(PROTO_LIBS)
check_PROGRAMS += tests/unit/test-keyset
TESTS += tests/unit/test-keyset
tests_unit_test_keyset_SOURCES = tests/unit/test-keyset.c tests/unit/tap.h tests/unit/vector.h
tests_unit_test_keyset_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_keyset_LDADD = $(PROTO_LIBS)
check_PROGRAMS += tests/unit/test-oprules
TESTS += tests/unit/test-oprules
tests_unit_test_oprules_SOURCES = tests/unit/test-oprules.c tests/unit/tap.h tests/unit/vector.h
tests_unit_test_oprules_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_oprules_LDADD = $(PROTO_LIBS)
check_PROGRAMS += tests/unit/test-order
TESTS += tests/unit/test-order
tests_unit_test_order_SOURCES = tests/unit/test-order.c tests/unit/tap.h tests/unit/vector.h
tests_unit_test_order_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_order_LDADD = $(PROTO_LIBS)
check_PROGRAMS += tests/unit/test-report
TESTS += tests/unit/test-report
tests_unit_test_report_SOURCES = tests/unit/test-report.c tests/unit/tap.h tests/unit/vector.h
tests_unit_test_report_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_report_LDADD = $(PROTO_LIBS)
check_PROGRAMS += tests/unit/test-respsig
TESTS += tests/unit/test-respsig
tests_unit_test_respsig_SOURCES = tests/unit/test-respsig.c tests/unit/tap.h tests/unit/vector.h
tests_unit_test_respsig_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_respsig_LDADD = $(PROTO_LIBS)
check_PROGRAMS += tests/unit/test-signame
TESTS += tests/unit/test-signame
tests_unit_test_signame_SOURCES = tests/unit/test-signame.c tests/unit/tap.h
tests_unit_test_signame_CFLAGS = $(AM_CFLAGS)
tests_unit_test_signame_LDADD = proto/libproto.a
EXTRA_DIST += tests/vectors/hoody-api.md tests/vectors/orders.json tests/vectors/more-orders.json \
	tests/vectors/params.json

check_PROGRAMS += tests/unit/test-sandbox
TESTS += tests/unit/test-sandbox
tests_unit_test_sandbox_SOURCES = tests/unit/test-sandbox.c tests/unit/tap.h
tests_unit_test_sandbox_CFLAGS = $(AM_CFLAGS) $(SECCOMP_CFLAGS)
tests_unit_test_sandbox_LDADD = proto/libsandbox.a proto/libproto.a $(SECCOMP_LIBS)
