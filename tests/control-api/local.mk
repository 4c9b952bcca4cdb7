# SPDX-License-Identifier: GPL-2.0-or-later
# The reference control API. Links nothing of ours: it checks the agent, and must not share its mistakes.

noinst_PROGRAMS += tests/control-api/control-api
tests_control_api_control_api_SOURCES = \
	tests/control-api/api.h \
	tests/control-api/body.c \
	tests/control-api/check.c \
	tests/control-api/ctl.c \
	tests/control-api/http.c \
	tests/control-api/issue.c \
	tests/control-api/main.c \
	tests/control-api/sign.c \
	tests/control-api/store.c
tests_control_api_control_api_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(MICROHTTPD_CFLAGS) $(SODIUM_CFLAGS) \
	$(ZLIB_CFLAGS) $(ZSTD_CFLAGS)
tests_control_api_control_api_LDADD = $(JANSSON_LIBS) $(MICROHTTPD_LIBS) $(SODIUM_LIBS) $(ZLIB_LIBS) $(ZSTD_LIBS)
